"""Shares that somebody else keeps changing: put back, but not for ever; then taken as they are, or a halt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ...text.durations import format_duration
from .executor import Executor
from .guards import close_to, told_apart
from .late_changes import comes_late
from .learned_limits import lasts
from .observed_targets import Drifting

DRIFT = "drift"
"""Key of an alert: shares that somebody else changed. With ":NAME" behind it: somebody keeps changing one."""
HOUR = 3600.0
A_DAY = 3
"""A share is put back so many times as often in a day as it may be in an hour."""
DAY_SECONDS = 86_400.0
OWN_SECONDS = 86_400.0
"""So long after a call its effect is known as its own, however late it comes."""
COARSE = 0.005
"""What somebody keeps changing is written down when it is further off than this."""


async def without_those_that_keep_drifting(
    executor: Executor, drifted: Mapping[str, float], committed: Mapping[str, float]
) -> dict[str, float]:
    """What may be put back once more; of the others it is told that somebody keeps changing them."""
    books, config = executor.books, executor.config
    most = config.max_repairs_per_hour
    repairs = await books.ask(books.journal.repairs, A_DAY * most * len(committed) + 1)
    often: dict[str, str] = {}
    for name in drifted:
        ages = [books.age(at) for at, names in repairs if name in names]
        for longest, least, span in ((HOUR, most, "an hour"), (DAY_SECONDS, A_DAY * most, "a day")):
            if sum(age < longest for age in ages) >= least:
                often.setdefault(name, f"it was put back {least} times within {span}")
    if not often:
        return dict(drifted)
    shares = {name: drifted[name] for name in often}
    if config.keeps_drifting == "stop":
        why = next(iter(often.values()))
        told = f"somebody else keeps changing {', '.join(sorted(often))} ({why}): {told_drift(shares, committed)}"
        await executor.halt((), told, None)
        return {}
    before = [each.key for each in await books.ask(books.journal.alerts) if _is_recent(executor, each.timestamp)]
    await executor.write(books.journal.adopt, shares)
    for name, share in sorted(shares.items()):
        key = f"{DRIFT}:{name}"
        is_set, rest = abs(share - committed[name]) > COARSE, lasts(1 + before.count(key))
        executor.observed.drifting[name] = Drifting(share, books.clock.monotonic(), rest, is_set)
        told = f"somebody else keeps changing {name}: {often[name]}, and {told_drift({name: share}, committed)}"
        told += (
            f"; it is taken as it is{', and not moved,' if is_set else ''} until it rests for {format_duration(rest)}"
        )
        await executor.alert(key, f"{told}: find out who, or let its adapter say a share_tolerance", 0.6)
    return {name: share for name, share in drifted.items() if name not in often}


async def own_late_effects(executor: Executor, drifted: Mapping[str, float]) -> dict[str, float]:
    """Those of `drifted` that are where a call of the last day asked them to be, and were not in its time.

    From then on changes of theirs are waited for as long as that took, where it was not much longer than
    `late_effects`.
    """
    now, slack, own = executor.now(), executor.rules.slack, dict[str, float]()
    asked = await executor.books.ask(executor.books.journal.changes, now - timedelta(seconds=OWN_SECONDS))
    for each in asked:
        share = drifted.get(each.protocol)
        if (
            share is not None
            and each.outcome in ("failed", "unknown")
            and close_to(share, each.after, slack(each.protocol))
        ):
            own[each.protocol] = share
            await comes_late(executor, each.protocol, now - each.timestamp)
    return own


async def watch(executor: Executor, read: Mapping[str, float], committed: Mapping[str, float]) -> None:
    """Follows what somebody keeps changing, until it is left alone for as long as it has to be."""
    now, slack, drifting = executor.books.clock.monotonic(), executor.rules.slack, executor.observed.drifting
    for key in (await executor.standing()).open_alerts:  # of an earlier process
        name = key.removeprefix(f"{DRIFT}:")
        if name != key and name in read:
            drifting.setdefault(name, Drifting(read[name], now))
    await _take_as_they_are(executor, read, committed, drifting.keys(), COARSE)
    for name, was in list(drifting.items()):
        if name not in read:
            continue
        if close_to(read[name], was.share, slack(name)) or close_to(read[name], committed.get(name, -1.0), slack(name)):
            if now - was.since >= was.rest:
                await _take_as_they_are(executor, read, committed, [name], 0.0)
                del drifting[name]
                await executor.recovered(f"{DRIFT}:{name}")
        else:
            drifting[name] = replace(was, share=read[name], since=now)


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


def _is_recent(executor: Executor, at: datetime) -> bool:
    return abs((executor.now() - at).total_seconds()) < 2.0 * DAY_SECONDS


def told_drift(shares: Mapping[str, float], committed: Mapping[str, float]) -> str:
    """In words: where shares are, and where they should be."""
    pairs = {name: told_apart(share, committed[name]) for name, share in sorted(shares.items())}
    return ", ".join(f"{name} is at {now}, not {confirmed}" for name, (now, confirmed) in pairs.items())
