"""Program, or problem, to solution: one file per backend."""

from .backends import BACKENDS, Backend, choose, solve

__all__ = ["BACKENDS", "Backend", "choose", "solve"]
