"""What each protocol earns, learned from poll after poll: robust to spikes, quick to fall, honest about age.

A reading is earnings / share, USD/h per unit of share (or, where a spec gives the shape of the earnings, the
factor on that shape). Each reading costs the same few operations however long the history is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median
from typing import NamedTuple

from ...problem import EarningsCurve
from ...text.durations import format_duration
from ..contracts.records import AggregatedMetrics
from .quotes import Payment, offered
from .rate_rules import RateRules

HOUR = 3600.0
EXPECTED = 2.0
"""A rate is as expected within this factor."""
LARGEST = 1e12
"""No protocol earns so many USD/h: such a number is not a reading."""


class RateBlock(NamedTuple):
    """Readings of one stretch of time: its number, the sum of readings times their weight, and the weight."""

    number: int
    total: float
    weight: float


class Track(NamedTuple):
    """What is known of one protocol.

    quick, slow    running means of the readings; variance: of readings around the slow one
    squares        sum of squared weights of the readings in the slow mean: variance * squares is that of the mean
    squares_quick  the same of the quick mean
    taken          readings since the means began; hours: the time they stand for; step: hours between the last two
    at             when the last reading was valid; polled: when it was asked for
    share, changed the share in force, and when it changed last
    last           the last reading, an outlier as if it stood at the border
    outliers       in a row on one side, as they were read; outliers_since: when the first was
    blocks         means of past stretches, oldest first
    payment        what was paid of what was quoted; None where nothing was ever quoted
    away           the last poll at which it could hold nothing: what was read before is not older for that
    """

    quick: float
    slow: float
    at: datetime
    polled: datetime
    share: float
    variance: float = 0.0
    squares: float = 1.0
    squares_quick: float = 1.0
    taken: int = 1
    hours: float = 0.0
    step: float = 0.0
    changed: datetime | None = None
    last: float = 0.0
    outliers: tuple[float, ...] = ()
    outliers_since: datetime | None = None
    blocks: tuple[RateBlock, ...] = ()
    payment: Payment | None = None
    away: datetime | None = None

    @property
    def readings(self) -> float:
        """How many readings of equal weight would spread as much, less one."""
        return 1.0 / self.squares - 1.0


class RateEstimate(NamedTuple):
    """What one protocol earns, as far as readings say.

    rate           USD/h per unit of the share it has now (a factor, where a spec gives the curve); None where unknown
    more           the same of what would be added: `rate` less the caution about noise and age
    error          standard error of `rate`, from the spread of single readings
    readings, age_seconds
                   how many, and how long ago the last one was valid
    stale          True where the value at hand is carried forward
    why            why there is no rate, or why it is not used; "" where it is
    worth          USD/h that the optimizer's policy takes one unit of share more to bring, over the horizon; None where
                   it says nothing
    is_new         True where it was read too few times to move anything by it
    past           means of past stretches
    quoted         what is to be said of a rate that is a quote; "" where it was read off earnings
    """

    protocol: str
    rate: float | None = None
    more: float | None = None
    error: float = 0.0
    readings: int = 0
    age_seconds: float = 0.0
    stale: bool = False
    why: str = ""
    worth: float | None = None
    is_new: bool = False
    past: tuple[RateBlock, ...] = ()
    quoted: str = ""

    @property
    def blocks(self) -> dict[int, float]:
        """Means of past stretches by number."""
        return {block.number: block.total / block.weight for block in self.past}


def rates(
    history: Iterable[AggregatedMetrics],
    rules: RateRules | None = None,
    shapes: Mapping[str, EarningsCurve] | None = None,
) -> dict[str, RateEstimate]:
    """Estimates by name after the last of `history` (oldest first; empty gives none).

    `shapes` are earnings curves that are known but for a factor.
    """
    rules = rules or RateRules()
    tracks: dict[str, Track] = {}
    last = None
    for last in history:
        tracks = learn(tracks, last, rules, shapes or {})
    return {} if last is None else estimates(tracks, last, rules)


def learn(
    tracks: Mapping[str, Track],
    metrics: AggregatedMetrics,
    rules: RateRules,
    shapes: Mapping[str, EarningsCurve],
    settle: Mapping[str, float] | None = None,
    paid: Mapping[str, Payment] | None = None,
) -> dict[str, Track]:
    """`tracks` with one poll more; protocols without a new reading keep theirs.

    `settle` are seconds by name, in place of `rules.settle_seconds`; `paid` what is known of quotes from before.
    """
    result = dict(tracks)
    for name in metrics.away:
        if name in result:
            result[name] = result[name]._replace(away=metrics.timestamp)
    for name, earnings in metrics.earnings_by_protocol.items():
        share = metrics.allocation_by_protocol.get(name)
        if share is None or name in metrics.stale or abs(earnings) > LARGEST * rules.least_share:
            continue
        status = metrics.statuses.get(name)
        valid = metrics.timestamp if status is None else status.source_time or status.observed_at
        track = result.get(name)
        shape, quote = shapes.get(name), None if status is None else status.quote
        unit = 0.0  # what earnings are divided by; 0 where the share is too small to tell
        if share >= rules.least_share * (1.0 - 1e-9):
            unit = share if shape is None else shape.value(share)
        if unit == 0.0 and quote is not None:
            known = (None if track is None else track.payment) or (paid or {}).get(name) or Payment()
            result[name] = _quoted(track, known, offered(quote, shape), share, metrics.timestamp, rules)
            continue
        if track is None:
            if unit > 0.0:
                level = earnings / unit
                blocks = _blocks((), level, 0.0, valid, rules)
                result[name] = Track(level, level, valid, metrics.timestamp, share, last=level, blocks=blocks)
            continue
        if abs(share - track.share) > 0.01 * max(share, track.share):
            track = track._replace(share=share, changed=metrics.timestamp)
            result[name] = track
        seconds = rules.settle_seconds if not settle else settle.get(name, rules.settle_seconds)
        if unit > 0.0 and _is_new(track, metrics.timestamp, valid, seconds):
            result[name] = track = _with(track, earnings / unit, metrics.timestamp, valid, rules)
            if quote is not None and not track.outliers:
                payment = track.payment or (paid or {}).get(name) or Payment()
                payment = payment.paid(earnings / unit, offered(quote, shape), metrics.timestamp, track.step)
                result[name] = track._replace(payment=payment)
    return result


def _quoted(
    track: Track | None, payment: Payment, offer: float, share: float, polled: datetime, rules: RateRules
) -> Track:
    """The track with one reading more, of a protocol that holds nothing: its quote, by what was paid of others."""
    value = payment.ratio * offer
    if track is None:
        blocks = _blocks((), value, 0.0, polled, rules)
        track = Track(value, value, polled, polled, share, last=value, blocks=blocks)
    elif polled != track.polled:
        track = _with(track, value, polled, polled, rules)
    changed = track.changed if abs(share - track.share) <= 0.01 * max(share, track.share) else polled
    return track._replace(share=share, changed=changed, payment=payment._replace(now=True))


def _is_new(track: Track, polled: datetime, valid: datetime, settle_seconds: float) -> bool:
    """True for a reading that is not the last one again, nor of the time before the share settled."""
    if polled == track.polled or (valid == track.at and valid != polled):
        return False
    if track.changed is None or polled < track.changed:
        return True
    settled = (polled - track.changed).total_seconds() >= settle_seconds
    return settled and valid > track.changed


def _with(track: Track, value: float, polled: datetime, valid: datetime, rules: RateRules) -> Track:
    """The track with one reading more."""
    hours = (valid - track.at).total_seconds() / HOUR
    if hours <= 0.0:
        hours = track.step  # the clock went back: the order of arrival counts
    deviation = value - track.slow
    border = max(rules.outlier_relative * abs(track.slow), rules.outlier_sigmas * math.sqrt(track.variance))
    outliers: tuple[float, ...] = ()
    since = None
    same_side = bool(track.outliers) and (track.outliers[-1] > track.slow) == (deviation > 0.0)
    # outliers widen the border themselves: in a fall the next one is what is nearer to them than to the mean
    falls_on = same_side and deviation < 0.0 and abs(value - track.outliers[-1]) < -0.5 * deviation
    if abs(deviation) > border or falls_on:
        outliers = (*track.outliers, value) if same_side else (value,)
        since = track.outliers_since if same_side and track.outliers_since is not None else polled
        needed = rules.outlier_count_up if deviation > 0.0 else rules.outlier_count_down
        lasts = len(outliers) >= needed and abs((polled - since).total_seconds()) >= rules.outlier_seconds
        if lasts or hours > rules.window_hours:  # what was known is too old to doubt a reading by
            return _again(track, outliers, polled, valid, hours, rules)
        deviation = math.copysign(min(border, abs(deviation)), deviation)
    clipped = track.slow + deviation
    past = track.hours or hours  # the first reading stands for as long as the second
    slow, quick = (_weight(hours, half, past, rules) for half in (rules.rise_hours, rules.fall_hours))
    return track._replace(
        quick=track.quick + quick * (clipped - track.quick),
        slow=track.slow + slow * deviation,
        variance=(1.0 - slow) * (track.variance + slow * deviation * deviation),
        squares=(1.0 - slow) ** 2 * track.squares + slow**2,
        squares_quick=(1.0 - quick) ** 2 * track.squares_quick + quick**2,
        taken=track.taken + 1,
        hours=past + hours,
        step=hours,
        at=valid,
        polled=polled,
        last=clipped,
        outliers=outliers,
        outliers_since=since,
        blocks=_blocks(track.blocks, clipped, hours, valid, rules),
    )


def _weight(hours: float, half_life: float, past: float, rules: RateRules) -> float:
    """Weight of a reading that stands for so many hours, after `past` hours; the first readings are averaged."""
    if hours <= 0.0:
        return rules.most_weight
    return min(max(1.0 - math.exp2(-hours / half_life), hours / (past + hours)), rules.most_weight)


def _again(
    track: Track, outliers: tuple[float, ...], polled: datetime, valid: datetime, hours: float, rules: RateRules
) -> Track:
    """The track that believes its outliers."""
    level, count = median(outliers), len(outliers)
    return track._replace(
        quick=level,
        slow=level,
        variance=sum((value - level) ** 2 for value in outliers) / count,
        squares=1.0 / count,
        squares_quick=1.0 / count,
        taken=count,
        hours=count * hours,
        step=hours,
        at=valid,
        polled=polled,
        last=level,
        outliers=(),
        outliers_since=None,
        blocks=_blocks(track.blocks, level, hours, valid, rules),
    )


def _blocks(
    blocks: tuple[RateBlock, ...], value: float, hours: float, valid: datetime, rules: RateRules
) -> tuple[RateBlock, ...]:
    """With one reading more, weighted by the time since the one before, at most a block."""
    length = rules.window_hours * HOUR / rules.blocks
    number = int(valid.timestamp() // length)
    weight = min(max(hours, 1e-9), length / HOUR)
    if blocks and blocks[-1].number == number:
        last = blocks[-1]
        return (*blocks[:-1], RateBlock(number, last.total + value * weight, last.weight + weight))
    kept = tuple(block for block in blocks if number - rules.blocks <= block.number < number)
    return (*kept, RateBlock(number, value * weight, weight))


def estimates(
    tracks: Mapping[str, Track],
    metrics: AggregatedMetrics,
    rules: RateRules,
    expected: Mapping[str, float] | None = None,
) -> dict[str, RateEstimate]:
    """An estimate for every protocol that `metrics` or `tracks` name, as of the metrics' time.

    `expected` are rates by name that somebody who knows has given: first readings near them are no news.
    """
    names = {**metrics.allocation_by_protocol, **metrics.earnings_by_protocol, **metrics.connection_status, **tracks}
    caution = rules.caution_sigmas * math.sqrt(2.0 * math.log(max(len(tracks), 2)))
    prior = _prior(tracks, rules)
    found = {name: _estimate(name, tracks.get(name), metrics, rules, caution, prior) for name in names}
    least, given = rules.least_readings, expected or {}
    if not rules.first_moves or max((track.taken for track in tracks.values()), default=0) >= least:
        for name, each in found.items():
            if each.rate is None or each.readings >= least or each.stale:
                continue
            usual = given.get(name, 0.0)
            if usual <= 0.0 or not usual / EXPECTED <= each.rate <= usual * EXPECTED:
                why = f"it is new: {each.readings} of the {least} readings that move anything"
                found[name] = each._replace(is_new=True, why=why)
    return found


def _prior(tracks: Mapping[str, Track], rules: RateRules) -> float:
    """How readings spread, relatively, as far as those of all protocols say; at most by all of the rate."""
    total, readings = rules.prior_readings * rules.prior**2, rules.prior_readings
    for track in tracks.values():
        if track.slow != 0.0:
            taken = track.readings
            total += taken * min(math.sqrt(track.variance) / abs(track.slow), 1.0) ** 2
            readings += taken
    return math.sqrt(total / readings)


def _estimate(
    name: str, track: Track | None, metrics: AggregatedMetrics, rules: RateRules, caution: float, prior: float
) -> RateEstimate:
    now, stale = metrics.timestamp, name in metrics.stale
    if track is None:
        return RateEstimate(name, stale=stale, why=_why_unknown(name, metrics, rules))
    read = track.at if track.away is None else max(track.at, track.away)
    age = max(0.0, (now - read).total_seconds())
    if age > rules.window_hours * HOUR:
        why = f"last seen {format_duration(age)} ago, before the window of {format_duration(rules.window_hours * HOUR)}"
        return RateEstimate(name, readings=track.taken, age_seconds=age, stale=stale, why=why)
    own, prior_readings = track.readings, rules.prior_readings
    known = own + prior_readings
    spread = math.sqrt((own * track.variance + prior_readings * (prior * track.slow) ** 2) / known)
    if known > 2.0:
        spread *= math.sqrt(known / (known - 2.0))  # a spread known from few readings: Student's t
    noise = caution * spread
    rate = min(track.slow, track.quick + noise * math.sqrt(track.squares_quick))
    more, error = rate - noise * math.sqrt(track.squares), spread * math.sqrt(track.squares)
    if track.outliers and track.outliers[-1] < more:
        more = sum(track.outliers) / len(track.outliers)
    past = age / HOUR - rules.fresh_hours
    if past > 0.0:
        more -= abs(more) * (1.0 - 0.5 ** (past / rules.age_hours))
    quoted, payment = "", track.payment
    if payment is not None and payment.now:
        quoted, more = payment.told(now), more - abs(more) * payment.doubt(now)
    why = f"its value is {format_duration(metrics.stale[name])} old" if stale else ""
    return RateEstimate(name, rate, more, error, track.taken, age, stale, why, past=track.blocks, quoted=quoted)


def _why_unknown(name: str, metrics: AggregatedMetrics, rules: RateRules) -> str:
    share, status = metrics.allocation_by_protocol.get(name), metrics.statuses.get(name)
    if name in metrics.stale:
        return f"its only value is {format_duration(metrics.stale[name])} old"
    if name not in metrics.earnings_by_protocol:
        said = f" ({status.error})" if status is not None and status.error is not None else ""
        return f"it has not reported any earnings{said}"
    if share is None:
        return "its share is not known"
    if abs(metrics.earnings_by_protocol[name]) > LARGEST * rules.least_share:
        return "it cannot earn what it says"
    return f"share {share:.4g} is too small to tell a rate from (least {rules.least_share:g})"
