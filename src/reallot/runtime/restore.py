"""Polls as readings in a ledger, and back: what a report or a restart needs of the time before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from ..engine.contracts.records import AggregatedMetrics
from ..engine.ledger.history import Sample, samples_of
from ..engine.ledger.history_store import HistoryStore

MOST_SHARE = 1.0 + 1e-9
"""What a record holds; a share above it comes from a damaged file."""


def readings(metrics: AggregatedMetrics) -> list[Sample]:
    """One poll to be kept. A value that is carried forward is kept only where its protocol did not answer."""
    connected = metrics.connection_status
    earnings = {
        name: value
        for name, value in metrics.earnings_by_protocol.items()
        if name not in metrics.stale or not connected.get(name, False)
    }
    return samples_of(metrics.timestamp, earnings, metrics.allocation_by_protocol, connected)


def polls(history: HistoryStore, start: datetime, end: datetime) -> Iterator[AggregatedMetrics]:
    """The polls with start <= time < end, oldest first. What had not answered carries its value forward."""
    samples = sorted(history.samples(start, end), key=lambda sample: sample.at)
    seen: dict[str, datetime] = {}
    for at, group in groupby(samples, key=lambda sample: sample.at):
        yield _poll(at, list(group), seen)


def _poll(at: datetime, samples: list[Sample], seen: dict[str, datetime]) -> AggregatedMetrics:
    earnings = {each.protocol: each.earnings for each in samples if each.earnings is not None}
    stale = {}
    for each in samples:
        if each.up and each.earnings is not None:
            seen[each.protocol] = at
        elif each.earnings is not None:
            stale[each.protocol] = (at - seen.get(each.protocol, at)).total_seconds()
    return AggregatedMetrics(
        timestamp=at,
        total_earnings_per_hour=sum(earnings.values()),
        measured_earnings_per_hour=sum(value for name, value in earnings.items() if name not in stale),
        earnings_by_protocol=earnings,
        allocation_by_protocol={
            each.protocol: each.share for each in samples if each.share is not None and 0.0 <= each.share <= MOST_SHARE
        },
        connection_status={each.protocol: each.up for each in samples},
        stale=stale,
    )
