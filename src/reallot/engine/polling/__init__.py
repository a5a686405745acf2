"""When to read a source, and what was last known of it."""
