"""What the four parts of `orchestration` stand on, from records to the journal."""
