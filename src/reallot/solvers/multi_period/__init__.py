"""Several periods and one capacity: a few protocols planned, the others proved idle."""

from .column_generation import declines, solve

__all__ = ["declines", "solve"]
