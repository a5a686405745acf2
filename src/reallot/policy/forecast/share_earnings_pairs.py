"""Pairs of share and earnings, checked: what both ways of learning curves read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidInput
from ...problem.validation import LARGEST, number, several

FloatArray = NDArray[np.float64]

NOTHING = 1e-9
"""A share up to this is rounding: it says nothing about a curve."""
FULL_WEIGHT = 0.005
"""A pair with a share below this counts in proportion: small earnings over a small share say little."""


def checked(
    names: Sequence[str], shares: ArrayLike, earnings: ArrayLike, observed: ArrayLike | None, largest_share: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares, earnings per share (USD/h) and what each pair counts (0 to 1), all shaped as `shares`, (..., protocols).

    Pairs that count nothing hold zeros: those not `observed`, and those with no share to speak of. Raises InvalidInput
    for another shape, and for the first observed pair with NaN, a share outside of 0 to `largest_share`, or earnings
    without a share.
    """
    share, earned = _numbers(shares, "shares"), _numbers(earnings, "earnings")
    known = np.ones(share.shape, dtype=bool) if observed is None else np.asarray(observed)
    if known.dtype != np.bool_:
        raise InvalidInput(f"observed holds {known.dtype} values; give True or False for each protocol")
    for what, array in (("shares", share), ("earnings", earned), ("observed", known)):
        if array.shape != share.shape or array.shape[-1:] != (len(names),):
            raise InvalidInput(
                f"{what} have shape {array.shape}; one number for each of {len(names)} protocols ({', '.join(names)}) "
                "is wanted, in shares, earnings and observed alike"
            )
    share, earned = np.where(known, share, 0.0), np.where(known, earned, 0.0)
    _refuse(names, ~np.isfinite(share), share, "a share of {}; where none was read, leave it out by observed=False")
    _refuse(names, share < 0.0, share, "a share of {}; shares are at least 0")
    _refuse(
        names,
        share > largest_share * (1.0 + NOTHING),
        share,
        f"a share of {{}}, above largest_share {largest_share:g}; shares are parts of the capacity, or raise it",
    )
    unread = ~(np.abs(earned) <= LARGEST)
    _refuse(names, unread, earned, "earnings of {} USD/h; where none were read, leave them out by observed=False")
    _refuse(
        names,
        (share == 0.0) & (earned != 0.0),
        earned,
        "earnings of {} USD/h at share 0, where every curve is 0; leave late payouts out by observed=False",
    )
    counts = known & (share > NOTHING)
    rate = np.divide(earned, share, out=np.zeros(share.shape), where=counts)
    share = np.where(counts, share, 0.0)
    return share, rate, np.minimum(share / FULL_WEIGHT, 1.0)


def _numbers(values: ArrayLike, what: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{what} are {values!r}; give one number for each protocol") from None


def _refuse(names: Sequence[str], wrong: NDArray[np.bool_], values: FloatArray, message: str) -> None:
    """Raises InvalidInput for the first that is `wrong`; `message` has a place for its value."""
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        raise InvalidInput(f"{names[place[-1]]} has {message.format(f'{values[place]:g}')}")


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` as a tuple; InvalidInput where there are none, or one comes twice."""
    result = tuple(several(names, "names", "protocol names"))
    if not result or len(set(result)) != len(result):
        raise InvalidInput(f"names are {', '.join(map(str, result)) or 'none at all'}; give at least one, each once")
    return result


def checked_half_life(value: float) -> float:
    """A half-life in observations, above 0; math.inf is one."""
    if value == math.inf:
        return value
    if number(value, "half_life (observations)", 0.0) == 0.0:
        raise InvalidInput("half_life is 0 observations; it must be above 0, and math.inf forgets nothing")
    return float(value)


def checked_top(value: float) -> float:
    """A largest share, above 0."""
    if number(value, "largest_share", 0.0) == 0.0:
        raise InvalidInput("largest_share is 0; it must be above 0, as curves go from 0 up to it")
    return float(value)


def nothing_seen() -> InvalidInput:
    """What is raised where curves are asked for before any pair has come."""
    return InvalidInput(
        "no pair of a share above 0 and its earnings has been seen, so that nothing can be said of any curve; "
        "begin with what the present shares earn"
    )
