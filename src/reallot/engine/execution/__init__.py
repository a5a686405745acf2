"""From a plan to changed shares: state machine, guards, executor, recovery."""
