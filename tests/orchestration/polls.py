"""Metrics as tests need them: shares and rates by name, a minute apart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from reallot.engine.contracts.records import AggregatedMetrics, ProtocolStatus

START = datetime(2026, 1, 1, tzinfo=UTC)


def poll(
    rates: Mapping[str, float | None],
    shares: Mapping[str, float],
    minute: float = 0.0,
    *,
    stale: Mapping[str, float] | None = None,
    down: tuple[str, ...] = (),
    statuses: Mapping[str, ProtocolStatus] | None = None,
    steps: Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
) -> AggregatedMetrics:
    """One poll: each protocol earns rate * share USD/h; None is no value."""
    earnings = {name: rate * shares.get(name, 0.0) for name, rate in rates.items() if rate is not None}
    return AggregatedMetrics(
        timestamp=START + timedelta(minutes=minute),
        total_earnings_per_hour=sum(earnings.values()),
        earnings_by_protocol=earnings,
        allocation_by_protocol=dict(shares),
        connection_status={name: name not in down for name in {**rates, **shares}},
        statuses=dict(statuses or {}),
        stale=dict(stale or {}),
        steps=dict(steps or {}),
        floors=dict(floors or {}),
    )


def status(name: str, **more: object) -> ProtocolStatus:
    """A protocol's own answer."""
    values = {"connected": True, "earnings_per_hour": None, "allocation": None, "observed_at": START} | more
    return ProtocolStatus(protocol=name, **values)


def noisy(
    rates: Mapping[str, float], shares: Mapping[str, float], minutes: int, noise: float, seed: int
) -> Iterator[AggregatedMetrics]:
    """A poll a minute of the same rates with independent relative noise, never below 0."""
    draw = random.Random(seed)
    for minute in range(minutes):
        seen = {name: rate * max(0.0, 1.0 + noise * draw.gauss(0.0, 1.0)) for name, rate in rates.items()}
        yield poll(seen, shares, minute)
