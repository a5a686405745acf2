"""The default policy with one thing changed, for the length of a `with`: the library has no options for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reallot.policy import experts, follow_the_leading_expert
from reallot.policy.base import FloatArray, Terms
from reallot.policy.forecast import ridge, variogram
from reallot.policy.forecast.features import Features
from reallot.policy.forecast.kriging import Kriging
from reallot.policy.last_reading import BoolArray


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


class Fixed(Kriging):
    """First weights that are the same for all rates: 0.4 of the mean nearest to the horizon, 0.3 of the mean of all."""

    def weights(self, variances: FloatArray) -> FloatArray:
        result = np.zeros((len(self._steps), len(self._kept)))
        lengths = -1.0 / np.log2(self._decays)
        nearest = np.abs(np.log(lengths / self._steps[:, None])).argmin(axis=1)
        result[np.arange(len(result)), 1 + nearest], result[:, -1] = 0.4, 0.3
        return result


class NextStep(Features):
    """A day's shape at the next step for every horizon, instead of over the horizon's own hours."""

    def __init__(self, size: int, step_hours: float, steps: NDArray[np.int_], *, quotes: bool = False) -> None:
        super().__init__(size, step_hours, np.ones_like(steps), quotes=quotes)


class WorkFirst(experts.Bank):
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
    "value rules look 6 stretches ahead, at any cost": lambda: put(experts, DEPTH=6, COVER=0.0),
    "long horizons trusted from the start (PERSISTENCE 0)": lambda: put(ridge, PERSISTENCE=0.0),
    "nothing handed on to longer horizons (HANDED_ON 0)": lambda: put(ridge, HANDED_ON=0.0),
    "one penalty for all features": _one_penalty,
    "first weights the same for all rates": lambda: put(ridge, Kriging=Fixed),
    "first weights fitted every six hours or steps, from the start": lambda: put(ridge, EARLY=1e9),
    "a day's shape at the next step only": lambda: put(ridge, Features=NextStep),
    "work function leads first": lambda: put(follow_the_leading_expert, Bank=WorkFirst),
    "memory of 864 steps": lambda: put(follow_the_leading_expert, MEMORY_STEPS=864.0),
}
"""By what is changed."""

SETTINGS = (
    ("policy/forecast/ridge.py", ridge, ("PERSISTENCE", "HANDED_ON", "PENALTY", "EARLY")),
    ("policy/forecast/variogram.py", variogram, ("SCALES", "ROUNDS")),
    ("policy/experts.py", experts, ("DEPTH", "COVER")),
    ("policy/follow_the_leading_expert.py", follow_the_leading_expert, ("MEMORY_STEPS", "BONUS", "MARGIN")),
)
FIRST = "seeds 0 to 31, all families but smooth and posted"
CHECKED = f"{FIRST}; checked on 100 to 107"
LAST = "400 to 411 (all)"
AGAIN = f"{FIRST}; again on 200 to 209 (smooth and posted), 300 to 306 and {LAST}"
CHOSEN = {
    **dict.fromkeys(("DEPTH", "COVER"), CHECKED),
    **dict.fromkeys(("MEMORY_STEPS", "BONUS", "MARGIN"), f"{CHECKED} and looked at again on 400 to 415"),
    **dict.fromkeys(("PERSISTENCE", "HANDED_ON", "PENALTY"), AGAIN),
    **dict.fromkeys(("EARLY", "SCALES", "ROUNDS"), f"seeds {LAST}"),
}
"""On which seeds of the made worlds each was chosen."""


def settings() -> list[tuple[str, str, float, str]]:
    """File, name, value now, and where it was chosen."""
    return [
        (place, name, float(getattr(module, name)), CHOSEN[name]) for place, module, names in SETTINGS for name in names
    ]
