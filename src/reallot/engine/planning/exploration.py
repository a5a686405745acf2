"""Exploration floors: minimum shares that keep protocols observable which report earnings only with a share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import numpy as np

from ...policy.exploration import exploration_floors
from ...problem import ProtocolSpec

LEAST_SHARE = 0.001
"""What an optimizer that explores reads a rate from, where nobody says otherwise: floors of fifty protocols."""
SET = 0.5
"""A share of so much of its floor is as good as it: nothing is raised for the rest."""


class Explored(Protocol):
    """What floors are worked out from, by protocol name; a `PlanningProblem` has it. Shares are parts of capacity."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the protocols."""

    @property
    def specs(self) -> Mapping[str, ProtocolSpec]:
        """What is known of protocols, by name."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Shares now, by name."""

    @property
    def held(self) -> Collection[str]:
        """Names of protocols that keep their share."""

    @property
    def full(self) -> Collection[str]:
        """Names of protocols that can use no more."""

    @property
    def unread(self) -> Collection[str]:
        """Names of protocols of which no reading is known."""

    @property
    def steps(self) -> Mapping[str, float]:
        """Indivisible units of share by name, where an adapter says so."""

    @property
    def floors(self) -> Mapping[str, float]:
        """Smallest shares by name, where an adapter says so."""

    @property
    def least(self) -> Mapping[str, float]:
        """Floors of exploration by name."""


def floors_of(problem: Explored) -> dict[str, float]:
    """The floors of `policy/exploration.py` by name, for all that may hold such a share, whether they do or not.

    Protocols that keep their share or can use no more are left out. So are those whose adapter or spec has no share so
    small: steps, floors and entry shares above it.
    """
    low, high = [], []
    for name in problem.names:
        spec = problem.specs.get(name)
        least = 0.0 if spec is None else spec.min_share
        most = 1.0 if spec is None or spec.max_share is None else spec.max_share
        low.append(least)
        may_rise = name not in problem.full and (name not in problem.held or name in problem.unread)
        high.append(most if may_rise else least)
    floors = exploration_floors(np.array(low), np.maximum(low, high)).tolist()
    return {
        name: floor
        for name, floor, least in zip(problem.names, floors, low, strict=True)
        if floor > least and floor >= _smallest(problem, name)
    }


def lacking(problem: Explored) -> frozenset[str]:
    """Protocols that have a floor and hold less than it."""
    return frozenset(name for name, floor in problem.least.items() if problem.shares[name] < SET * floor)


def _smallest(problem: Explored, name: str) -> float:
    """The smallest share above 0 that it can be problem for."""
    spec = problem.specs.get(name)
    own = (0.0, 0.0) if spec is None else (spec.entry_share, spec.step or 0.0)
    return max(*own, problem.steps.get(name, 0.0), problem.floors.get(name, 0.0))
