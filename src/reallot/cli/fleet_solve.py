"""reallot fleet solve: one plan for all hosts of a file, with prices, limits that bind, and the largest moves."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..allocation.fleet.allocate import allocate_fleet
from ..allocation.fleet.fleet_files import FleetFile, read_fleet
from ..allocation.fleet.plan import FleetPlan
from ..errors import InvalidInput
from ..problem.validation import number, whole
from ..text.columns import comma_separated
from ..text.numbers import amount, count, shown, usd
from .screen import Screen

MOVES = 100
"""The largest moves that are shown; --csv and --json have all."""
UNREAD = 20
"""Hosts that could not be read, told one by one."""


def fleet(options: argparse.Namespace) -> int:
    """Plans the fleet of a file and prints what matters of it."""
    gap = _number(options.gap, "--gap")
    workers = None if options.workers is None else whole(_number(options.workers, "--workers"), "--workers", 1)
    read = read_fleet(options.fleet, options.limits)
    plan = allocate_fleet(
        read.fleet,
        read.limits,
        gap=gap,
        prices=_prices(options.prices),
        executor=workers,
        progress=True,
        time_limit_seconds=options.time_limit,
    )
    if sys.stderr.isatty():
        sys.stderr.write("\r" + " " * 78 + "\r")
    if options.json:
        print(json.dumps({**plan.to_dict(None), "unread": dict(read.unread)}, indent=2, allow_nan=False))
    elif options.csv:
        print(_csv(plan))
        _tell_unread(read)
    else:
        print(fleet_text(plan, read.unread, Screen.of(sys.stdout)))
    return 0


def _number(text: str, what: str) -> float:
    try:
        return number(float(text), what, 0.0)
    except ValueError:
        raise InvalidInput(f"{what} is {text!r}; it must be a number of at least 0") from None


def fleet_text(plan: FleetPlan, unread: Mapping[str, str], screen: Screen) -> str:
    """The plan for people: what it is worth, shared limits with prices, the largest moves, and who was left out."""
    moving = (
        f"{count(plan.moving_hosts, 'host')} of {len(plan.fleet):,} {'moves' if plan.moving_hosts == 1 else 'move'}"
    )
    bound = f"no plan is worth more than {usd(plan.bound)} USD (gap {plan.gap:.1e})"
    parts = [f"{plan.status}: {moving}, worth {usd(plan.net_benefit)} USD more than staying; {bound}"]
    parts.append(screen.folded(f"{plan.solver}: {plan.solver_reason}"))
    if plan.shared_limits:
        rows = [["shared limit", "used", "limit", "unit", "USD a unit", ""]]
        rows += [
            [
                shown(each.name),
                f"{each.used:.6g}",
                f"{each.limit:.6g}",
                shown(each.unit),
                "" if each.price != each.price else usd(each.price),
                "binds" if each.binds else "",
            ]
            for each in plan.shared_limits
        ]
        parts += ["", screen.table(rows, right=(1, 2, 4))]
    moves = plan.moves(MOVES)
    if moves:
        rows = [["host", "protocol", "now", "plan", "units", "gain USD"]]
        rows += [
            [shown(m.host), shown(m.protocol), amount(m.before), amount(m.after), f"{m.units:.4g}", _gain(m.gain)]
            for m in moves
        ]
        parts += ["", screen.table(rows, right=(2, 3, 4, 5))]
        total = int((plan.shares != plan.fleet.table.current).sum())
        if total > len(moves):
            parts.append(f"and {total - len(moves):,} smaller moves: --csv has all")
    return "\n".join([*parts, *_unread_lines(unread)])


def _gain(gain: float) -> str:
    return "" if gain != gain else usd(gain, sign=True)


def _unread_lines(unread: Mapping[str, str]) -> list[str]:
    if not unread:
        return []
    lines = ["", f"{count(len(unread), 'host')} could not be read and {'is' if len(unread) == 1 else 'are'} left out:"]
    lines += [f"  {shown(host)}: {shown(reason)}" for host, reason in list(unread.items())[:UNREAD]]
    return lines + ([f"  and {len(unread) - UNREAD} more"] if len(unread) > UNREAD else [])


def _tell_unread(read: FleetFile) -> None:
    for line in _unread_lines(read.unread):
        print(line, file=sys.stderr)


def _csv(plan: FleetPlan) -> str:
    """Every host and protocol, as `FleetPlan.to_frame` has them."""
    frame = plan.to_frame()
    return comma_separated([list(frame.columns), *frame.itertuples(index=False, name=None)])


def _prices(path: Path | None) -> dict[str, Any] | None:
    """The prices of an earlier plan, written by --json."""
    if path is None:
        return None
    try:
        prices = json.loads(path.read_text(encoding="utf-8"))["prices"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(f"{path}: no plan of `reallot fleet solve --json` can be read there") from None
    if not isinstance(prices, dict):
        raise InvalidInput(f"{path}: prices is no table; give a plan of `reallot fleet solve --json`")
    return prices
