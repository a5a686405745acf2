"""The one edge at which an adapter's answer becomes a checked status that is believed, or an error with a kind."""

from __future__ import annotations

import inspect
import math
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from ...errors import ErrorKind, ProtocolError
from ...text.durations import format_duration
from .adapter import Capabilities
from .records import ProtocolStatus, ResourceUtilization, SeriesKind
from .secrets import redact, words_of

MOST_EARNINGS = 1e9
"""USD/h that no protocol earns, or loses: beyond it a unit is wrong."""
MOST_JUMP = 100.0
"""A value that grows by more than this factor between two readings, at the same share, is not believed at once ..."""
STRIKES = 3
"""... but when it has come so many times."""
UNITS = {
    24.0: "an hour and a day",
    60.0: "a minute and an hour",
    100.0: "cents and dollars",
    1e3: "thousandths and units",
}
UNITS |= {730.0: "an hour and a month", 3600.0: "a second and an hour", 86_400.0: "a second and a day"}
UNITS |= {1e6: "millionths and units", 1e8: "a hundred-millionth and units", 1e9: "billionths and units"}
UNITS |= {1e12: "trillionths and units", 1e18: "wei and units"}
"""Factors by which a number changes where its unit does, and between what."""
NEAR = 1.15
"""A factor is near another within this."""
LONGEST_REST = 3600.0
"""Seconds; a value that stands still for longer, or always, is taken to rest so long."""
AGAIN = 1.5
"""A level is one that was believed before where it is no more than so many times that."""
REMEMBERED_HOURS = 24
RISING_HOURS, IN_STEPS = 2, 100.0
"""Within so many hours a value may not grow by as much as this in steps, none of which is a jump, without a doubt."""
LEAST_SHARE = 0.001
SAME_SHARE = 0.01
"""Shares are the same within this part of them."""
MOST_SKEW = timedelta(minutes=5)
"""A source's clock may be ahead of ours by so much."""
EARLIEST_YEAR = 2000
_NOTHING_SAID = ResourceUtilization()
_KINDS = (
    (OSError, ErrorKind.UNREACHABLE),
    ((ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError), ErrorKind.SHAPE),
)

UNREAD_QUOTE = "its quote cannot be read"
"""In the message of a status that has earnings, and not what is offered beside them."""


def capabilities_of(adapter: object) -> Capabilities:
    """The adapter's own capabilities, or the defaults where it does not say.

    Raises ProtocolError(SHAPE), naming the adapter, where it raises anything but KeyboardInterrupt.
    """
    ask = getattr(adapter, "capabilities", None)
    try:
        found = ask() if callable(ask) else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        name, kind = getattr(adapter, "name", ""), type(adapter).__name__
        named = f"{name} ({kind})" if isinstance(name, str) and name else kind
        raise ProtocolError(f"{named}: capabilities() raised {described(error)}", ErrorKind.SHAPE) from error
    return found if isinstance(found, Capabilities) else Capabilities()


async def answer_of(adapter: object, method: str, *arguments: object, **named: object) -> Any:
    """What a coroutine of an adapter returns. A SystemExit in one is its own failure, not the end of the engine.

    Raises ProtocolError(UNKNOWN) in its place: whether a change was made is not known. SHAPE where it is no coroutine.
    """
    try:
        answer = getattr(adapter, method)(*arguments, **named)
        if not inspect.isawaitable(answer):
            raise ProtocolError(f"{method} is not a coroutine", ErrorKind.SHAPE)
        return await answer
    except SystemExit as error:
        raise ProtocolError(f"it tried to end the program: {described(error)}", ErrorKind.UNKNOWN) from None


def described(error: BaseException) -> str:
    """An error by its type and its words."""
    return f"{type(error).__name__}: {words_of(error)}".rstrip(": ")


def failure(error: BaseException) -> tuple[ErrorKind, str, float | None]:
    """An exception of any type as (kind, words without secrets, seconds it asks to be left alone)."""
    if isinstance(error, ProtocolError):
        kind = error.kind if isinstance(error.kind, ErrorKind) else ErrorKind.TRANSIENT
        return kind, words_of(error) or kind.value, _pause(error.retry_after_seconds)
    if isinstance(error, ValidationError):
        places = ", ".join(".".join(map(str, each["loc"])) or "it" for each in error.errors(include_input=False)[:3])
        return ErrorKind.SHAPE, f"a status that cannot be: {places}", None
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), ErrorKind.TRANSIENT)
    return kind, f"{type(error).__name__}: {words_of(error)}", None


def _pause(seconds: Any) -> float | None:
    try:
        value = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0.0 else None


def amount(value: Any, what: str, most: float = MOST_EARNINGS, least: float = 0.0) -> float:
    """`value` as a float in [least, most]; Decimals and numpy scalars are taken, texts, None and NaN raise (SHAPE)."""
    if type(value) is float and least <= value <= most:
        return value + 0.0
    if value is None or isinstance(value, (bool, str, bytes, complex)):
        raise ProtocolError(f"{what} is {_shown(value)}, not a number", ErrorKind.SHAPE)
    try:
        result = float(value)
    except Exception:
        raise ProtocolError(f"{what} is {_shown(value)}, not a number", ErrorKind.SHAPE) from None
    if not math.isfinite(result):
        raise ProtocolError(f"{what} is {result}, not a finite number", ErrorKind.SHAPE)
    if result < 0.0 <= least:
        raise ProtocolError(f"{what} is {result:g}; it cannot be negative", ErrorKind.SHAPE)
    if not least <= result <= most:
        bound = f"at most {most:g}" if result > most else f"at least {least:g}"
        raise ProtocolError(f"{what} is {result:g}; {bound} is possible: is its unit right?", ErrorKind.SHAPE)
    return result + 0.0


def _shown(value: Any) -> str:
    return redact(repr(value), 40) if isinstance(value, (str, bytes, bool, type(None))) else type(value).__name__


def checked(answer: Any, protocol: str, now: datetime, before: ProtocolStatus | None = None) -> ProtocolStatus:
    """What an adapter answered as a status of `protocol`, observed `now`; raises ProtocolError where it cannot be.

    A status without a value and without a reason has never reported. What is as in `before`, the status of the poll
    before, is held once.
    """
    if not isinstance(answer, ProtocolStatus):
        raise ProtocolError(f"get_status gave a {type(answer).__name__}, not a ProtocolStatus", ErrorKind.SHAPE)
    kind = answer.error if isinstance(answer.error, ErrorKind) or answer.error is None else ErrorKind.SHAPE
    if kind is not None and kind is not ErrorKind.NEVER_REPORTED:
        raise ProtocolError(answer.message or kind.value, kind)
    changes: dict[str, Any] = {"protocol": protocol, "observed_at": now, "connected": True, "error": None}
    if answer.quote is not None:
        changes["quote"] = amount(answer.quote, "the quote (USD/h)", least=-MOST_EARNINGS)
    if answer.quote is not None and answer.allocation == 0.0 and answer.earnings_per_hour is None:
        changes |= {"earnings_per_hour": 0.0, "message": ""}  # it says what it would pay, and holds nothing
    elif answer.earnings_per_hour is None or kind is not None:
        changes |= {"earnings_per_hour": None, "error": ErrorKind.NEVER_REPORTED}
        changes["message"] = redact(str(answer.message)) or "it has not reported a value yet"
    else:
        changes["earnings_per_hour"] = amount(answer.earnings_per_hour, "earnings (USD/h)", least=-MOST_EARNINGS)
        if answer.series is SeriesKind.EXTRAPOLATION:
            raise ProtocolError("its earnings are an extrapolation of its own, which is no reading", ErrorKind.SHAPE)
        changes["message"] = redact(str(answer.message)) if answer.message else ""
    if answer.allocation is not None:
        changes["allocation"] = share(answer.allocation)
    changes["source_time"] = _source_time(answer.source_time, now)
    changes["details"] = {
        redact(str(key)): redact(value) if isinstance(value, str) else value
        for key, value in answer.details.items()
        if isinstance(value, (str, int, bool, type(None))) or (isinstance(value, float) and math.isfinite(value))
    }
    changes["utilization"] = _utilization(answer.utilization)
    return answer.like(before, **changes)


def share(value: Any) -> float:
    """`value` as a share in [0, 1]; raises ProtocolError(SHAPE)."""
    return min(amount(value, "the share", 1.0 + 1e-9), 1.0)


def _source_time(moment: datetime | None, now: datetime) -> datetime | None:
    if moment is None or moment.tzinfo is None or moment.year < EARLIEST_YEAR or moment > now + MOST_SKEW:
        return None
    return moment


def _utilization(found: Any) -> ResourceUtilization:
    if not isinstance(found, ResourceUtilization):
        return _NOTHING_SAID
    if type(found) is ResourceUtilization:
        said = [part for part in vars(found).values() if part is not None]
        if all(type(part) is float and 0.0 <= part <= 1.0 for part in said):
            return found
    parts = {name: getattr(found, name, None) for name in ResourceUtilization.model_fields}
    used = {name: min(amount(part, f"{name} use", 1.0 + 1e-6), 1.0) for name, part in parts.items() if part is not None}
    return ResourceUtilization(**used) if used else _NOTHING_SAID


class Plausibility:
    """Which readings of one source are believed, one after another.

    An exact 0 waits as long as the value usually rests. A jump or a fall as by a wrong unit is shown as the source says
    it, and a person is asked. Until the answer the protocol gets, or gives, no more than one ordinary step. A reading
    that is held back is an error of its poll, and the value before it stands.

    doubt  what a person should look at; "" where nothing is doubted
    base   the share at which what is doubted began; None where that was not known
    fell   True where what is doubted is a fall

    >>> seen = Plausibility()
    >>> for minute, value in enumerate((2.0, 48.0)):
    ...     seen.admit(value, 0.5, 60.0 * minute)
    >>> seen.doubt
    'earns 48 USD/h after 2 at the same share, 24-fold, as between an hour and a day: is its unit right?'
    """

    base: float | None

    def __init__(self, most_jump: float = MOST_JUMP) -> None:
        self.doubt, self.base, self.fell = "", None, False
        self._most_jump = most_jump
        self._asks = min(most_jump, min(UNITS) / NEAR)
        self._last: float | None = None
        self._nonzero: float | None = None
        self._carried: float | None = None  # what the share as it is now may earn, by what it earned at another
        self._share: float | None = None
        self._strikes: list[float] = []
        self._rests: deque[float] = deque(maxlen=20)  # seconds between changes of the value
        self._changed, self._zero_since = 0.0, math.inf
        self._levels: dict[int, tuple[float, float]] = {}  # lowest and highest that were believed, each hour, per share
        self._level = 0, 0.0  # hour of the last reading, and what it says per unit of share
        self._middle = 0.0  # of what is doubted and what was before: beyond it, it is back where it was

    def admit(self, value: float, share: float | None, seconds: float, zero_waits: bool = True) -> None:
        """Takes a reading (USD/h, read at `seconds` on a monotonic clock), or raises ProtocolError for one held back.

        NEVER_REPORTED for a 0, SHAPE for a jump beyond the bound that has not come often enough.
        """
        unit, hour = share if share is not None and share >= LEAST_SHARE else 1.0, int(seconds // 3600.0)
        moved = self._last is None or (share is None) != (self._share is None)
        if moved or (share is not None and abs(share - (self._share or 0.0)) > SAME_SHARE * share):
            if moved or unit != share:
                self._carried = None
            elif self._nonzero:
                told = self._share is not None and self._share >= LEAST_SHARE
                self._carried = self._nonzero * max(1.0, unit / (self._share or 1.0)) if told else None
            self._rests.clear()
            self._changed, self._zero_since, self._nonzero = seconds, math.inf, None
        if value == 0.0 and self._last and self._nonzero and zero_waits:
            self._wait(seconds)
        before = self._nonzero or (self._most(value, unit, hour) if self._carried or self._levels else None)
        if before and value and not 1.0 / self._asks <= abs(value / before) <= self._asks:
            self._look(value, before, unit, share, hour)
        elif len(self._levels) > 1 and not self.doubt and (earlier := self._earlier(value / unit, hour)):
            self._look(value, earlier * unit, unit, share, hour, in_steps=True)
        if self.doubt and self._is_over(value / unit):
            self.doubt, self.base = "", None
        if value != self._last:
            if seconds > self._changed:
                self._rests.append(seconds - self._changed)
            self._changed = seconds
        self._last, self._share, self._nonzero = value, share, value or self._nonzero
        self._carried = None if value else self._carried
        self._strikes, self._zero_since = [], math.inf
        is_told = share is None or share >= LEAST_SHARE  # what nearly nothing earns tells no level
        self._level = hour, value / unit if is_told else 0.0
        if not self.doubt and value > 0.0 and is_told:
            low, high = self._levels.get(hour, (math.inf, 0.0))
            if not low <= value / unit <= high:
                self._levels[hour] = min(low, value / unit), max(high, value / unit)

    def accept(self) -> None:
        """A person has seen what is doubted: it is believed from now on."""
        self.doubt, self.base = "", None
        hour, level = self._level
        if level > 0.0:
            low, high = self._levels.get(hour, (level, level))
            self._levels[hour] = min(low, level), max(high, level)

    def _most(self, value: float, unit: float, hour: int) -> float | None:
        """The most that this share is known to earn, from before or the last day; None where the value is not beyond.

        Less than that may be of the share, and is not compared.
        """
        highs = (high for at, (_, high) in self._levels.items() if at >= hour - REMEMBERED_HOURS)
        most = self._carried or unit * max(highs, default=0.0)
        return most if abs(value) > abs(most) > 0.0 else None

    def _earlier(self, level: float, hour: int) -> float | None:
        """The most that was believed before the last hours, per unit of share, where it grew from that in steps."""
        earlier = [at for at in self._levels if hour - REMEMBERED_HOURS <= at <= hour - RISING_HOURS]
        most = max((self._levels[at][1] for at in earlier), default=0.0)
        return most if 0.0 < most * min(self._most_jump, IN_STEPS / NEAR) < level else None

    def _is_over(self, level: float) -> bool:
        """True where earnings per unit of share are back where they were, or lost: no unit makes a loss of earnings."""
        return (level <= 0.0 or level >= self._middle) if self.fell else abs(level) <= self._middle

    def _wait(self, seconds: float) -> None:
        """Raises while a 0 after other earnings has not stood as long as they usually rest."""
        self._zero_since = min(self._zero_since, seconds)
        rest = min(max(self._rests, default=self._zero_since - self._changed), LONGEST_REST)
        if seconds - self._zero_since < rest:
            raise ProtocolError(
                f"it says 0 after {self._last:g} USD/h: believed when that has stood for {format_duration(rest)}, "
                f"as long as its earnings usually stand still",
                ErrorKind.NEVER_REPORTED,
            )

    def _look(
        self, value: float, before: float, unit: float, share: float | None, hour: int, *, in_steps: bool = False
    ) -> None:
        """Doubts a jump or fall as of units, and a jump beyond the bound; raises where one beyond the bound is news."""
        self._levels = {at: level for at, level in self._levels.items() if at >= hour - REMEMBERED_HOURS}
        level, fell = value / unit, abs(value) < abs(before)
        if self.doubt and not self.fell and self._is_over(level):
            return  # back from a jump: no fall
        if fell and (before < 0.0 or AGAIN * level >= min((low for low, _ in self._levels.values()), default=math.inf)):
            return
        if not fell and level <= AGAIN * max((high for _, high in self._levels.values()), default=0.0):
            return
        factor = abs(value / before)
        times = abs(before / value) if fell else factor
        between = next((text for each, text in UNITS.items() if 1.0 / NEAR < times / each < NEAR), "")
        if factor > self._most_jump and not in_steps:
            low, high = sorted((value / 2.0, value * 2.0))
            self._strikes = [*(each for each in self._strikes if low <= each <= high), value]
            if len(self._strikes) < STRIKES:
                raise ProtocolError(
                    f"earnings went from {before:g} to {value:g} USD/h, {factor:.0f}-fold: "
                    f"believed when it comes {STRIKES} times (now {len(self._strikes)})",
                    ErrorKind.SHAPE,
                )
        if value > 0.0 and (between or factor > self._most_jump):
            as_units = f", as between {between}" if between else ""
            how = f"{times:.0f} times less" if fell else f"{times:.0f}-fold"
            if not self.doubt or fell is not self.fell:
                self._middle, self.base = math.sqrt(abs(before) * value) / unit, share
            same = "at the same share" if self._nonzero else "at most for this share"
            same = f"more than {RISING_HOURS} hours ago, in steps" if in_steps else same
            self.doubt = f"earns {value:g} USD/h after {before:g} {same}, {how}{as_units}: is its unit right?"
            self.fell = fell
