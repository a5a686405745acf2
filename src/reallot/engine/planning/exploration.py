"""Floors of exploration of a question: least shares with which what is not known otherwise stays read."""

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
    """What floors are worked out from: `Question` has all of it, by protocol name. Shares are parts of capacity."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def specs(self) -> Mapping[str, ProtocolSpec]: ...
    @property
    def shares(self) -> Mapping[str, float]: ...
    @property
    def held(self) -> Collection[str]: ...
    @property
    def full(self) -> Collection[str]: ...
    @property
    def unread(self) -> Collection[str]: ...
    @property
    def steps(self) -> Mapping[str, float]: ...
    @property
    def floors(self) -> Mapping[str, float]: ...
    @property
    def least(self) -> Mapping[str, float]: ...


def floors_of(asked: Explored) -> dict[str, float]:
    """The floors of `policy/exploration.py` by name, for all that may hold such a share, whether they do or not.

    Left out are protocols that keep their share, that can use no more, and those whose adapter or spec has no share so
    small: steps, floors and entry shares above it.
    """
    low, high = [], []
    for name in asked.names:
        spec = asked.specs.get(name)
        least = 0.0 if spec is None else spec.min_share
        most = 1.0 if spec is None or spec.max_share is None else spec.max_share
        low.append(least)
        high.append(most if name not in asked.full and (name not in asked.held or name in asked.unread) else least)
    floors = exploration_floors(np.array(low), np.maximum(low, high)).tolist()
    return {
        name: floor
        for name, floor, least in zip(asked.names, floors, low, strict=True)
        if floor > least and floor >= _smallest(asked, name)
    }


def lacking(asked: Explored) -> frozenset[str]:
    """Protocols that have a floor and hold less than it."""
    return frozenset(name for name, floor in asked.least.items() if asked.shares[name] < SET * floor)


def _smallest(asked: Explored, name: str) -> float:
    """The smallest share above 0 that it can be asked for."""
    spec = asked.specs.get(name)
    own = (0.0, 0.0) if spec is None else (spec.entry_share, spec.step or 0.0)
    return max(*own, asked.steps.get(name, 0.0), asked.floors.get(name, 0.0))
