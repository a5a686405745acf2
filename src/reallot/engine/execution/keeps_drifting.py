"""Shares that somebody else keeps changing: put back, but not for ever; then taken as they are, or a halt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from .executor import Executor
from .guards import close_to, told_apart

DRIFT = "drift"
"""Key of an alert: shares that somebody else changed. With ":NAME" behind it: somebody keeps changing one."""
HOUR = 3600.0
OWN_SECONDS = 86_400.0
"""So long after a call its effect is known as its own, however late it comes."""
COARSE = 0.005
"""What somebody keeps changing is written down when it is further off than this."""


async def without_those_that_keep_drifting(
    executor: Executor, drifted: Mapping[str, float], committed: Mapping[str, float]
) -> dict[str, float]:
    """What may be put back once more; of the others it is told that somebody keeps changing them."""
    books, config = executor.books, executor.config
    repairs = await books.ask(books.journal.repairs, config.max_repairs_per_hour * len(committed) + 1)
    recent = [names for at, names in repairs if books.age(at) < HOUR]
    often = {
        name: share
        for name, share in drifted.items()
        if sum(name in names for names in recent) >= config.max_repairs_per_hour
    }
    if not often:
        return dict(drifted)
    said = f"it was put back {config.max_repairs_per_hour} times within an hour"
    if config.keeps_drifting == "stop":
        told = f"somebody else keeps changing {', '.join(sorted(often))} ({said}): {told_drift(often, committed)}"
        await executor.halt((), told, None)
        return {}
    await executor.write(books.journal.adopt, often)
    for name, share in sorted(often.items()):
        executor.drifting[name] = (share, books.clock.monotonic())
        told = f"somebody else keeps changing {name}: {said}, and {told_drift({name: share}, committed)}"
        cure = "find out who, or let its adapter say a share_tolerance"
        await executor.alert(f"{DRIFT}:{name}", f"{told}; it is taken as it is until it rests for an hour: {cure}", 0.6)
    return {name: share for name, share in drifted.items() if name not in often}


async def own_late_effects(executor: Executor, drifted: Mapping[str, float]) -> dict[str, float]:
    """Those of `drifted` that are where a call of the last day asked them to be, and were not in its time."""
    since = executor.now() - timedelta(seconds=OWN_SECONDS)
    asked = await executor.books.ask(executor.books.journal.changes, since)
    slack = executor.rules.slack
    in_vain = [each for each in asked if each.protocol in drifted and each.outcome in ("failed", "unknown")]
    own = {each.protocol for each in in_vain if close_to(drifted[each.protocol], each.after, slack(each.protocol))}
    return {name: share for name, share in drifted.items() if name in own}


async def watch(executor: Executor, read: Mapping[str, float], committed: Mapping[str, float]) -> None:
    """Follows what somebody keeps changing, until it is left alone for an hour."""
    now, slack, drifting = executor.books.clock.monotonic(), executor.rules.slack, executor.drifting
    for key in (await executor.standing()).open_alerts:  # of an earlier process
        name = key.removeprefix(f"{DRIFT}:")
        if name != key and name in read:
            drifting.setdefault(name, (read[name], now))
    await _take_as_they_are(executor, read, committed, drifting.keys(), COARSE)
    for name, (share, since) in list(drifting.items()):
        if name not in read:
            continue
        if close_to(read[name], share, slack(name)) or close_to(read[name], committed.get(name, -1.0), slack(name)):
            if now - since >= HOUR:
                await _take_as_they_are(executor, read, committed, [name], 0.0)
                del drifting[name]
                await executor.recovered(f"{DRIFT}:{name}")
        else:
            drifting[name] = (read[name], now)


async def _take_as_they_are(
    executor: Executor, read: Mapping[str, float], committed: Mapping[str, float], names: Collection[str], off: float
) -> None:
    """Shares that are further off than this, and than their tolerance, are the confirmed ones from now on."""
    slack = executor.rules.slack
    taken = {
        name: read[name]
        for name in names
        if name in read and abs(read[name] - committed.get(name, -1.0)) > max(off, slack(name))
    }
    if taken:
        await executor.write(executor.books.journal.adopt, taken)


def told_drift(shares: Mapping[str, float], committed: Mapping[str, float]) -> str:
    """In words: where shares are, and where they should be."""
    pairs = {name: told_apart(share, committed[name]) for name, share in sorted(shares.items())}
    return ", ".join(f"{name} is at {now}, not {confirmed}" for name, (now, confirmed) in pairs.items())
