"""Bent earnings as pieces: all curves of a problem in one table, cut at the same shares in every period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from .curve import ONE_POINT, EarningsCurve

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

AT_REACH = 1e-9
"""A breakpoint above the largest reachable share by no more than this stands at it."""


def greatest(values: FloatArray) -> float:
    """The largest value, NaN where one is: what `max` gives, in a third of its time where there are few values."""
    return values.item(values.argmax())


def smallest(values: FloatArray) -> float:
    """The smallest value, NaN where one is, likewise."""
    return values.item(values.argmin())


@dataclass(frozen=True)
class Curved:
    """A protocol whose earnings bend: its pieces, cut at the same shares in every period.

    index     position of the protocol
    starts, ends
              (pieces,) shares between which each piece lies, the last one wide enough for every reachable share
    nominal_slopes, nominal_base
              (periods, pieces) USD/h per unit of share, and (periods,) USD/h at share 0
    factor    (periods,), expected factor over the scenarios; 1 without scenarios
    ordered   True where slopes never rise, so that no binaries are needed to fill pieces in order
    """

    index: int
    starts: FloatArray
    ends: FloatArray
    nominal_slopes: FloatArray
    nominal_base: FloatArray
    factor: FloatArray
    ordered: bool

    @cached_property
    def widths(self) -> FloatArray:
        """Width of each piece, (pieces,)."""
        return self.ends - self.starts

    @cached_property
    def slopes(self) -> FloatArray:
        """Expected slopes, (periods, pieces), USD/h per unit of share."""
        return self.factor[:, None] * self.nominal_slopes

    @cached_property
    def base(self) -> FloatArray:
        """Expected earnings at share 0, (periods,), USD/h."""
        return self.factor * self.nominal_base

    def fill(self, shares: FloatArray) -> FloatArray:
        """How full each piece is at `shares` (periods,): shape (periods, pieces)."""
        return np.minimum(np.maximum(shares[:, None] - self.starts, 0.0), self.widths)

    def marginal(self, share: float, near: float) -> tuple[float, float]:
        """Expected slopes (USD/h) right and left of `share`, first period; a breakpoint within `near` is there."""
        last = self.widths.size - 1
        right = min(int(self.ends.searchsorted(share + near, side="right")), last)
        left = min(int(self.ends.searchsorted(share - near, side="left")), last)
        return float(self.slopes[0, right]), float(self.slopes[0, left])


@dataclass(frozen=True)
class CurveSegments:
    """The pieces of all curves, those of one protocol side by side; C curves, P pieces.

    index     (C,) position of each curve's protocol
    first     (C,) place of its first piece
    owner     (P,) position of each piece's protocol
    starts, ends
              (P,) shares between which the piece lies
    nominal_slopes, nominal_base, factor
              (periods, P), (periods, C), (periods, C) as in Curved
    ordered   (C,) True where slopes never rise
    """

    index: IntArray
    first: IntArray
    owner: IntArray
    starts: FloatArray
    ends: FloatArray
    nominal_slopes: FloatArray
    nominal_base: FloatArray
    factor: FloatArray
    ordered: BoolArray

    @cached_property
    def widths(self) -> FloatArray:
        """Width of each piece, (P,)."""
        return self.ends - self.starts

    @cached_property
    def counts(self) -> IntArray:
        """Number of pieces of each curve, (C,)."""
        return np.concatenate((self.first[1:], [self.owner.size])) - self.first

    @cached_property
    def slopes(self) -> FloatArray:
        """Expected slopes, (periods, P), USD/h per unit of share."""
        return self.factor.repeat(self.counts, axis=1) * self.nominal_slopes

    @cached_property
    def base(self) -> FloatArray:
        """Expected earnings at share 0, (periods, C), USD/h."""
        return self.factor * self.nominal_base

    def fill(self, schedule: FloatArray) -> FloatArray:
        """How full each piece is at `schedule`, (periods, protocols): shape (periods, P)."""
        return np.minimum(np.maximum(schedule[:, self.owner] - self.starts, 0.0), self.widths)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum over each curve's pieces of `values`, (periods, P): shape (periods, C)."""
        return np.add.reduceat(values, self.first, axis=1)

    def marginals(self, shares: FloatArray, near: float) -> tuple[FloatArray, FloatArray]:
        """Expected slopes (USD/h) right and left of each curve's share, first period: (C,) each.

        A breakpoint within `near` is there. `shares` is (protocols,).
        """
        share = shares[self.owner]
        last = self.counts - 1
        right = np.minimum(np.add.reduceat(self.ends <= share + near, self.first, dtype=np.intp), last)
        left = np.minimum(np.add.reduceat(self.ends < share - near, self.first, dtype=np.intp), last)
        return self.slopes[0, self.first + right], self.slopes[0, self.first + left]

    def one_by_one(self) -> tuple[Curved, ...]:
        """The same, a record a curve."""
        spans = [slice(start, start + count) for start, count in zip(self.first, self.counts, strict=True)]
        return tuple(
            Curved(
                int(self.index[k]),
                self.starts[span],
                self.ends[span],
                self.nominal_slopes[:, span],
                self.nominal_base[:, k],
                self.factor[:, k],
                bool(self.ordered[k]),
            )
            for k, span in enumerate(spans)
        )


def pieces(
    index: Sequence[int], curves: Sequence[tuple[EarningsCurve, ...]], factor: FloatArray, reach: FloatArray
) -> CurveSegments:
    """The table of `curves`, each one curve for all periods or one a period, cut at breakpoints up to `reach`.

    A breakpoint at `reach` itself counts: what comes after it is what one more unit of capacity or share would earn.
    The last piece ends past every reachable share, so that its end never binds and never has a price. `factor` is
    (periods, curves), `reach` (curves,).
    """
    periods = len(factor)
    if all(len(each) == 1 for each in curves) and not any(_has_narrow(each[0].shares) for each in curves):
        shares = [each[0].shares for each in curves]
        slopes = _joined([each[0].slopes for each in curves])[None, :]
    else:
        shares = [_apart(sorted({share for curve in each for share in curve.shares})) for each in curves]
        slopes = np.stack([_joined(_slopes_at(cuts, each, t) for cuts, each in zip(shares, curves, strict=True))
                           for t in range(periods)])  # fmt: skip
    starts, curve = _joined(shares), np.arange(len(shares)).repeat([len(each) for each in shares])
    kept = starts <= reach[curve] + AT_REACH
    starts, curve, slopes = starts[kept], curve[kept], slopes[:, kept]
    first = np.concatenate(([0], (curve[1:] != curve[:-1]).nonzero()[0] + 1))
    last = np.concatenate((first[1:], [starts.size])) - 1
    ends = np.concatenate((starts[1:], [0.0]))
    ends[last] = np.maximum(reach[curve[last]], starts[last]) + 1.0
    places = np.asarray(index, dtype=np.intp)
    base = np.array([[each[t % len(each)].earnings[0] for each in curves] for t in range(periods)])
    return CurveSegments(
        index=places,
        first=first,
        owner=places[curve],
        starts=starts,
        ends=ends,
        nominal_slopes=slopes if len(slopes) == periods else np.broadcast_to(slopes, (periods, starts.size)),
        nominal_base=base,
        factor=factor,
        ordered=np.array([all(each.is_concave for each in several) for several in curves]),
    )


def _joined(rows: object) -> FloatArray:
    return np.fromiter(chain.from_iterable(rows), dtype=float)  # type: ignore[arg-type]


def _has_narrow(shares: tuple[float, ...]) -> bool:
    return len(shares) > 1 and any(after - before <= ONE_POINT for before, after in pairwise(shares))


def _apart(cuts: list[float]) -> tuple[float, ...]:
    """The cuts but for those within rounding of the one before: a piece that narrow is none."""
    kept = cuts[:1]
    for cut in cuts[1:]:
        if cut - kept[-1] > ONE_POINT:
            kept.append(cut)
    return tuple(kept)


def _slopes_at(cuts: tuple[float, ...], curves: tuple[EarningsCurve, ...], period: int) -> list[float]:
    """Slope from every cut to the next in `period`, and beyond the last one."""
    curve = curves[period % len(curves)]
    if set(curve.shares) <= set(cuts):
        return [curve.marginal(cut)[0] for cut in cuts]
    middles = [(before + after) / 2.0 for before, after in pairwise(cuts)]
    return [*(curve.marginal(middle)[0] for middle in middles), curve.last_slope]
