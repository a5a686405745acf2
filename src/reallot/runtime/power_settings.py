"""[power] of config.toml: what a kWh costs, at all times or by the time of day."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from ..engine.contracts.power import PowerCost
from ..engine.contracts.values import Record
from .operation import Zone


def _tariff(value: Any) -> Any:
    """A price of power, or prices by the time of day."""
    if isinstance(value, dict) and not (value and all(_TIME_OF_DAY.fullmatch(str(each)) for each in value)):
        raise ValueError('prices by the time of day are written { "00:00" = 0.12, "07:00" = 0.28 }')
    for at, price in value.items() if isinstance(value, dict) else [("", value)]:
        if type(price) not in (int, float) or not math.isfinite(price):
            raise ValueError(
                f"give USD per kWh as a number{f' from {at} on' if at else ', or numbers by the time of day'}"
            )
        if abs(price) > DEAREST:
            raise ValueError(
                f"{price:g} USD per kWh{f' from {at} on' if at else ''} is more than power ever costs "
                f"({DEAREST:g}); a price in cents is divided by 100: write {price / 100:g}"
            )
    return value


DEAREST = 20.0
"""USD per kWh; beyond it a price is in another unit. The dearest hours of spot markets have cost about 9."""
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
TimeOfDay = Annotated[str, Field(pattern=f"^{_TIME_OF_DAY.pattern}$")]


class PowerSection(Record):
    """What power costs: protocols that say their `watts` are counted by what they earn after it.

    usd_per_kwh  USD per kWh: one number, or a table of prices by the time of day from which they hold
    time_zone    of the times of day, by the clock on the wall: "Europe/Berlin"
    """

    usd_per_kwh: Annotated[float | dict[TimeOfDay, float] | None, BeforeValidator(_tariff)] = None
    time_zone: Zone = "UTC"

    def cost(self, watts: Mapping[str, float]) -> PowerCost | None:
        """What power costs those who draw so many watts with a full share; None where nobody says."""
        told = self.usd_per_kwh
        if told is None or not watts:
            return None
        by_time = told if isinstance(told, dict) else {"00:00": told}
        prices = {60 * int(at[:2]) + int(at[3:]): price for at, price in by_time.items()}
        minutes = tuple(sorted(prices))
        return PowerCost(dict(watts), minutes, tuple(prices[each] for each in minutes), ZoneInfo(self.time_zone))
