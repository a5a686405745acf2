"""What is worth an alert, and what a period brought."""
