"""Several periods and one capacity: a few protocols planned, the others proved idle."""

from .rounds import declines, solve

__all__ = ["declines", "solve"]
