"""Random worlds in which sources and targets fail in every way at once: the laws of the engine hold in each of them."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reallot.runtime.events import LogEvent
from tests.orchestration.faulty import HOUR, SOURCES, TARGETS, Faulty, Window, windows_of
from tests.orchestration.playing import Play, simulated

pytestmark = pytest.mark.slow
HEAD = """
[coordinator]
every = "{every}"
[optimizer]
min_improvement_threshold = 0.001
allow_idle = true
[reallocation]
share_tolerance = 0.002
[monitor]
low_earnings_threshold = 0.0
optimization_threshold = 1000.0
"""
FAULTY, HEALED = 36.0, 32.0
"""Hours with faults, and after them: a day until the last is asked again, and a fifth of all moves each hour after.

By a clock that went back it is an hour more.
"""
PATIENCE = 1.0
"""Hours within which a fault is told."""
MOST_A_DAY = 24
KEYS = {"out": "disconnected:", "jump": "jump:"}
KEYS |= dict.fromkeys(("refuses", "caps", "keeps", "ignores"), "refuses:")
"""The alert that tells of a fault begins so; these are told by one of several."""
OTHER_KEYS = {"zero": ("stale:", "drop:", "jump:"), "stale": ("stale:", "jump:", "disconnected:")}
"""An old value of a share that has changed since is no value that can be believed, and is told as that."""
JUMPS = (86_400.0, -3600.0)
"""What a wrong clock goes ahead and back by, seconds."""


def world(seed: int, noisy: bool) -> tuple[Play, dict[str, Faulty], dict[str, float]]:
    """Two to four protocols, full at the start, each with its own faults and with rates that change; the last rates."""
    draw = random.Random(seed)
    names = [f"p{number}" for number in range(draw.randint(2, 4))]
    rates = {name: round(draw.uniform(0.3, 2.0), 3) for name in names}
    share, tables = round(1.0 / len(names), 6), []
    for name in names:
        changes = [(hour, round(draw.uniform(0.4, 2.2), 2)) for hour in range(draw.randint(2, 5), int(FAULTY), 5)]
        said = ", ".join(f'["{hour}h", {factor}]' for hour, factor in changes)
        tables.append(simulated(name, share, f"rate = {rates[name]}", f"changes = [{said}]", "noise = 0.03"))
        rates[name] *= changes[-1][1]
    played = Play("".join(tables), every="10m", head=HEAD)
    kinds, clock = (*SOURCES, *(each for each in TARGETS if each != "rounds")), played.parts.clock
    faults = {
        name: Faulty(each, clock, windows_of(draw, kinds, FAULTY), noisy) for name, each in played.adapters.items()
    }
    return played, faults, rates


def names_on_the_way_back(event: LogEvent, name: str) -> bool:
    """True for an alert that a move can neither be completed nor be taken back because of this protocol."""
    return (
        event.kind == "alert" and event.fields["key"] in ("unsettled", "halted") and f" {name} was asked" in event.text
    )


def told_of(played: Play, name: str, window: Window, seen: float) -> bool:
    """True where an alert of this protocol was open when the fault could be seen, or began soon after."""
    keys = [f"{each}{name}" for each in ([KEYS[window.kind]] if window.kind in KEYS else OTHER_KEYS[window.kind])]
    if window.kind in TARGETS:
        keys += [each.fields["key"] for each in played.told if names_on_the_way_back(each, name)]
    lasting: set[str] = set()
    for event, hours in zip(played.told, played.hours, strict=True):
        if event.kind not in ("alert", "recovered") or event.fields["key"] not in keys or hours > seen + PATIENCE:
            continue
        if hours >= seen and event.kind == "alert":
            return True
        if hours < seen:
            (lasting.add if event.kind == "alert" else lasting.discard)(event.fields["key"])
    return bool(lasting)


def looked_at(played: Play, faults: dict[str, Faulty]) -> None:
    """A halt is told, comes only where one target failed and another on the way back, and a person ends it."""
    if not played.parts.engine.journal.halted():
        return
    assert played.alerts("halted") == played.ends("halted") + 1
    now = played.parts.clock.monotonic() / HOUR
    failing = {
        name for name, fault in faults.items() for each in fault.windows if each.asked and each.asked[-1] > now - 3.0
    }
    assert len(failing) > 1, failing
    asyncio.run(played.parts.engine.resume(played.adapters))


@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_the_laws_hold_whatever_sources_and_targets_do(seed, noisy, jumps):
    played, faults, rates = world(seed, noisy)
    clock, held = played.parts.clock, []
    at = {200 + 40 * number: seconds for number, seconds in enumerate(JUMPS)} if jumps else {}

    def each(run: Play) -> None:
        held.append((clock.monotonic() / HOUR, run.now()))
        run.hours += [clock.monotonic() / HOUR] * (len(run.told) - len(run.hours))
        clock.jump(at.get(len(held), 0.0))

    played.hours = []
    played.go_for(FAULTY, each, lambda run: looked_at(run, faults))
    assert played.most <= 1.0 + (0.004 if noisy else 1e-9)
    moves, days = len(played.of("move")), FAULTY / 24.0
    for name, fault in faults.items():
        assert played.changes(name) <= MOST_A_DAY * days, name
        assert moves or played.changes(name) <= MOST_A_DAY * days / 2, name
        for window in fault.windows:
            times = window.asked[1:] if window.kind in TARGETS else [window.begins]
            shares = [now[name] for hours, now in held if window.begins - 0.5 <= hours <= window.begins + PATIENCE]
            shows = window.kind in TARGETS or window.kind in ("out", "stale") or min(shares, default=0.0) > 0.01
            if times and shows and window.ends - times[0] > PATIENCE and window.kind not in ("slow", "late"):
                assert told_of(played, name, window, times[0]), (name, window)
    for fault in faults.values():
        fault.windows.clear()
    began = len(held)
    played.go_for(HEALED, each, lambda run: looked_at(run, faults))
    played.assert_alerts_begin_and_end_in_turn()
    # what held nothing since then could not be read: nobody knows that its rate has changed
    read = [name for name in rates if any(now[name] > 0.01 for _, now in held[began:])]
    shares, best = played.now(), max(rates[name] for name in read)
    earned = sum(rates[name] * shares[name] for name in rates)
    left = max((best - rates[name]) * min(shares[name], 0.2) for name in rates)
    assert left <= 0.05 * earned + 0.001, (shares, rates)
    played.close()
