"""What is measured: small specs, each a name, a maker and its sizes. Adding one is adding a decorated function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reallot import AllocationProblem

Build = Callable[[], AllocationProblem]
"""Makes the problem from data that are already there, so that its time is the record's own."""
Maker = Callable[[int, np.random.Generator], Build]


@dataclass(frozen=True)
class Spec:
    """One family of problems.

    name      what --only asks for
    about     one line for the table
    maker     (size, generator) to a function that builds the problem
    sizes     rising; smoke mode takes the first
    backends  who answers; sizes a backend would need minutes for are left out by `longest`
    longest   {backend: largest size it is asked for}
    """

    name: str
    about: str
    maker: Maker
    sizes: tuple[int, ...]
    backends: tuple[str, ...]
    longest: dict[str, int]

    def build(self, size: int, seed: int = 0) -> Build:
        """The function that builds the problem of `size`; the same seed gives the same problem."""
        return self.maker(size, np.random.default_rng([seed, size]))


SPECS: dict[str, Spec] = {}


def spec(
    about: str, sizes: tuple[int, ...], backends: tuple[str, ...], longest: dict[str, int] | None = None
) -> Callable[[Maker], Maker]:
    """Registers the maker below under its own name."""

    def register(maker: Maker) -> Maker:
        name = maker.__name__
        SPECS[name] = Spec(name, about, maker, sizes, backends, longest or {})
        return maker

    return register
