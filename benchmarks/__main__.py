"""python -m benchmarks: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from reallot.text.progress import Bar

from . import compare, report
from .data_files import write_tables
from .groups import DUELS, GROUPS, Group
from .race import Row

HERE = Path(__file__).parent
FIGURES = "figures"
MEASURED = "measured"
"""Folder of the data files beside the page."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; 0 where every answer was checked and equal."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        earlier = [compare.read(path) for path in options.compare or ()]
    except ValueError as error:
        parser.error(str(error))
    if len(earlier) > 1:
        print(compare.in_words(earlier[0], earlier[1]))
        return 0
    repeats = 1 if options.smoke else options.repeats
    before = report.machine()
    results: dict[str, Sequence[Any]] = {}
    tables: dict[str, str] = {}
    names, bar = _names(options.only), Bar("groups")
    for done, name in enumerate(names):
        bar(done, len(names))
        results[name], text = _run(name, GROUPS[name], options.smoke, repeats)
        tables[name] = text
        print(f"\n{text}", flush=True)
    bar(len(names), len(names))
    reached = ""
    if FIGURES in (options.only or [FIGURES]):
        rows = [row for found in results.values() for row in found if isinstance(row, Row)]
        seeds = {name: group.seeds for name, group in DUELS.items()}
        reached = f"### figures: what was asked for, and what is reached\n\n{report.figures(rows, seeds)}"
        print(f"\n{reached}", flush=True)
    after = report.machine()
    report.write(options.out, after, results)
    print(f"written to {options.out}")
    now = json.loads(options.out.read_text(encoding="utf-8"))
    for each in earlier:
        print(f"\n{compare.in_words(each, now)}")
    if options.page is not None:
        _publish(options.page, report.machine_in_words(before, after), reached, tables)
    return 0


def _publish(page: Path, machine: str, reached: str, tables: Mapping[str, str]) -> None:
    """The figures go on the page, every other table becomes a data file beside it."""
    if reached:
        report.replace_last_run(page, [machine, reached])
    for name, text in tables.items():
        write_tables(page.parent / MEASURED, name, text, machine)
    print(f"figures put into {page}, tables into {page.parent / MEASURED}")


def _names(only: list[str] | None) -> list[str]:
    """The groups to run: all, or those asked for, with those that the figures are taken from."""
    if only is None:
        return list(GROUPS)
    asked = [each for name in only for each in (DUELS if name == FIGURES else [name])]
    return list(dict.fromkeys(asked))


def _run(name: str, group: Group, smoke: bool, repeats: int) -> tuple[Sequence[Any], str]:
    """The rows, and their table with its heading and what there is to say about it."""
    rows = group.measure(smoke, repeats)
    parts = [
        f"### {name}: {group.title}",
        f"{group.drawn.capitalize()}.",
        group.left_out(),
        group.table(rows) if rows else "",
        group.about,
    ]
    return rows, "\n\n".join(part for part in parts if part)


def _parser() -> argparse.ArgumentParser:
    told = {name: group.compares for name, group in GROUPS.items()}
    told[FIGURES] = "the table of figures, from the groups that it needs"
    groups = "\n".join(
        fill(f"{name:<12} {text}", 100, initial_indent="  ", subsequent_indent=15 * " ") for name, text in told.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Times decisions by way and size; every answer is checked against the others before it is timed.",
        epilog=f"what each group compares:\n{groups}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest size of everything, once")
    names = [*GROUPS, FIGURES]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="GROUP", help="one group; may be given more than once"
    )
    parser.add_argument("--repeats", type=int, default=11, help="runs after the warm-up; the median counts (11)")
    default = HERE / "results" / "latest.json"
    parser.add_argument("--out", type=Path, default=default, help="where the JSON goes")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="an earlier run's --out, beside this one; two of them are compared and nothing is run",
    )
    parser.add_argument(
        "--page", type=Path, help="a page whose part 'Last run' gets the figures; tables go to its folder"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
