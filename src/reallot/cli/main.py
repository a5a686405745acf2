"""The command line: decisions, backtests, and all that is around a running engine. One clear line an error."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, Infeasible, InvalidInput, OrchestrationError, SolverFailed
from .engine_commands import add_engine_commands, add_formats, add_ledger, late
from .operator_commands import add_operator_commands

if TYPE_CHECKING:
    from ..allocation.result import Allocation
    from ..problem import AllocationProblem

PLANNED, BAD_INPUT, INFEASIBLE, FAILED, UNWRITTEN = 0, 2, 3, 4, 7

EXIT_CODES = "exit codes: 0 planned, 2 bad input, 3 no plan meets all rules, 4 the solver failed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 planned, 2 bad input, 3 infeasible, 4 solver failed."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the start; so no file of ours gets its number either
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
        if hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _guarded(options)
        sys.stdout.flush()
        return code
    except OSError as error:
        if error.filename is not None:
            raise
        # what is left must not be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader (head, less) that has gone wants to hear no more
            print(f"reallot: what it says cannot be written ({error})", file=sys.stderr)
        return UNWRITTEN
    except KeyboardInterrupt:
        return 130


def _guarded(options: argparse.Namespace) -> int:
    """The command's exit code; the library's errors become one line, and JSON where that was asked for."""
    as_json = getattr(options, "json", False)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except InvalidInput as error:
        return _complain(error, "invalid", BAD_INPUT, as_json)
    except Infeasible as error:
        return _complain(error, "infeasible", INFEASIBLE, as_json)
    except SolverFailed as error:
        return _complain(error, "failed", FAILED, as_json)
    except ConfigurationError as error:
        return _complain(error, "invalid", BAD_INPUT, as_json)
    except OrchestrationError as error:
        return _complain(error, "impossible", INFEASIBLE, as_json)
    except MemoryError:
        return _complain(InvalidInput("the problem does not fit into memory"), "invalid", BAD_INPUT, as_json)


def _complain(error: Exception, status: str, code: int, as_json: bool) -> int:
    from ..text.numbers import shown

    lead = "no plan meets all rules: " if isinstance(error, Infeasible) else ""
    print(f"reallot: {lead}{' '.join(shown(line) for line in str(error).splitlines())}", file=sys.stderr)
    if as_json:
        answer: dict[str, Any] = {"status": status, "message": str(error)}
        if isinstance(error, Infeasible):
            answer["conflict"] = _plain(error.conflict)
        print(json.dumps(answer, indent=2))
    return code


def _plain(value: Any) -> Any:
    """A record as JSON can carry it; an infinite number is None."""
    from dataclasses import asdict, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _solve(options: argparse.Namespace) -> int:
    problem = _read(options)
    if options.write_lp is not None:
        _write_program(problem, options.write_lp)
    plan = _allocate(problem, options)
    if options.json:
        print(plan.to_json())
    elif options.csv:
        from .plan_text import plan_csv

        print(plan_csv(plan))
    else:
        from .plan_text import plan_text
        from .screen import Screen

        print(plan_text(plan, Screen.of(sys.stdout)))
    return PLANNED


def _explain(options: argparse.Namespace) -> int:
    if str(options.problem) == "LAST":
        return late("explain_last", "last")(options)
    if options.ledger is not None or options.plan is not None or options.config is not None:
        raise InvalidInput("a config.toml, --ledger and --plan are for decisions that were made: reallot explain LAST")
    from ..allocation.explain import explain
    from ..allocation.time_budget import PATIENT

    why = explain(_allocate(_read(options), options), budget_seconds=PATIENT)
    print(json.dumps(_plain(why.to_dict()), indent=2) if options.json else why)
    return PLANNED


def _demo(options: argparse.Namespace) -> int:
    from .demo import case, case_text, demo_text, write_plot

    if options.toml:
        print(case_text(), end="")
    elif options.json or options.csv:
        from ..allocation.allocate import allocate
        from .plan_text import plan_csv

        plan = allocate(case())
        print(plan.to_json() if options.json else plan_csv(plan))
    else:
        print(demo_text(sys.stdout))
    if options.plot is not None:
        write_plot(options.plot)
        print(f"wrote {options.plot}", file=sys.stderr)
    return PLANNED


def _read(options: argparse.Namespace) -> AllocationProblem:
    from ..problem.files import read_problem

    return read_problem(options.problem)


def _allocate(problem: AllocationProblem, options: argparse.Namespace) -> Allocation:
    from ..allocation.allocate import allocate

    return allocate(problem, solver=options.solver, time_limit_seconds=options.time_limit)


def _write_program(problem: AllocationProblem, path: Path) -> None:
    from ..formulation import formulate
    from ..solvers.programs import pulp_cbc

    program = formulate(problem)
    try:
        pulp_cbc.write(program, path)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from None
    print(f"wrote {path}: {program.column_count} columns, {program.row_count} rows", file=sys.stderr)


def _seconds(text: str) -> float:
    """A time limit; argparse turns the error into its own message."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with every command and its options."""
    from .. import __version__

    parser = argparse.ArgumentParser(
        prog="reallot",
        description="Decides where shared capacity should earn next: certified, and explained.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"reallot {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    solve = commands.add_parser("solve", help="the best split for a problem in a file", epilog=EXIT_CODES)
    solve.set_defaults(command=_solve)
    _add_problem(solve)
    add_formats(solve, "the plan")
    solve.add_argument("--write-lp", metavar="FILE", type=Path, help="also write the program to a .lp or .mps file")

    explain = commands.add_parser("explain", help="why that split: moves, stays, limits", epilog=EXIT_CODES)
    explain.set_defaults(command=_explain)
    _add_problem(explain, "a .toml or .json file, or LAST: the last decision of an engine, made again")
    explain.add_argument("--json", action="store_true", help="the answer as JSON")
    explain.add_argument("--plan", metavar="ID", help="with LAST: the decision on this plan instead")
    explain.add_argument(
        "config", type=Path, nargs="?", help="with LAST: the config.toml that runs: its ledger is found"
    )
    add_ledger(explain)

    demo = commands.add_parser("demo", help="one real machine: plan, reasons and a picture")
    demo.set_defaults(command=_demo)
    add_formats(demo, "the plan")
    demo.add_argument("--toml", action="store_true", help="print the machine's problem file instead, to start your own")
    demo.add_argument("--plot", metavar="FILE", type=Path, help="also draw it (.png, .svg ...; needs matplotlib)")
    _add_fleet(commands)
    _add_backtest(commands)
    add_engine_commands(commands)
    add_operator_commands(commands)
    return parser


def _add_fleet(commands: Any) -> None:
    """One plan for many hosts."""
    parser = commands.add_parser("fleet", help="one plan for many hosts under shared limits", epilog=EXIT_CODES)
    parser.set_defaults(command=late("fleet_solve", "fleet"))
    parser.add_argument("action", choices=["solve"], help="solve: the best plan for the fleet in a file")
    parser.add_argument(
        "fleet", type=Path, help="a .toml file, or a .parquet or .csv table: a row per host and protocol"
    )
    parser.add_argument("--limits", metavar="FILE", type=Path, help="a .toml file with [limits] and [host_limits]")
    parser.add_argument("--gap", metavar="G", default="1e-6", help="largest gap to the bound, relative (1e-6)")
    parser.add_argument("--prices", metavar="FILE", type=Path, help="begin at the prices of this plan (from --json)")
    parser.add_argument("--workers", metavar="N", help="processes that a large fleet is worked on by")
    parser.add_argument("--time-limit", metavar="SECONDS", type=_seconds, help="stop then, with the best plan found")
    add_formats(parser, "the plan")


def _add_backtest(commands: Any) -> None:
    """Policies over recorded rates."""
    parser = commands.add_parser(
        "backtest",
        help="what policies would have earned over a recorded table of rates",
        epilog="exit codes: 0 run, 2 bad input",
    )
    parser.set_defaults(command=late("backtest"))
    parser.add_argument("trace", type=Path, help="a .csv, .csv.gz or .parquet file: times, then a column of USD/h each")
    parser.add_argument("--signal", metavar="FILE", type=Path, help="what was visible, where that is not what was paid")
    parser.add_argument("--step-hours", metavar="H", help="hours of a step, where the first column holds numbers")
    parser.add_argument(
        "--cost-days", metavar="K", help="cost of moving everything, in days of the mean earnings (0.1 without it)"
    )
    parser.add_argument("--cost-usd", metavar="C", help="the same in USD")
    parser.add_argument("--max-change", metavar="T", default="0.2", help="most that all may move in one step (0.2)")
    parser.add_argument("--hold", metavar="LENGTH", default="0s", help="a share stays so long after a change: 15m, 2h")
    parser.add_argument("--min-confidence", metavar="P", default="0", help="least probability that a step pays (0)")
    parser.add_argument("--policy", metavar="NAME,...", help="which policies; all that are shipped without it")
    for name in ("json", "csv"):
        words = f"also write the figures as {name.upper()}; without FILE, or with -, in place of the table"
        parser.add_argument(f"--{name}", metavar="FILE", dest=f"{name}_file", nargs="?", const="-", help=words)
    parser.add_argument("--plot", metavar="FILE", type=Path, help="also draw it (.png, .svg ...; needs matplotlib)")


def _add_problem(parser: argparse.ArgumentParser, help_text: str = "a .toml or .json file") -> None:
    parser.add_argument("problem", type=Path, help=help_text)
    parser.add_argument(
        "--solver", default="auto", help="auto (default), exact, highs, scipy, pulp, or pulp:NAME for one PuLP knows"
    )
    parser.add_argument("--time-limit", metavar="SECONDS", type=_seconds, help="stop a mixed-integer search then (5 s)")
