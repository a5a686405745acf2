"""How numbers, lengths of time and tables are written for people: one way each."""
