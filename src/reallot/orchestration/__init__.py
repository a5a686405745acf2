"""The four parts around a decision: poll, decide, move, watch. Records in records.py, one part a file."""
