"""What must survive a restart: readings, decisions, moves, alerts and the journal of every move."""
