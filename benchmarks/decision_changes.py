"""The default policy with one thing changed, for the length of a `with`: the library has no options for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from reallot.forecast import ridge
from reallot.policy import bank, replay
from reallot.policy.base import FloatArray, Terms
from reallot.policy.seen import BoolArray


@contextmanager
def put(place: Any, **values: Any) -> Iterator[None]:
    """Attributes of a module or class set, and put back at the end."""
    before = {name: getattr(place, name) for name in values}
    for name, value in values.items():
        setattr(place, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(place, name, value)


def _one_penalty() -> AbstractContextManager[None]:
    """The ridge's penalty alike for all features, by their mean size, instead of each by its own."""
    own = ridge.PooledRidge._fit

    def fit(self: ridge.PooledRidge, size: int) -> None:
        spread = self._spread
        self._spread = np.full_like(spread, spread.mean())
        own(self, size)
        self._spread = spread

    return put(ridge.PooledRidge, _fit=fit)


class WorkFirst(bank.Bank):
    """The same rules with the work function before all others: it begins as leader, with the bonus."""

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        super().__init__(terms, rates, quotes=quotes)
        first = self.names.index("work function")
        self._order = [first, *(place for place in range(len(self.names)) if place != first)]
        self.names = tuple(self.names[place] for place in self._order)

    def take(self, rates: FloatArray, quotes: FloatArray | None, read: BoolArray | None = None) -> FloatArray:
        result: FloatArray = super().take(rates, quotes, read)[self._order]
        return result


NONE = ""
CHANGES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    NONE: nullcontext,
    "value rules look 6 stretches ahead, at any cost": lambda: put(bank, DEPTH=6, COVER=0.0),
    "long horizons trusted from the start (PERSISTENCE 0)": lambda: put(ridge, PERSISTENCE=0.0),
    "nothing handed on to longer horizons (HANDED_ON 0)": lambda: put(ridge, HANDED_ON=0.0),
    "one penalty for all features": _one_penalty,
    "work function leads first": lambda: put(replay, Bank=WorkFirst),
    "memory of 864 steps": lambda: put(replay, MEMORY_STEPS=864.0),
}
"""By what is changed."""

SETTINGS = (
    ("forecast/ridge.py", ridge, ("NEAREST", "ALL", "PERSISTENCE", "HANDED_ON", "PENALTY")),
    ("policy/bank.py", bank, ("DEPTH", "COVER")),
    ("policy/replay.py", replay, ("MEMORY_STEPS", "BONUS", "MARGIN")),
)
FIRST = "seeds 0 to 31, all families but smooth and posted"
CHECKED = f"{FIRST}; checked on 100 to 107"
AGAIN = f"{FIRST}; again on 200 to 209 (smooth and posted) and 300 to 306 (all)"
CHOSEN = {
    **dict.fromkeys(("NEAREST", "ALL", "DEPTH", "COVER", "MEMORY_STEPS", "BONUS", "MARGIN"), CHECKED),
    **dict.fromkeys(("PERSISTENCE", "HANDED_ON", "PENALTY"), AGAIN),
}
"""On which seeds of the made worlds each was chosen."""


def settings() -> list[tuple[str, str, float, str]]:
    """File, name, value now, and where it was chosen."""
    return [
        (place, name, float(getattr(module, name)), CHOSEN[name]) for place, module, names in SETTINGS for name in names
    ]
