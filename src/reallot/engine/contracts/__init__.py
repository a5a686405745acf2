"""What adapters, ledger and engine share: records, clock, the adapter port, secrets, checks of readings."""
