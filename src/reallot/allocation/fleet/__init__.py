"""Many hosts under shared limits: one plan for all, with a proven bound, and a price for every shared limit."""
