"""Problem to program, one file per idea; knows nobody who solves it."""

from .fixed_integers import given_choices
from .formulate import formulate
from .lift import complete, complete_prices, schedule_of
from .rules import Rule, rules

__all__ = ["Rule", "complete", "complete_prices", "formulate", "given_choices", "rules", "schedule_of"]
