"""What power costs: a price by time of day, and the watts of a full share of each protocol."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .records import AggregatedMetrics, ProtocolStatus


@dataclass(frozen=True)
class PowerCost:
    """Prices of power and who draws how much.

    watts    by protocol, of a full share; a smaller share draws in proportion
    minutes  of the day at which a price begins, rising, in `zone`; before the first one the last one holds
    prices   USD per kWh, one for each of `minutes`

    >>> power = PowerCost({"miner": 500.0}, (0, 420), (0.1, 0.28))
    >>> power.rate("miner", datetime(2026, 1, 1, 6, tzinfo=UTC)), power.rate("disk", datetime(2026, 1, 1, tzinfo=UTC))
    (0.05, 0.0)
    """

    watts: Mapping[str, float]
    minutes: tuple[int, ...]
    prices: tuple[float, ...]
    zone: tzinfo = UTC

    def price(self, moment: datetime) -> float:
        """USD per kWh at an aware moment, by the clock on the wall of the zone."""
        wall = moment.astimezone(self.zone)
        return self.prices[bisect_right(self.minutes, 60 * wall.hour + wall.minute) - 1]

    def rate(self, protocol: str, moment: datetime) -> float:
        """USD/h that power for a full share of a protocol costs; 0 where its watts are not given."""
        watts = self.watts.get(protocol, 0.0)
        return watts / 1000.0 * self.price(moment) if watts else 0.0

    def rates(self, moment: datetime) -> dict[str, float]:
        """The same of all whose watts are given."""
        return {name: self.rate(name, moment) for name in self.watts}

    def net(self, status: ProtocolStatus, share: float | None) -> ProtocolStatus:
        """A status of earnings before power as one of earnings after it; the details say both parts.

        A share that is not known counts as a full one.
        """
        gross = status.earnings_per_hour
        if gross is None or not self.watts.get(status.protocol):
            return status
        cost = (1.0 if share is None else share) * self.rate(status.protocol, status.observed_at)
        details = {**status.details, "gross_usd_per_hour": gross, "power_usd_per_hour": cost}
        return status.like(None, earnings_per_hour=gross - cost, details=details)

    def gross(self, metrics: AggregatedMetrics) -> AggregatedMetrics:
        """A poll of earnings after power as one of earnings before it: a new tariff is no news of a protocol."""
        earnings, shares = dict(metrics.earnings_by_protocol), metrics.allocation_by_protocol
        for name in self.watts.keys() & earnings.keys() & shares.keys():
            status = metrics.statuses.get(name)
            asked = metrics.timestamp if status is None else status.observed_at
            earnings[name] += shares[name] * self.rate(name, asked)
        return metrics.like(None, earnings_by_protocol=earnings)
