"""The checks that every adapter must pass, ours or a stranger's: what it answers, refuses, sets and leaves behind.

from reallot.testing.adapters import check_adapter
check_adapter(lambda: MyAdapter("http://127.0.0.1:8080"), secrets=["MY_TOKEN"])
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import SystemClock
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.validation import capabilities_of, checked
from ..errors import ErrorKind, OrchestrationError, ProtocolError
from ..orchestration.coordinator import ProtocolCoordinator

Settle = Callable[[float], Awaitable[None] | None]
"""Lets so many seconds pass for the adapter: a hand-moved clock's `advance`, or nothing to wait for real."""
TOLERANCE = 1e-6
_NO_SHARES = (-0.1, 1.5, float("nan"), float("inf"), "half", None)
_WAIT_SECONDS = 5.0


def check_adapter(make: Callable[[], Any], *, secrets: Iterable[str] = (), settle: Settle | None = None) -> list[str]:
    """Run the conformance suite on adapters of one kind.

    The protocol should be there and earn: an adapter that cannot read now fails. Where it acts, its share is changed
    for a moment and put back.

    Parameters
    ----------
    make
        A function that makes a fresh adapter.
    secrets
        Names of environment variables whose values must appear nowhere.
    settle
        A function that lets so many seconds pass for the adapter, such as `ManualClock.advance`. None waits for real.

    Returns
    -------
    list
        Names of the checks, all passed.

    Raises
    ------
    ProtocolError
        With all complaints, where a check fails.

    Examples
    --------
    >>> from reallot import SimulatedAdapter, check_adapter
    >>> "reads" in check_adapter(lambda: SimulatedAdapter("relay", 2.0, share=0.5))
    True
    """
    hidden = [value for value in (os.environ.get(name) for name in secrets) if value]
    complaints, passed = [], []
    for check in (_port, _says, _reads, _together, _shares, _refuses, _acts, _cancels, _closes):
        name = check.__name__.lstrip("_")
        try:
            found = asyncio.run(_alone(check, make, hidden, settle))
        except Exception as error:
            found = [f"raised {type(error).__name__}: {error}"]
        complaints += [f"{name}: {complaint}" for complaint in found]
        passed += [] if found else [name]
    if complaints:
        raise ProtocolError("\n".join(complaints), ErrorKind.SHAPE)
    return passed


async def _alone(check: Callable[..., Awaitable[list[str]]], make: Any, hidden: list[str], settle: Any) -> list[str]:
    """One check on an adapter of its own, which must leave no task behind."""
    adapter = make()
    try:
        found = await check(adapter, hidden=hidden, settle=settle)
    finally:
        close = getattr(adapter, "close", None)
        if callable(close):
            await close()
    await asyncio.sleep(0)
    left = len(asyncio.all_tasks()) - 1
    return [*found, f"{left} tasks are left behind"] if left else found


async def _port(adapter: Any, **_: Any) -> list[str]:
    """The three coroutines are there, and a coordinator takes it."""
    found = [
        f"{name} is no coroutine"
        for name in ("get_status", "get_allocation", "apply_allocation")
        if callable(getattr(adapter, name, None)) and not inspect.iscoroutinefunction(getattr(adapter, name))
    ]
    try:
        ProtocolCoordinator().register_adapter("it", adapter)
    except OrchestrationError as error:
        found.append(str(error))
    return found


async def _says(adapter: Any, *, hidden: list[str], **_: Any) -> list[str]:
    """What it says of itself is possible, and shows no secret."""
    can = capabilities_of(adapter)
    told = getattr(adapter, "capabilities", None)
    found = []
    if callable(told) and not isinstance(told(), Capabilities):
        found.append("capabilities() gives no Capabilities")
    for name in ("delay", "timeout", "min_interval", "cadence"):
        value = getattr(can, name)
        if not isinstance(value, timedelta) or value < timedelta(0) or (name == "timeout" and not value):
            found.append(f"capabilities: {name} is {value!r}")
    parts = {name: getattr(can, name) for name in ("step", "floor")}
    found += [
        f"capabilities: {name} is {part!r}, not in [0, 1]" for name, part in parts.items() if not 0.0 <= part <= 1.0
    ]
    return [*found, *_seen(hidden, f"{adapter!r} {adapter}", "its repr")]


async def _reads(adapter: Any, *, hidden: list[str], **_: Any) -> list[str]:
    """A status that can be, that JSON carries, and that shows no secret."""
    try:
        status = await adapter.get_status()
    except ProtocolError as error:
        if error.kind is ErrorKind.NEVER_REPORTED:
            return _seen(hidden, str(error), "an error")
        return [f"it cannot be read now ({error.kind}): {error}"]
    checked(status, "it", SystemClock().now())
    text = status.model_dump_json()
    found = _seen(hidden, text + repr(status), "its status")
    if ProtocolStatus.model_validate_json(text) != status:
        found.append("its status does not come back from JSON as it was")
    if not status.connected:
        found.append("a status that is returned is an answer: connected must be True")
    if status.earnings_per_hour is None and status.error is None:
        found.append("a status without earnings must say why: error=ErrorKind.NEVER_REPORTED")
    return found


async def _together(adapter: Any, **_: Any) -> list[str]:
    """Ten reads at once all end, and agree on the share."""
    answers = await asyncio.gather(*(adapter.get_status() for _ in range(10)), return_exceptions=True)
    wrong = [each for each in answers if not isinstance(each, (ProtocolStatus, ProtocolError))]
    found = [f"one of ten reads at once gave {type(wrong[0]).__name__}"] if wrong else []
    shares = {each.allocation for each in answers if isinstance(each, ProtocolStatus)}
    return [*found, f"ten reads at once gave {len(shares)} shares"] if len(shares) > 1 else found


async def _shares(adapter: Any, **_: Any) -> list[str]:
    """The share that is read back is one, and the same as in the status."""
    share = await _share(adapter)
    if share is None:
        acts = capabilities_of(adapter).acts
        return ["it acts, and does not know its share"] if acts else []
    if isinstance(share, bool) or not isinstance(share, float) or not 0.0 <= share <= 1.0 + 1e-9:
        return [f"get_allocation gave {share!r}, not a float in [0, 1]"]
    try:
        told = (await adapter.get_status()).allocation
    except ProtocolError:
        return []
    return [] if told is None or abs(told - share) <= TOLERANCE else [f"status says {told:g}, get_allocation {share:g}"]


async def _refuses(adapter: Any, **_: Any) -> list[str]:
    """What is no share is REFUSED and changes nothing; so is every share where it only reads."""
    before, found = await _share(adapter), []
    acts = capabilities_of(adapter).acts
    for share in (*_NO_SHARES, *(() if acts else (0.0, 0.5, 1.0))):
        try:
            await adapter.apply_allocation(share)
            found.append(f"share {share!r} was not refused")
        except ProtocolError as error:
            if error.kind is not ErrorKind.REFUSED:
                found.append(f"share {share!r} raised kind {error.kind}, not refused")
        except Exception as error:
            found.append(f"share {share!r} raised {type(error).__name__}, not ProtocolError")
    if await _share(adapter) != before:
        found.append("a refused share was set")
    return found


async def _acts(adapter: Any, *, settle: Any, **_: Any) -> list[str]:
    """A share that is asked for is read back after its delay; twice is as once; the one before can be put back."""
    can = capabilities_of(adapter)
    if not can.acts:
        return []
    before = await adapter.get_allocation()
    other = _another(before, can)
    found = []
    for share in (before, other, other, before):
        await adapter.apply_allocation(share)
        passed = settle(can.delay.total_seconds()) if settle else asyncio.sleep(can.delay.total_seconds())
        if passed is not None:
            await passed
        back = await adapter.get_allocation()
        if not abs(back - share) <= max(TOLERANCE, 1e-9):
            found.append(f"share {share:g} was asked for, {back!r} is read back")
    return found


async def _cancels(adapter: Any, **_: Any) -> list[str]:
    """A read that is cancelled ends at once, and passes the cancellation on."""
    task = asyncio.ensure_future(adapter.get_status())
    await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    await asyncio.wait({task}, timeout=_WAIT_SECONDS)
    if not task.done():
        return [f"a cancelled read goes on for over {_WAIT_SECONDS:g} s"]
    if ended or task.cancelled():
        if not task.cancelled():
            task.exception()
        return []
    error = task.exception()
    return [f"a cancelled read gave {'a status' if error is None else type(error).__name__}, not CancelledError"]


async def _closes(adapter: Any, **_: Any) -> list[str]:
    """It may be closed twice, with a read in between or without."""
    if callable(close := getattr(adapter, "close", None)):
        await close()
        await close()
        try:
            await adapter.get_status()
        except ProtocolError:
            return []
    return []


async def _share(adapter: Any) -> Any:
    try:
        return await adapter.get_allocation()
    except ProtocolError as error:
        if error.kind is ErrorKind.NEVER_REPORTED:
            return None
        raise


def _another(share: float, can: Capabilities) -> float:
    """A share that it can be set to, other than the one in force."""
    step = can.step or 0.25
    steps = [each * step for each in range(1, int(1.0 / step + 1e-9) + 1) if each * step >= can.floor]
    return min((each for each in steps if abs(each - share) > step / 2.0), key=lambda each: abs(each - 0.5))


def _seen(hidden: list[str], text: str, where: str) -> list[str]:
    return [f"{where} shows a secret" for value in hidden if value in text]
