"""The tables of `decision`: what was asked for, recorded traces, made worlds, one change at a time, where chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import olps
from .decision_changes import CHANGES, NONE, settings
from .decision_runs import CHANGED_SEEDS, COSTS, DEFAULT, FAMILIES, POLICIES, QUOTED, SEEDS, TRACES, Case, Timed

ASKED = {0.01: 0.96, 0.1: 0.92, 1.0: 0.80}
PROTOTYPE = {0.01: 0.96, 0.1: 0.91, 1.0: 0.58}
PROTOTYPE_WORK = {0.01: 0.93, 0.1: 0.85, 1.0: 0.67}
ASKED_QUOTED = {0.01: 0.9, 0.1: 0.9, 1.0: 0.5}
MOST_MILLISECONDS = 2.0
WORK = ("work-function", "work-function-split", "work-function-2")
PAID = "zpool on paid rates only"
Kept = Callable[[Case], bool]


def table(rows: Sequence[Any]) -> str:
    """Markdown: every table that there are rows for."""
    cases = [row for row in rows if isinstance(row, Case)]
    recorded = [case for case in cases if case.source.kind == "trace"]
    made = [case for case in cases if case.source.kind == "world"]
    wealths = [row for row in rows if isinstance(row, olps.Wealth)]
    parts = [
        "Asked for, and reached. Two digits were asked for, and two are compared.",
        _asked(rows, recorded, wealths),
    ]
    if recorded:
        parts += ["Recorded traces, share of the gain.", _traces(recorded)]
    parts += [f"Made worlds, seeds {SEEDS[0]} to {SEEDS[-1]}, share of the gain.", _spread(made, by_policy, POLICIES)]
    parts += ["The same by family: the median of its seeds.", _families(made)]
    parts += [
        f"The default with one thing changed, on made worlds of the seeds {CHANGED_SEEDS[0]} to {CHANGED_SEEDS[-1]}. "
        "The difference is the mean of the changed less the default, shares below -1 counted as -1.",
        _changes([case for case in made if case.source.seed in CHANGED_SEEDS]),
    ]
    if recorded:
        parts += ["The same on the traces, reported and nothing chosen by it.", _changes(counted(recorded))]
    if wealths:
        parts += ["Published results of online portfolio selection: what 1 becomes.", olps.table(wealths)]
    parts += ["Settings, and where each was chosen.", _settings()]
    return "\n\n".join(parts)


def counted(cases: Iterable[Case]) -> list[Case]:
    """Without the trace of quotes where quotes were hidden."""
    return [case for case in cases if case.source.counted]


def unquoted(cases: Iterable[Case]) -> list[Case]:
    """Without quotes: the same traces, all policies on what was paid."""
    return [case for case in cases if not case.source.signal]


def gains(cases: Iterable[Case], days: float, keep: Kept) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Shares of the gain at one cost, where there is something to gain."""
    found = np.array([case.gain for case in cases if case.days == days and keep(case)], dtype=float)
    finite: np.ndarray[tuple[int], np.dtype[np.float64]] = found[np.isfinite(found)]
    return finite


def by_policy(name: str) -> Kept:
    """Cases of a policy with nothing changed."""
    return lambda case: case.policy == name and case.change == NONE


def _by_change(change: str) -> Kept:
    return lambda case: case.policy == DEFAULT and case.change == change


def _asked(rows: Sequence[Any], recorded: list[Case], wealths: list[olps.Wealth]) -> str:
    lines = [["what", "k", "prototype", "asked", "ours", "reached"]]
    six = counted(recorded)
    whole = {case.source.name for case in six if case.source.steps is None} == set(TRACES)
    if whole:
        for days in COSTS:
            got = float(np.median(gains(six, days, by_policy(DEFAULT))))
            line = [f"{PROTOTYPE[days]:.2f}", f"{ASKED[days]:.2f}", f"{got:.3f}", _yes(round(got, 2) >= ASKED[days])]
            lines.append(["median share of the gain, six traces", f"{days:g}", *line])
        for days in COSTS:
            below = sum(case.below for case in six if case.days == days and by_policy(DEFAULT)(case))
            lines.append(["cases below never moving, of 6", f"{days:g}", "", "0", str(below), _yes(not below)])
        for others, said in ((six, ""), (unquoted(recorded), f" ({PAID})")):
            for rule in WORK:
                for days in COSTS:
                    apart = paired(others, days, by_policy(DEFAULT), by_policy(rule))
                    proto = f"{PROTOTYPE[days] - PROTOTYPE_WORK[days]:+.2f} (of medians)"
                    got = float(np.median(apart))
                    line = [proto if rule == WORK[-1] and said else "", "> 0", f"{got:+.3f}", _yes(got > 0.0)]
                    lines.append([f"default less {rule}, median of pairs{said}", f"{days:g}", *line])
        for case in six:
            if case.source.name == QUOTED and by_policy(DEFAULT)(case):
                limit = ASKED_QUOTED[case.days]
                line = ["", f"> {limit:g}", f"{case.gain:.3f}", _yes(case.gain > limit)]
                lines.append([f"{QUOTED} with its signal", f"{case.days:g}", *line])
    for row in rows:
        if isinstance(row, Timed):
            what = f"processor time of a step, n = {row.size}, 14 shadows"
            reached = _yes(row.milliseconds < MOST_MILLISECONDS)
            lines.append([what, "", "0.6 ms", f"< {MOST_MILLISECONDS:g} ms", f"{row.milliseconds:.2f} ms", reached])
    if wealths:
        agree = sum(row.agrees for row in wealths)
        lines.append(["sets of published wealths", "", "", "every digit", f"{agree} of {len(wealths)}", ""])
        lines[-1][-1] = _yes(agree == len(wealths))
    return _markdown(lines, 1)


def paired(cases: Sequence[Case], days: float, one: Kept, other: Kept) -> list[float]:
    """Differences of two policies' shares of the gain, source by source."""
    first = {case.source: case.gain for case in cases if case.days == days and one(case)}
    second = {case.source: case.gain for case in cases if case.days == days and other(case)}
    both = [first[source] - second[source] for source in first if source in second]
    return [value for value in both if np.isfinite(value)]


def _traces(recorded: list[Case]) -> str:
    lines = [["trace", "k", *POLICIES, "optimum, USD", "never, USD"]]
    plain = {(case.source, case.days, case.policy): case for case in recorded if case.change == NONE}
    for source in dict.fromkeys(case.source for case in recorded):
        for days in sorted({case.days for case in recorded}):
            cases = [plain[source, days, name] for name in POLICIES]
            shown = [f"{case.gain:.3f}" for case in cases]
            lines.append([source.shown, f"{days:g}", *shown, f"{cases[0].optimum:.8g}", f"{cases[0].never:.8g}"])
    six = counted(recorded)
    for others, said in ((six, ""), (unquoted(recorded), f", {PAID}")):
        for days in sorted({case.days for case in six}):
            medians = [f"{np.median(gains(others, days, by_policy(name))):.3f}" for name in POLICIES]
            lines.append([f"median of the six{said}", f"{days:g}", *medians, "", ""])
    below = [sum(case.below for case in six if by_policy(name)(case)) for name in POLICIES]
    lines.append(["below never moving", f"of {len(six) // len(_kinds(six))}", *map(str, below), "", ""])
    times = [np.mean([case.milliseconds for case in six if by_policy(name)(case)]) for name in POLICIES]
    lines.append(["processor time of a step, ms", "", *(f"{value:.3f}" for value in times), "", ""])
    return _markdown(lines, 1)


def _kinds(cases: Iterable[Case]) -> set[tuple[str, str]]:
    return {(case.policy, case.change) for case in cases}


def _spread(cases: list[Case], keep: Callable[[str], Kept], names: Iterable[str]) -> str:
    days = sorted({case.days for case in cases})
    costs = [f"k = {value:g}" for value in days]
    heads = [f"{what}, {cost}" for what in ("median", "mean, cut at -1", "below never") for cost in costs]
    lines = [["policy", *heads, "cases"]]
    for name in names:
        found = [gains(cases, value, keep(name)) for value in days]
        chosen = [case for case in cases if keep(name)(case)]
        cells = [f"{np.median(each):.3f}" for each in found] + [
            f"{np.maximum(each, -1.0).mean():.3f}" for each in found
        ]
        cells += [_percent([case.below for case in chosen if case.days == value]) for value in days]
        lines.append([name, *cells, " / ".join(str(len(each)) for each in found)])
    return _markdown(lines, 1)


def _families(made: list[Case]) -> str:
    lines = [["family", "k", *POLICIES, f"{DEFAULT}: mean, cut at -1", f"{DEFAULT}: below never"]]
    for family in FAMILIES:
        mine = [case for case in made if case.source.name == family]
        for days in sorted({case.days for case in mine}):
            found = {name: gains(mine, days, by_policy(name)) for name in POLICIES}
            if not len(found[DEFAULT]):
                continue
            medians = [f"{np.median(found[name]):.3f}" for name in POLICIES]
            below = _percent([case.below for case in mine if case.days == days and by_policy(DEFAULT)(case)])
            lines.append([family, f"{days:g}", *medians, f"{np.maximum(found[DEFAULT], -1.0).mean():.3f}", below])
    return _markdown(lines, 1)


def _changes(cases: list[Case]) -> str:
    days = sorted({case.days for case in cases})
    costs = [f"k = {value:g}" for value in days]
    lines = [["changed", *(f"{what}, {cost}" for what in ("median", "difference") for cost in costs), "below never"]]
    kept = {change or "nothing: the default": _by_change(change) for change in CHANGES}
    kept["no replay: the value rule alone"] = by_policy("value")
    for name, keep in kept.items():
        medians = [f"{np.median(gains(cases, value, keep)):.3f}" for value in days]
        apart = [_cut_difference(cases, value, keep) for value in days]
        lines.append([name, *medians, *apart, _percent([case.below for case in cases if keep(case)])])
    return _markdown(lines, 1)


def _cut_difference(cases: list[Case], days: float, keep: Kept) -> str:
    own = by_policy(DEFAULT)
    first = {case.source: max(case.gain, -1.0) for case in cases if case.days == days and keep(case)}
    second = {case.source: max(case.gain, -1.0) for case in cases if case.days == days and own(case)}
    apart = [first[source] - second[source] for source in first]
    return f"{np.nanmean(apart):+.3f}" if np.isfinite(apart).any() else ""


def _settings() -> str:
    return _markdown([["file", "setting", "value", "chosen on made worlds"], *map(_setting, settings())], 4)


def _setting(row: tuple[str, str, float, str]) -> list[str]:
    place, name, value, where = row
    return [place, name, f"{value:g}", where]


def _percent(flags: Sequence[bool]) -> str:
    return f"{100.0 * sum(flags) / len(flags):.0f} %" if flags else ""


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def _markdown(lines: list[list[str]], left: int) -> str:
    """A table; the first columns to the left."""
    head, *rest = lines
    rule = ["---" if place < left else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *rest])


ABOUT = (
    "The reference problem of the data: from the equal split, at most 0.2 moved in a step, step t decided on rows "
    "before it; k is the cost of moving everything in days of mean earnings. The share of the gain is (policy - never "
    "move) / (optimum - never move), the optimum by `hindsight`; below 0 never moving earns more. The default is "
    f"`replay`. {QUOTED} counts with its signal file; without it, it is shown and not counted. On made worlds a case "
    "with nothing to gain has no share.\n\n"
    f"Nothing was chosen on the seeds {SEEDS[0]} to {SEEDS[-1]} of the made worlds: they are the independent check. "
    "Settings were chosen by their figures on other seeds, as the last table says. The traces had been run before some "
    "of these choices (HANDED_ON, the families smooth and posted), and were run while first weights were being tried, "
    "so they are none: what was kept is what the made worlds preferred, and what those could not tell apart was left "
    "as it was (PERSISTENCE 0.3, where 0.1 is better on the traces at k = 1)."
)
