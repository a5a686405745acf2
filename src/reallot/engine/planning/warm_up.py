"""Protocols whose share has changed and that have to warm up, or to settle, before their earnings say anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..contracts.records import AggregatedMetrics

CHANGED = 0.01
"""A share that differs by more than this part of it has changed."""


class WarmUp:
    """Follows shares from poll to poll.

    seconds  by name, how long after a change of its share a protocol's earnings say nothing

    >>> warm_up = WarmUp({"miner": 5400.0})
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = dict(seconds)
        self._shares: dict[str, float] = {}
        self._changed: dict[str, datetime] = {}

    def marked(self, metrics: AggregatedMetrics) -> AggregatedMetrics:
        """`metrics` with the names that are warming up; the same poll again gives the same."""
        warming = set()
        for name, seconds in self._seconds.items():
            share = metrics.allocation_by_protocol.get(name)
            if share is None:
                continue
            before = self._shares.setdefault(name, share)
            if abs(share - before) > CHANGED * max(share, before):
                self._shares[name], self._changed[name] = share, metrics.timestamp
            changed = self._changed.get(name)
            if changed is not None and 0.0 <= (metrics.timestamp - changed).total_seconds() < seconds:
                warming.add(name)
        return metrics.model_copy(update={"warming": frozenset(warming)}) if warming else metrics


def taught(metrics: AggregatedMetrics) -> AggregatedMetrics:
    """`metrics` without the earnings that say nothing."""
    said = {name: rate for name, rate in metrics.earnings_by_protocol.items() if name not in metrics.warming}
    return metrics.model_copy(update={"earnings_by_protocol": said})
