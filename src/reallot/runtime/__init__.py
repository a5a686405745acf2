"""A running engine: configuration, building, cycle after cycle, restart."""
