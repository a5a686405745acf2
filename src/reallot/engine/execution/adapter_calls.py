"""One call to one adapter: bounded in time, its answer checked, its outcome named."""

from __future__ import annotations

import asyncio
import math
import numbers
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from ...errors import ErrorKind, ProtocolError
from ...text.durations import format_duration
from ..contracts.adapter import ProtocolAdapter
from ..contracts.secrets import words_of
from ..contracts.validation import answer_of, capabilities_of, described
from ..ledger.journal import StepState
from .guards import Change, told_apart

T = TypeVar("T")
SURELY_NOT = (ErrorKind.REFUSED, ErrorKind.AUTH, ErrorKind.RATE_LIMITED)
"""Kinds that say: nothing was changed."""
PERHAPS_LATER = (ErrorKind.UNKNOWN, ErrorKind.UNREACHABLE)
"""Kinds that say: no answer came, and the call may still arrive."""


NO_SHARE = "is not a share between 0 and 1"
"""So ends the reason of a reading that is a number, or something else, and no share."""


class Outcome(StrEnum):
    """What is known of a call that was to change something.

    ANSWERED  it says that it was done, which reading back has to show
    REFUSED   nothing was changed
    FAILED    it ended with an error: changed or not, but nothing will happen later
    LOST      no answer: it may have been done, and may still be
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True)
class Reading:
    """A share as read, or why there is none."""

    share: float | None
    reason: str = ""


async def ask_all(calls: Iterable[Coroutine[Any, Any, T]], seconds: float) -> list[asyncio.Task[T]]:
    """All calls at once; what did not end within `seconds` is cancelled, and left alone whatever it does then."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at, if by nobody else
            task.cancel()
    return tasks


def _result(task: asyncio.Task[T], seconds: float) -> T:
    if not task.done():
        raise TimeoutError(f"no answer in {format_duration(seconds)}")
    if task.cancelled():
        raise ProtocolError("the call cancelled itself", ErrorKind.UNKNOWN)
    return task.result()


async def read_shares(adapters: Mapping[str, ProtocolAdapter], seconds: float) -> dict[str, Reading]:
    """Every share, read at once; never raises but for its own cancellation."""
    tasks = await ask_all([answer_of(adapter, "get_allocation") for adapter in adapters.values()], seconds)
    return {name: _reading(task, seconds) for name, task in zip(adapters, tasks, strict=True)}


def _reading(task: asyncio.Task[object], seconds: float) -> Reading:
    try:
        return checked_share(_result(task, seconds))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return Reading(None, told(error))


def checked_share(value: object) -> Reading:
    """A share out of whatever an adapter returned.

    >>> checked_share(0.25), checked_share(float("nan"))
    (Reading(share=0.25, reason=''), Reading(share=None, reason='nan is not a share between 0 and 1'))
    """
    if type(value) is float and 0.0 <= value <= 1.0:
        return Reading(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return Reading(None, f"a {type(value).__name__} {NO_SHARE}")
    share = float(value)
    if not (math.isfinite(share) and -1e-9 <= share <= 1.0 + 1e-9):
        return Reading(None, f"{share:g} {NO_SHARE}")
    return Reading(min(max(share, 0.0), 1.0))


async def ask_for(adapter: ProtocolAdapter, share: float, key: str, seconds: float) -> tuple[Outcome, str]:
    """Asks for a share; never raises but for its own cancellation.

    An adapter with `takes_key = True` is called with `key=`, the same for one call and no other.
    """
    try:
        named = {"key": key} if getattr(adapter, "takes_key", False) else {}
        [task] = await ask_all([answer_of(adapter, "apply_allocation", share, **named)], seconds)
        _result(task, seconds)
    except asyncio.CancelledError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except ProtocolError as error:
        if error.kind in SURELY_NOT:
            return Outcome.REFUSED, told(error)
        return (Outcome.LOST if error.kind in PERHAPS_LATER else Outcome.FAILED), told(error)
    except OSError as error:  # TimeoutError and ConnectionError are OSErrors
        return Outcome.LOST, told(error)
    except BaseException as error:
        return Outcome.FAILED, told(error)
    return Outcome.ANSWERED, ""


def told(error: BaseException) -> str:
    """An error in one line, without secrets: it is kept in the journal."""
    return (words_of(error) if isinstance(error, ProtocolError) else "") or described(error)


def only_reads(adapter: ProtocolAdapter) -> bool:
    """What cannot say what it can do is asked when it is to move, and not before."""
    try:
        return not capabilities_of(adapter).acts
    except Exception:
        return False


def call_text(adapter: ProtocolAdapter, change: Change) -> str:
    """One call as it would be made; an adapter may say it in its own words by `describe_call(share)`."""
    describe = getattr(adapter, "describe_call", None)
    call = describe(change.after) if callable(describe) else f"apply_allocation({change.after:.6g})"
    return f"{change.protocol}: {call}  # from {change.before:.6g}"


def own_slack(adapter: ProtocolAdapter) -> float:
    """The tolerance that an adapter asks for; 0 where it says nothing."""
    try:
        able = capabilities_of(adapter)
    except ProtocolError:
        return 0.0
    return able.slack if able.share_tolerance else 0.0


def found_instead(change: Change, reading: Reading, said: str) -> str:
    """What was read in place of what was asked for."""
    asked, what = f"{change.after:.4f}", f"could not be read ({reading.reason})"
    if reading.share is not None:
        asked, found = told_apart(change.after, reading.share)
        what = f"was read as {found}"
        if change.is_passed_by(reading.share):
            what += ", which is beyond it"
    return f"{change.protocol} was asked for {asked} and {what}" + (f"; {said}" if said else "")


def was_answered(found: str) -> bool:
    """True for words of `found_instead` that tell of no failed call: its target did as it pleased."""
    return " was asked for " in found and "; " not in found


def state_left(reading: Reading, may_act: bool) -> StepState:
    """The state of a call that was not seen: only one that was answered, and whose share was read, is surely over."""
    return StepState.UNKNOWN if reading.share is None or may_act else StepState.REFUSED
