"""python -m benchmarks: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import (
    imports,
    models,  # noqa: F401  registers its specs
    report,
    traces,
    whole,
)
from .measure import measure
from .registry import SPECS

COSTS = (0.01, 0.1)
"""Cost of a unit moved, as a part of what a day of the equal split earns."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; 0 where every answer was checked and equal."""
    options = _parser().parse_args(arguments)
    repeats = 1 if options.smoke else options.repeats
    results: dict[str, Sequence[Any]] = {}
    for name in options.only or [*SPECS, "whole", "imports", "traces"]:
        if name == "imports":
            results[name] = imports.measure(1 if options.smoke else 2 * repeats + 1)
            _show("imports: CPU seconds on top of the interpreter", report.imports(results[name]))
        elif name == "whole":
            results[name] = whole.measure(options.smoke, repeats)
            for row in results[name]:
                if row.worst > 1e-9:
                    raise AssertionError(f"{row.what}: objectives differ by {row.worst:.1e} USD")
            _show("whole: microseconds a problem, against linprog called alone", report.whole(results[name]))
        elif name == "traces":
            results[name] = _chains(options.smoke)
            _show("traces: ms per step, all three ways the same objective", report.chains(results[name]))
        else:
            results[name] = measure(SPECS[name], options.smoke, repeats)
            _show(f"{name}: {SPECS[name].about} (ms)", report.timings(results[name]))
    report.write(options.out, results)
    print(f"written to {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    names = [*SPECS, "whole", "imports", "traces"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times decisions by backend and size.")
    parser.add_argument("--smoke", action="store_true", help="the smallest size of everything, once")
    parser.add_argument("--only", action="append", choices=names, help="one group; may be given more than once")
    parser.add_argument("--repeats", type=int, default=7, help="runs after the warm-up; the median counts (7)")
    default = Path(__file__).parent / "results" / "latest.json"
    parser.add_argument("--out", type=Path, default=default, help="where the JSON goes")
    return parser


def _chains(smoke: bool) -> list[traces.ChainResult]:
    if traces.folder() is None:
        print("\ntraces: left out, no data; point REALLOT_TRACES at their folder")
        return []
    loaded = [traces.load(name) for name in traces.NAMES]
    rows = [traces.run(trace, part, 20 if smoke else None) for trace in loaded for part in COSTS]
    for row in rows:
        if row.worst > 1e-9:
            raise AssertionError(f"{row.trace}: objectives differ by {row.worst:.1e} of the scale")
    return rows


def _show(title: str, table: str) -> None:
    print(f"\n## {title}\n\n{table}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
