"""The commands that run, watch and look back; one file each, imported when asked for."""
