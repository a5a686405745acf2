"""Earnings curves learned live: what the same protocol earned at other shares, poll after poll, whatever the level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

import numpy as np

from ...policy.forecast.curves import CurveLearner
from ...policy.forecast.robust_curves import BINS, robust_curves
from ...problem import EarningsCurve
from ..contracts.records import AggregatedMetrics
from .rate_estimation import Track

HOUR = 3600.0
KEPT = timedelta(days=7)
"""What a share earned is forgotten so long after it was held."""
JOIN_HOURS = 1.0
"""A share's earnings are those of its first so many hours: these are compared with what others earned just before."""
LEVEL_HOURS = 1.0
"""Half-life of a level afterwards."""
BEFORE_HOURS = 2.0
"""What was known of a share counts for no more hours than this against the first one in which it is held again."""
MOST_HOURS = 6
"""A pair counts as one for every hour at its share, and no more than so many."""
UNSURE = 1.0
"""For the robust way shares earn alike within so many standard errors: an exact fit would believe the noise."""
STRAIGHT = 0.1
"""A curve that loses no more than this part of its slope from share 0 to 1 is none."""
LEAST_SHARE = 1e-9


class Pair(NamedTuple):
    """What one share earns.

    level  USD/h for each unit of share, at today's level of the protocol
    error  standard error of it, relative
    hours  behind it; at: when it was held last
    """

    share: float
    level: float
    error: float
    hours: float
    at: datetime


class Stay(NamedTuple):
    """A stretch at one share: its part of the range, the level so far, and what was known of it before.

    hours, readings  how long it is, and how often it was read
    taken, at        of the track at its last reading
    """

    part: int
    level: float
    hours: float
    readings: int
    taken: int
    at: datetime
    before: Pair | None

    @property
    def joins(self) -> bool:
        """True while it says what its share earns; later it says what the level is."""
        return self.hours < JOIN_HOURS


class LearnedCurves:
    """Curves of protocols whose curve nobody gave, from pairs of a share and what it earned.

    way  "quadratic" (`CurveLearner`) or "robust" (`robust_curves`)

    A stretch at an unchanged share is one pair, however many polls it has: what its first hour earned is compared with
    what was earned at other shares just before. What changes later at the same share is the level of the whole curve:
    it scales all pairs of the protocol. Shares within a 24th are one, and what was known of one is averaged with what
    it earns when it is held again. A pair counts as one for each of its hours, up to six, and is forgotten a week after
    its share was held. What was held at one share only has no curve: nothing is known of its shape.
    """

    def __init__(self, way: str) -> None:
        self._way = way
        self._pairs: dict[str, dict[int, Pair]] = {}
        self._stays: dict[str, Stay] = {}
        self._now: datetime | None = None
        self._curves: dict[str, EarningsCurve] | None = None

    def take(self, metrics: AggregatedMetrics, tracks: Mapping[str, Track]) -> None:
        """One poll more, with the tracks that have learned from it."""
        self._now, self._curves = metrics.timestamp, None
        for name, track in tracks.items():
            if track.polled == metrics.timestamp and track.share > LEAST_SHARE:
                self._see(name, track)

    def curves(self) -> Mapping[str, EarningsCurve]:
        """Bent curves by name, USD/h against share at today's level; only of what was held at two shares or more."""
        if self._curves is None:
            self._curves = self._learn()
        return self._curves

    def moved(self, tracks: Mapping[str, Track], metrics: AggregatedMetrics) -> dict[str, Track]:
        """`tracks`, those whose share has changed with what their curve says of the new share."""
        result = dict(tracks)
        for name, track in tracks.items():
            share = metrics.allocation_by_protocol.get(name, track.share)
            if abs(share - track.share) <= 0.01 * max(share, track.share) or name not in self.curves():
                continue
            curve = self.curves()[name]
            result[name] = _scaled(track, per_share(curve, share) / per_share(curve, track.share))
        return result

    def _see(self, name: str, track: Track) -> None:
        """One reading of what the present share earns."""
        pairs, stay = self._pairs.setdefault(name, {}), self._stays.get(name)
        part = min(int(track.share * BINS), BINS - 1)
        if track.last <= 0.0:
            # what earns nothing has no shape
            self._stays.pop(name, None)
            pairs.clear()
            return
        joins = stay is None or stay.part != part or stay.joins
        hours = 0.0
        if stay is None or stay.part != part:
            stay = Stay(part, track.last, 0.0, 1, track.taken, track.at, pairs.get(part))
        else:
            hours = min(max((track.at - stay.at).total_seconds() / HOUR, 0.0), JOIN_HOURS)
            level = _level(stay, track, hours)
            if not joins:
                self._pairs[name] = pairs = {at: _times(pair, level / stay.level) for at, pair in pairs.items()}
            stay = stay._replace(
                level=level,
                hours=stay.hours + hours,
                readings=stay.readings + 1,
                taken=track.taken,
                at=track.at,
            )
        self._stays[name] = stay
        if joins or part not in pairs:
            pairs[part] = _joined(stay, track)
        else:
            pairs[part] = pairs[part]._replace(share=track.share, hours=pairs[part].hours + hours, at=track.at)

    def _learn(self) -> dict[str, EarningsCurve]:
        assert self._now is not None
        known: dict[str, list[Pair]] = {}
        for name, pairs in sorted(self._pairs.items()):
            for part in [part for part, pair in pairs.items() if self._now - pair.at > KEPT]:
                del pairs[part]
            if pairs:
                known[name] = sorted(pairs.values(), key=lambda pair: pair.at)
        spread = {name for name, pairs in known.items() if _spread(pairs) > 1.0 / BINS}
        if not spread:
            return {}
        found = zip(known, self._fitted(known), strict=True)
        return {name: curve for name, curve in found if name in spread and _bends(curve)}

    def _fitted(self, known: Mapping[str, list[Pair]]) -> list[EarningsCurve]:
        """A curve for each of `known`."""
        told = map(_surely, known.values()) if self._way == "robust" else known.values()
        columns = [[pair for pair in pairs for _ in range(_counts(pair))] for pairs in told]
        rows = max(map(len, columns))
        # the newest of each last
        share, level = np.zeros((rows, len(columns))), np.zeros((rows, len(columns)))
        for i, column in enumerate(columns):
            share[rows - len(column) :, i] = [min(pair.share, 1.0) for pair in column]
            level[rows - len(column) :, i] = [pair.level for pair in column]
        if self._way == "robust":
            return robust_curves(list(known), share, share * level, share > 0.0, half_life=np.inf)
        learner = CurveLearner(tuple(known), half_life=np.inf)
        for shares, levels in zip(share, level, strict=True):
            learner = learner.seen(shares, shares * levels, shares > 0.0)
        return learner.curves()


def per_share(curve: EarningsCurve, share: float) -> float:
    """USD/h that each unit of a share earns."""
    return curve.value(share) / share if share > LEAST_SHARE else curve.slopes[0]


def shapes_at(curves: Mapping[str, EarningsCurve], shares: Mapping[str, float]) -> dict[str, EarningsCurve]:
    """The curves scaled so that each unit of the present share earns 1: what is left of them is their shape."""
    return {
        name: curve.scaled(1.0 / per_share(curve, shares[name])) for name, curve in curves.items() if name in shares
    }


def _level(stay: Stay, track: Track, hours: float) -> float:
    """What each unit of the share earns, with a reading that stands for so many hours more."""
    if track.taken <= stay.taken:
        return track.last  # the track began again: what was read before is not believed any more
    weight = 1.0 / (stay.readings + 1) if stay.joins else 1.0 - 0.5 ** (hours / LEVEL_HOURS)
    return stay.level + weight * (track.last - stay.level)


def _times(pair: Pair, factor: float) -> Pair:
    return pair._replace(level=pair.level * factor)


def _joined(stay: Stay, track: Track) -> Pair:
    """What a stay says of its share, with what was known of it."""
    error = math.sqrt(track.variance / stay.readings) / abs(track.slow) if track.slow else 0.0
    before = stay.before
    if before is None:
        return Pair(track.share, stay.level, error, stay.hours, stay.at)
    old, new = min(before.hours, BEFORE_HOURS), max(stay.hours, 1.0 / 60.0)
    part = new / (old + new)
    level = before.level + part * (stay.level - before.level)
    return Pair(track.share, level, math.hypot((1.0 - part) * before.error, part * error), before.hours + new, stay.at)


def _surely(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, each as near to the median of all as its error allows."""
    middle = median(pair.level for pair in pairs)
    found = []
    for pair in pairs:
        apart = pair.level - middle
        sure = max(abs(apart) - UNSURE * pair.error * pair.level, 0.0)
        found.append(pair._replace(level=middle + math.copysign(sure, apart)))
    return found


def _spread(pairs: Sequence[Pair]) -> float:
    """How far apart the shares are."""
    return max(pair.share for pair in pairs) - min(pair.share for pair in pairs)


def _counts(pair: Pair) -> int:
    return min(max(int(pair.hours), 1), MOST_HOURS)


def _bends(curve: EarningsCurve) -> bool:
    first, last = curve.slopes[0], curve.slopes[-2]
    return first > 0.0 and last < (1.0 - STRAIGHT) * first


def _scaled(track: Track, factor: float) -> Track:
    """The track of a share at which each unit earns `factor` times as much."""
    return track._replace(
        quick=track.quick * factor,
        slow=track.slow * factor,
        variance=track.variance * factor**2,
        last=track.last * factor,
        outliers=(),
        outliers_since=None,
        blocks=tuple(block._replace(total=block.total * factor) for block in track.blocks),
    )
