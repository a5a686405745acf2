"""Measurements as Markdown tables and as JSON with versions and machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .imports import ImportTiming
from .measure import Timing
from .traces import ChainResult
from .whole import WholeTiming

LIBRARIES = ("reallot", "numpy", "scipy", "pandas", "pulp", "highspy")


def machine() -> dict[str, Any]:
    """Versions, processor, cores and the load at the time."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in load],
        "versions": {name: version(name) for name in LIBRARIES},
    }


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


def whole(rows: Sequence[WholeTiming]) -> str:
    """Microseconds a problem, and how many times longer one linprog call takes."""
    lines = [["what", "ours", "linprog alone", "linprog / ours", "worst difference, USD"]]
    lines += [
        [
            row.what,
            f"{1e6 * row.ours:.3g}",
            f"{1e6 * row.linprog:.0f}",
            f"{row.linprog / row.ours:.3g}",
            f"{row.worst:.1e}",
        ]
        for row in rows
    ]
    return _table(lines, left=(0,))


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


def write(path: Path, results: dict[str, Sequence[Any]]) -> None:
    """Everything measured, with the machine, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = {"machine": machine()} | {name: [asdict(row) for row in rows] for name, rows in results.items()}
    path.write_text(json.dumps(payload, indent=1) + "\n", encoding="utf-8")


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
