"""From readings to a problem, and from its answer to a plan."""
