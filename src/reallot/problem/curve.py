"""What a protocol earns per hour as a function of the share it gets: a piecewise-linear curve."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import ge, lt, sub, truediv
from typing import Any

from ..errors import InvalidInput
from .validation import LARGEST, in_order, number

ONE_POINT = 1e-9
"""Two breakpoints no farther apart than this are one."""
NARROWEST, JUMP = 1e-8, 1e-6
"""A piece of a curve below this width may not change earnings by more than this part of the largest there are."""


_ORIGIN = (0.0,)


@dataclass(frozen=True, init=False)
class EarningsCurve:
    """Piecewise linear earnings per hour (USD/h) as a function of the share.

    The curve is linear between `shares` and has slope `last_slope` beyond the last one. `flat`, `through` and
    `pieces` make curves more briefly.

    Parameters
    ----------
    shares
        Breakpoints in the unit of capacity; they start at 0 and rise strictly.
    earnings
        Earnings (USD/h) at each breakpoint.
    last_slope
        Slope (USD/h per unit of share) beyond the last breakpoint.

    Raises
    ------
    InvalidInput
        Where the numbers are not finite, the lengths differ or the breakpoints do not rise.

    Examples
    --------
    >>> from reallot import EarningsCurve
    >>> curve = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
    >>> curve.value(0.45), curve.is_concave
    (1.05, True)
    """

    shares: tuple[float, ...]
    earnings: tuple[float, ...]
    last_slope: float

    def __init__(self, shares: Sequence[float], earnings: Sequence[float], last_slope: float) -> None:
        if not (shares is _ORIGIN and earnings is _ORIGIN and type(last_slope) is float and abs(last_slope) <= LARGEST):
            shares, earnings, last_slope = _checked(shares, earnings, last_slope)
        vars(self).update(shares=shares, earnings=earnings, last_slope=last_slope)

    @classmethod
    def flat(cls, rate: float) -> EarningsCurve:
        """Return the curve that earns `rate * share`, however large the share is.

        Parameters
        ----------
        rate
            USD/h per unit of share.

        Returns
        -------
        EarningsCurve
            One straight piece through zero.
        """
        return cls.of(rate)

    @classmethod
    def through(cls, points: Iterable[tuple[float, float]]) -> EarningsCurve:
        """Return the curve through these points, flat beyond the last: more share earns no more there.

        Parameters
        ----------
        points
            Pairs of share (unit of capacity) and earnings (USD/h), by rising share.

        Returns
        -------
        EarningsCurve
            The curve with a breakpoint at each share.
        """
        pairs = _pairs(points, "a curve", "(share, USD per hour)")
        return cls(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), 0.0)

    @classmethod
    def pieces(cls, pieces: Iterable[tuple[float, float]]) -> EarningsCurve:
        """Return the curve made of these pieces from share 0 on, flat beyond the last.

        Parameters
        ----------
        pieces
            Pairs of slope (USD/h per unit of share) and width (share).

        Returns
        -------
        EarningsCurve
            The curve with a breakpoint at the end of each piece.

        Examples
        --------
        >>> from reallot import EarningsCurve
        >>> EarningsCurve.pieces([(3, 0.3), (1, 0.3)]).value(0.6)
        1.2
        """
        shares, earnings = [0.0], [0.0]
        for slope, width in _pairs(pieces, "a curve", "(slope, width)"):
            if number(width, "a piece's width") <= 0.0:
                raise InvalidInput(f"a piece has width {width:g}; widths must be above 0")
            shares.append(shares[-1] + float(width))
            earnings.append(earnings[-1] + number(slope, "a piece's slope (USD/h per share)") * float(width))
        return cls(tuple(shares), tuple(earnings), 0.0)

    @classmethod
    def of(cls, value: Any, what: str = "rate (USD/h)") -> EarningsCurve:
        """Return a curve unchanged, or the flat curve of a bare number.

        Parameters
        ----------
        value
            A curve, or a rate in USD/h per unit of share.
        what
            The name of the value in an error message.

        Returns
        -------
        EarningsCurve
            The curve itself, or the flat one.
        """
        return value if isinstance(value, EarningsCurve) else cls(_ORIGIN, _ORIGIN, number(value, what))

    @cached_property
    def slopes(self) -> tuple[float, ...]:
        """Slope of every piece (USD/h per unit of share), the one beyond the last breakpoint included."""
        widths = map(sub, self.shares[1:], self.shares)
        rises = map(sub, self.earnings[1:], self.earnings)
        return (*map(truediv, rises, widths), self.last_slope)

    @property
    def is_flat(self) -> bool:
        """True where the curve is one rate through zero."""
        return len(self.shares) == 1 and self.earnings[0] == 0.0

    @property
    def rate(self) -> float:
        """The one rate (USD/h per unit of share) of a flat curve; NaN where earnings bend."""
        return self.last_slope if len(self.shares) == 1 and self.earnings[0] == 0.0 else math.nan

    @cached_property
    def is_concave(self) -> bool:
        """True where slopes never rise (but for rounding); a linear program then fills pieces in order by itself."""
        slopes = self.slopes
        if all(map(ge, slopes, slopes[1:])):
            return True
        points = [(0.0, self.earnings[0])]
        for share, value in zip(self.shares, self.earnings, strict=True):
            if share - points[-1][0] > ONE_POINT:
                points.append((share, value))
        slopes = (*((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(points)), self.last_slope)
        # a narrow piece's slope carries the rounding of two large earnings
        rounding = 2e-15 * max(abs(value) for value in self.earnings)
        noise = [*(rounding / (after - before) for (before, _), (after, _) in pairwise(points)), 0.0]
        slack = 1e-12 * max(abs(slope) for slope in slopes) + sys.float_info.min  # no relative digits below
        return all(
            after <= before + slack + one + other
            for (before, after), (one, other) in zip(pairwise(slopes), pairwise(noise), strict=True)
        )

    def narrowest_jump(self, width: float) -> tuple[float, float, float]:
        """Find the piece narrower than `width` on which earnings change most.

        Parameters
        ----------
        width
            Largest width (share) of a piece that counts as narrow.

        Returns
        -------
        tuple
            Share at which the piece starts, its width (share) and the change (USD/h); three zeros where none is narrow.
        """
        shares, earnings = self.shares, self.earnings
        if len(shares) == 1 or min(map(sub, shares[1:], shares)) >= width:
            return 0.0, 0.0, 0.0
        narrow = [
            (abs(y1 - y0), x0, x1 - x0)
            for (x0, y0), (x1, y1) in pairwise(zip(shares, earnings, strict=True))
            if x1 - x0 < width
        ]
        rise, at, wide = max(narrow, default=(0.0, 0.0, 0.0))
        return at, wide, rise

    @property
    def size(self) -> float:
        """Largest earnings at a breakpoint, or per unit of share beyond them (USD/h)."""
        return max(abs(self.last_slope), *map(abs, self.earnings))

    def value(self, share: float) -> float:
        """Return the earnings per hour at one share.

        Parameters
        ----------
        share
            Share in the unit of capacity.

        Returns
        -------
        float
            Earnings (USD/h).
        """
        share = number(share, "a share")
        piece = max(bisect_right(self.shares, share) - 1, 0)
        return self.earnings[piece] + self.slopes[piece] * (share - self.shares[piece])

    def marginal(self, share: float) -> tuple[float, float]:
        """Return the marginal rates at one share, which differ at a breakpoint.

        Parameters
        ----------
        share
            Share in the unit of capacity.

        Returns
        -------
        tuple
            Slopes (USD/h per unit of share) to the right and to the left of the share.
        """
        slopes, share = self.slopes, number(share, "a share")
        right = max(bisect_right(self.shares, share) - 1, 0)
        left = max(bisect_left(self.shares, share) - 1, 0)
        return slopes[right], slopes[left]

    def points(self) -> list[list[float]] | None:
        """Return the breakpoints for which `through` would give this curve back.

        Returns
        -------
        list or None
            Pairs [share, USD/h]. None where the curve goes on rising or falling beyond its last breakpoint.
        """
        if self.is_flat or self.last_slope != 0.0:
            return None
        return [[x, y] for x, y in zip(self.shares, self.earnings, strict=True)]

    def scaled(self, factor: float) -> EarningsCurve:
        """Return the curve with all earnings multiplied.

        Parameters
        ----------
        factor
            The factor, without unit.

        Returns
        -------
        EarningsCurve
            A curve with the same breakpoints.
        """
        factor = number(factor, "a curve's factor")
        if self.is_flat:
            return EarningsCurve.flat(factor * self.last_slope)
        return EarningsCurve(self.shares, tuple(factor * value for value in self.earnings), factor * self.last_slope)


def _pairs(values: Iterable[Any], what: str, each: str) -> list[tuple[Any, Any]]:
    pairs = []
    for value in in_order(values, what, each):
        pair = tuple(in_order(value, f"a point or piece of {what}", "two numbers, " + each))
        if len(pair) != 2:
            raise InvalidInput(f"a point or piece of {what} is {pair!r}; give {each}")
        pairs.append(pair)
    return pairs


def _checked(shares: Any, earnings: Any, last_slope: Any) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """The numbers of a curve as tuples of floats; raises InvalidInput for the first that cannot be."""
    if type(shares) is tuple and type(earnings) is tuple and len(shares) == len(earnings):
        values = (*shares, *earnings, last_slope)
        if (
            set(map(type, values)) == {float}
            and all(map(LARGEST.__ge__, map(abs, values)))  # a NaN makes every comparison false
            and shares[:1] == _ORIGIN
            and all(map(lt, shares, shares[1:]))
        ):
            return shares, earnings, last_slope
    shares = tuple(
        number(share, "a breakpoint's share", 0.0) for share in in_order(shares, "a curve's shares", "numbers")
    )
    earnings = tuple(
        number(value, "a breakpoint's earnings (USD/h)")
        for value in in_order(earnings, "a curve's earnings (USD/h)", "numbers")
    )
    if not shares or len(shares) != len(earnings):
        raise InvalidInput(f"a curve has {len(shares)} shares and {len(earnings)} earnings; give one of each per point")
    if shares[0] != 0.0:
        raise InvalidInput(f"a curve starts at share 0, this one at {shares[0]:g}; add the point (0, 0)")
    for before, after in pairwise(shares):
        if after <= before:
            raise InvalidInput(
                f"breakpoints must rise strictly: {after:g} follows {before:g}; sort the points by share"
            )
    return shares, earnings, number(last_slope, "a curve's last slope (USD/h per share)")


def require_wide_jumps(curves: Iterable[tuple[str, EarningsCurve]], largest_rate: float) -> None:
    """Raises InvalidInput where earnings jump within a piece too narrow to be told from nothing.

    `curves` come with the names of their protocols; `largest_rate` (USD/h) is that of protocols without a curve.
    """
    listed, below = list(curves), NARROWEST * (1.0 - 1e-6)  # two points that were meant to be as far apart
    found = [(name, *jump) for name, curve in listed if (jump := curve.narrowest_jump(below))[2] > 0.0]
    size = max(largest_rate, *(curve.size for _, curve in listed)) if found else 0.0
    for name, at, width, rise in found:
        if rise > JUMP * size:
            raise InvalidInput(
                f"{name}: its earnings change by {rise:g} USD/h within {width:g} of share, at share {at:g}; a "
                f"piece of a curve that steep is at least {NARROWEST:g} wide: move its two points that far apart"
            )
