"""Measurements as Markdown tables and as JSON with versions and machine."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .figures import TARGETS
from .growth import STEEP_FROM, Growth, slope
from .imports import ImportTiming
from .measure import Timing
from .race import Row
from .traces import ChainResult

LIBRARIES = ("reallot", "numpy", "scipy", "pandas", "pulp", "highspy")
LAST_RUN = "\n## Last run\n"
OPTIONAL = ("numba", "lightgbm", "cvxpy", "clarabel", "cvxportfolio", "skfolio", "linopy", "pyomo")


def machine() -> dict[str, Any]:
    """Versions, processor, cores and the load at the time."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in load],
        "versions": {name: found for name in (*LIBRARIES, *OPTIONAL) if (found := _version(name)) is not None},
    }


def machine_in_words(before: dict[str, Any], after: dict[str, Any]) -> str:
    """One paragraph for the page: when, where, which versions, how busy."""
    versions = ", ".join(f"{name} {number}" for name, number in after["versions"].items())
    return (
        f"Measured {after['when'][:10]} on {after['cores']} cores ({after['processor']}), Python {after['python']}, "
        f"{versions}. Load average at the start {before['load'][0]:g}, at the end {after['load'][0]:g}."
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def timings(rows: Sequence[Timing]) -> str:
    """Milliseconds by phase; the last two columns are how many times longer one call of each yardstick takes."""
    header = ["n", "backend", "columns x rows", "build", "solve", "certify", "explain", "total"]
    lines = [[*header, "scipy / solve", "CBC / solve"]]
    for row in rows:
        alone = {other.backend: other.solve for other in rows if other.size == row.size}
        lines.append(
            [
                str(row.size),
                row.backend,
                f"{row.columns} x {row.rows}",
                *(_ms(value) for value in (row.build, row.solve, row.certify, row.explain)),
                "" if row.build is None else _ms(row.total),
                _ratio(alone.get("scipy alone"), row),
                _ratio(alone.get("CBC alone"), row),
            ]
        )
    return _table(lines, left=(1,))


def imports(rows: Sequence[ImportTiming]) -> str:
    """CPU seconds of imports on top of the interpreter."""
    lines = [["statement", "CPU s", "CPU s, one BLAS thread"]]
    lines += [[f"`{row.statement}`", f"{row.cpu:.3f}", f"{row.one_thread:.3f}"] for row in rows]
    return _table(lines, left=(0,))


def duels(rows: Sequence[Row]) -> str:
    """A line for each of theirs: their time, and for each of ours its time and how many times longer theirs is."""
    names = list(dict.fromkeys(row.ours.name for row in rows))
    lines = [
        ["size", "against", "theirs", *(cell for name in names for cell in (name, "ratio")), "difference", "allowed"]
    ]
    for size, name in dict.fromkeys((row.size, row.theirs.name) for row in rows):
        pairs = {row.ours.name: row for row in rows if (row.size, row.theirs.name) == (size, name)}
        theirs = next(iter(pairs.values())).theirs
        cells = []
        for each in names:
            row = pairs.get(each)
            cells += ["-", "-"] if row is None else [_time(row.ours.seconds), ratio(row.ratio)]
        away = ["-", "-"] if theirs.difference is None else [f"{theirs.difference:.0e}", f"{theirs.tolerance:.0e}"]
        lines.append([size, name, _time(theirs.seconds), *cells, *away])
    return _table(lines, left=(0, 1)) + "\n\n" + _notes(rows)


def _notes(rows: Sequence[Row]) -> str:
    """What was timed, by name; and first calls that took much longer than the later ones."""
    timings = [timing for row in rows for timing in (row.ours, row.theirs)]
    notes = dict.fromkeys((timing.name, timing.note) for timing in timings)
    lines = [f"- **{name}**: {note}." for name, note in notes]
    slow = {row.ours.name: row.ours.first for row in rows if row.ours.first > 0.1 + 10.0 * row.ours.seconds}
    lines += [f"- First call of {name}: {seconds:.2f} s (compiling and loading)." for name, seconds in slow.items()]
    return "\n".join(lines)


def growths(rows: Sequence[Growth]) -> str:
    """Times by size, the slope since the size before (in logarithms) in brackets, and the fitted slopes."""
    names = list(dict.fromkeys(row.what for row in rows))
    times = {(row.what, row.size): row.seconds for row in rows}
    lines, before = [["n", *names]], 0
    for size in sorted({row.size for row in rows}):
        cells = []
        for name in names:
            now, last = times.get((name, size)), times.get((name, before))
            step = "" if now is None or last is None else f" ({math.log(now / last) / math.log(size / before):.2f})"
            cells.append("-" if now is None else _time(now) + step)
        lines.append([f"{size:,}", *cells])
        before = size
    fitted = [slope(list(rows), name) for name in names]
    lines.append([f"slope from {STEEP_FROM:,}", *("-" if value is None else f"{value:.2f}" for value in fitted)])
    return _table(lines, left=(0,))


def figures(rows: Sequence[Row], seeds: Mapping[str, str]) -> str:
    """Each figure that was asked for: what is compared, the ratio, whether it is reached, and its group's seeds."""
    lines = [["what", "ours", "against", "our time", "their time", "ratio", "asked", "reached", "seeds"]]
    for target in TARGETS:
        row, what = target.row(rows), f"{target.group}, {target.size}"
        if row is None:
            lines.append([what, target.ours, target.against[0], "-", "-", "-", target.asked, "not measured", ""])
            continue
        seed = seeds[target.group]
        reached = "yes" if target.is_reached(row) else "no"
        times = [_time(row.ours.seconds), _time(row.theirs.seconds)]
        lines.append([what, target.ours, row.theirs.name, *times, ratio(row.ratio), target.asked, reached, seed])
    return _table(lines, left=(0, 1, 2, 6, 7, 8))


def ratio(value: float) -> str:
    """How many times as long they take: 18.1x."""
    return f"{value:,.3g}x" if value < 1000.0 else f"{value:,.0f}x"


def chains(rows: Sequence[ChainResult]) -> str:
    """Traces: milliseconds per step and the largest difference; money beside what never moving earns."""
    header = ["trace", "k", "steps", "with moves", "exact", "HiGHS kept", "HiGHS", "worst difference"]
    lines = [[*header, "net, USD", "never move, USD"]]
    lines += [
        [
            row.trace,
            f"{row.part:g}",
            str(row.steps),
            str(row.plans_with_moves),
            _ms(row.exact_seconds),
            _ms(row.kept_seconds),
            _ms(row.highs_seconds),
            f"{row.worst:.1e}",
            f"{row.net:.8g}",
            f"{row.never_move:.8g}",
        ]
        for row in rows
    ]
    return _table(lines, left=(0,))


def write(path: Path, found: dict[str, Any], results: dict[str, Sequence[Any]]) -> None:
    """Everything measured, with the machine, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = {"machine": found} | {name: [_plain(row) for row in rows] for name, rows in results.items()}
    path.write_text(json.dumps(payload, indent=1) + "\n", encoding="utf-8")


def _plain(row: Any) -> dict[str, Any]:
    return asdict(row) | ({"ratio": row.ratio} if isinstance(row, Row) else {})


def replace_last_run(page: Path, tables: Sequence[str]) -> None:
    """Puts `tables` in place of everything after the heading "Last run" of a Markdown page."""
    before, heading, _ = page.read_text(encoding="utf-8").partition(LAST_RUN)
    if not heading:
        raise ValueError(f"{page} has no line {LAST_RUN.strip()!r}")
    page.write_text(before + heading + "\n" + "\n\n".join(tables) + "\n", encoding="utf-8")


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e6 * seconds:.2g} µs"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.3g}"


def _ratio(yardstick: float | None, row: Timing) -> str:
    return "" if yardstick is None or row.build is None else f"{yardstick / row.solve:.2g}"


def _table(lines: list[list[str]], left: tuple[int, ...]) -> str:
    """A Markdown table, padded so that it reads as it stands; numbers to the right."""
    widths = [max(2, *(len(line[k]) for line in lines)) for k in range(len(lines[0]))]
    rule = ["-" * width if k in left else "-" * (width - 1) + ":" for k, width in enumerate(widths)]
    rows = []
    for line in [lines[0], rule, *lines[1:]]:
        cells = [
            cell.ljust(w) if k in left else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
