"""python -m benchmarks: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reallot.text.progress import Bar

from . import report
from .groups import DUELS, GROUPS, Group
from .race import Row

HERE = Path(__file__).parent
FIGURES = "figures"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; 0 where every answer was checked and equal."""
    options = _parser().parse_args(arguments)
    repeats = 1 if options.smoke else options.repeats
    before = report.machine()
    results: dict[str, Sequence[Any]] = {}
    tables: list[str] = []
    names, bar = _names(options.only), Bar("groups")
    for done, name in enumerate(names):
        bar(done, len(names))
        results[name], text = _run(name, GROUPS[name], options.smoke, repeats)
        tables.append(text)
        print(f"\n{text}", flush=True)
    bar(len(names), len(names))
    if FIGURES in (options.only or [FIGURES]):
        rows = [row for found in results.values() for row in found if isinstance(row, Row)]
        tables.insert(0, f"### figures: what was asked for, and what is reached\n\n{report.figures(rows)}")
        print(f"\n{tables[0]}", flush=True)
    after = report.machine()
    report.write(options.out, after, results)
    print(f"written to {options.out}")
    if options.page is not None:
        report.replace_last_run(options.page, [report.machine_in_words(before, after), *tables])
        print(f"tables put into {options.page}")
    return 0


def _names(only: list[str] | None) -> list[str]:
    """The groups to run: all, or those asked for, with those that the figures are taken from."""
    if only is None:
        return list(GROUPS)
    asked = [each for name in only for each in (DUELS if name == FIGURES else [name])]
    return list(dict.fromkeys(asked))


def _run(name: str, group: Group, smoke: bool, repeats: int) -> tuple[Sequence[Any], str]:
    """The rows, and their table with its heading and what there is to say about it."""
    rows = group.measure(smoke, repeats)
    parts = [f"### {name}: {group.title}", group.left_out(), group.table(rows) if rows else "", group.about]
    return rows, "\n\n".join(part for part in parts if part)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times decisions, by way and size.")
    parser.add_argument("--smoke", action="store_true", help="the smallest size of everything, once")
    names = [*GROUPS, FIGURES]
    parser.add_argument("--only", action="append", choices=names, help="one group; may be given more than once")
    parser.add_argument("--repeats", type=int, default=11, help="runs after the warm-up; the median counts (11)")
    default = HERE / "results" / "latest.json"
    parser.add_argument("--out", type=Path, default=default, help="where the JSON goes")
    parser.add_argument("--page", type=Path, help="a Markdown page whose part 'Last run' is replaced by the tables")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
