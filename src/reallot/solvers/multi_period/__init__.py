"""Several periods and one capacity: a few protocols planned, the others proved idle."""

from .column_generation import solve, why_ineligible

__all__ = ["solve", "why_ineligible"]
