"""From a problem to a certified, priced and explained plan."""
