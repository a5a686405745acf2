"""What may stand in the table of every protocol, whatever its adapter: what it draws, and when it may hold anything."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, WithJsonSchema

from ..engine.contracts.values import Record, Window

MOST_WATTS = 1e9
"""More than any site draws: beyond it the number is in another unit."""
Watts = Annotated[float, Field(ge=0.0, le=MOST_WATTS)]
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, LookupError):
        raise ValueError('no such zone is known; write it like "Europe/Berlin" or "UTC"') from None


def _hours(text: str) -> str:
    """From and until as minutes of the day have to differ, and no day has more than 24 hours."""
    begins, ends = minutes(text) if _HOURS.fullmatch(text) else (0, 0)
    if begins == ends or ends > 24 * 60:
        raise ValueError('a stretch of the day is written "22:00-07:00"; one without end is written by no hours at all')
    return text


def minutes(text: str) -> tuple[int, int]:
    """Minutes of the day at which "22:00-07:00" begins and ends."""
    found = [int(part) for part in re.split("[:-]", text)]
    return 60 * found[0] + found[1], 60 * found[2] + found[3]


def _program(command: list[str]) -> list[str]:
    if not command[0].strip():
        raise ValueError("it begins with the program that is run")
    return command


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone by its name: "Europe/Berlin"."""
Hours = Annotated[str, AfterValidator(_hours), WithJsonSchema({"type": "string", "pattern": f"^{_HOURS.pattern}$"})]
"""A stretch of the day, which may go over midnight: "22:00-07:00"."""


class OperatingRules(Record):
    """What may stand in the table of every protocol, whatever its adapter.

    share_tolerance  shares that are read within this are the same, because they are measured or rounded; what
                  [reallocation] says where it is left out
    settle        readings so soon after its share changed teach nothing and raise no alert, nor do those within its
                  `warm_up_hours`; what [optimizer] says where both are left out
    watts         that a full share draws: what [power] says that costs is taken off its earnings
    hours         stretches of the day in which it may hold anything, such as ["22:00-07:00"], in `time_zone`; at all
                  other times it gives up what it holds at once, whatever rests and limits say
    time_zone     of `hours`, by the clock on the wall: "Europe/Berlin"; that of [power] where it is left out
    busy_command  a program that is run before each poll: while it ends with 0, somebody else needs the machine, and
                  the protocol gives up what it holds at once
    """

    share_tolerance: Annotated[float, Field(gt=0.0, le=0.1)] | None = None
    settle: Window | None = None
    watts: Watts | None = None
    hours: Annotated[list[Hours], Field(min_length=1)] | None = None
    time_zone: Zone | None = None
    busy_command: Annotated[list[str], Field(min_length=1), AfterValidator(_program)] | None = None

    @property
    def is_always_open(self) -> bool:
        """True where nothing ever makes it give up what it holds."""
        return self.hours is None and self.busy_command is None

    def is_open(self, moment: datetime, zone: str) -> bool:
        """True where it may hold anything at an aware moment; `zone` is meant where it names none."""
        if self.hours is None:
            return True
        wall = moment.astimezone(ZoneInfo(self.time_zone or zone))
        now = 60 * wall.hour + wall.minute
        return any(
            begins <= now < ends if begins < ends else now >= begins or now < ends
            for begins, ends in map(minutes, self.hours)
        )
