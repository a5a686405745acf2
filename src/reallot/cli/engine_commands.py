"""The commands around a running engine, as the command line takes them: from the first config.toml to the report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput

if TYPE_CHECKING:
    from datetime import timedelta

RUN_CODES = (
    "exit codes: 0 ended, or stopped between two steps or after finishing one; 2 bad input; 3 nothing is possible now; "
    "5 stopped, and the step under way was put back; 6 stopped at once by a second signal: the next start ends it; "
    "7 ended well, but standard output was closed before"
)
CHECK_CODES = "exit codes: 0 all is well; 2 the file cannot be used; 3 something is wrong with what it names"
MODES = ("observe", "advise", "confirm", "automatic")


def late(module: str, name: str = "") -> Callable[[argparse.Namespace], int]:
    """A command of its own file, imported when it is run."""

    def command(options: argparse.Namespace) -> int:
        from importlib import import_module

        run: Callable[[argparse.Namespace], int] = getattr(import_module(f".{module}", __package__), name or module)
        return run(options)

    return command


def add_engine_commands(commands: Any) -> None:
    """Adds them, in the order in which an operator needs them."""
    _add_beginning(commands)
    run = commands.add_parser("run", help="poll, decide, move and watch, as a config.toml says", epilog=RUN_CODES)
    run.set_defaults(command=late("run"))
    run.add_argument("config", type=Path, help="a .toml file; ten_protocols.toml is shipped: ten simulated ones")
    run.add_argument("--once", action="store_true", help="one cycle only")
    run.add_argument("--mode", choices=MODES, help="in place of the file's: how far it goes")
    run.add_argument(
        "--simulate", metavar="LENGTH", type=_length, help="simulated time, such as 24h, as fast as it goes"
    )
    run.add_argument("--ledger", metavar="FOLDER", type=Path, help="in place of the file's")
    run.add_argument(
        "--serve", metavar="HOST:PORT", nargs="?", const="", help="show it in a browser (127.0.0.1:8420); or unix:/PATH"
    )
    run.add_argument("--json-log", action="store_true", help="every change as a line of JSON, and nothing else")
    _add_looking(commands)
    _add_asking(commands)


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """Which ledger is meant, as an option."""
    parser.add_argument("--ledger", metavar="FOLDER", type=Path, help="the ledger's folder (./ledger without it)")


def add_formats(parser: argparse.ArgumentParser, what: str) -> None:
    """`what` as JSON or as CSV in place of a table."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help=f"{what} as JSON")
    formats.add_argument("--csv", action="store_true", help=f"{what} as CSV, units in the first line")


def _add_beginning(commands: Any) -> None:
    """What comes before the first run."""
    init = commands.add_parser("init", help="write a commented config.toml to start from, which only advises")
    init.set_defaults(command=late("init"))
    init.add_argument(
        "config", type=Path, nargs="?", default=Path("config.toml"), help="the file to write (config.toml without it)"
    )

    check = commands.add_parser(
        "check", help="ask every adapter of a config.toml once, and move nothing", epilog=CHECK_CODES
    )
    check.set_defaults(command=late("check"))
    check.add_argument("config", type=Path, help="a .toml file, as reallot run takes it")
    add_formats(check, "what was found")

    config = commands.add_parser("config", help="what a config.toml may say")
    config.set_defaults(command=late("schema"))
    config.add_argument("--schema", action="store_true", required=True, help="as a JSON schema, for editors")


def _add_looking(commands: Any) -> None:
    """What a ledger tells."""
    status = commands.add_parser("status", help="where an engine stands now: shares, earnings, what it waits for")
    status.set_defaults(command=late("status"))
    add_formats(status, "it")

    report = commands.add_parser("report", help="what a period brought, from the ledger")
    report.set_defaults(command=late("report", "report"))
    report.add_argument("--since", metavar="LENGTH", type=_length, default="24h", help="up to the newest reading (24h)")
    add_formats(report, "the report")

    history = commands.add_parser("history", help="every change of a share, from the ledger")
    history.set_defaults(command=late("report", "history"))
    history.add_argument("--since", metavar="LENGTH", type=_length, help="up to the newest reading; all without it")
    add_formats(history, "the changes")
    serve = commands.add_parser("serve", help="the page and the API over a ledger, whether its engine runs or not")
    serve.set_defaults(command=late("serve_ledger", "serve"))
    serve.add_argument("--listen", metavar="HOST:PORT", default="", help="where (127.0.0.1:8420), or unix:/PATH")
    for each in (status, report, history, serve):
        _add_config(each)
        add_ledger(each)


def _add_asking(commands: Any) -> None:
    """What a person may ask of an engine."""
    confirm = commands.add_parser("confirm", help="say yes to the plan that waits")
    confirm.set_defaults(command=late("requests", "confirm"))
    confirm.add_argument("plan", metavar="ID", help="the plan's id, as the log and history show it")

    decline = commands.add_parser("decline", help="say no to the plan that waits, for an hour")
    decline.set_defaults(command=late("requests", "decline"))
    decline.add_argument("plan", metavar="ID", help="the plan's id, as the log and history show it")

    acknowledge = commands.add_parser("acknowledge", help="say that you have seen an alert: what jumped is believed")
    acknowledge.set_defaults(command=late("requests", "acknowledge"))
    acknowledge.add_argument("alert", metavar="NAME", help="the protocol that it is about, or the alert's key")

    pause = commands.add_parser("pause", help="let an engine move nothing until resume; what was begun is ended first")
    pause.set_defaults(command=late("requests", "pause"))

    resume = commands.add_parser("resume", help="let an engine move again, and ask at once what did not answer")
    resume.set_defaults(command=late("requests", "resume"))

    forget = commands.add_parser("forget", help="say that a protocol which is not configured any more has no share")
    forget.set_defaults(command=late("requests", "forget"))
    forget.add_argument("name", metavar="NAME", help="the protocol, as the engine's alert names it")
    for each in (confirm, decline, acknowledge, pause, resume, forget):
        _add_config(each)
        add_ledger(each)

    token = commands.add_parser("token", help="who may look at a served engine, and who may ask it to act")
    token.set_defaults(command=late("token"))
    token.add_argument("does", choices=("new", "list", "revoke"), help="make one, list them, or let one in no more")
    token.add_argument("name", metavar="NAME", nargs="?", help="whose it is, such as phone")
    token.add_argument("--scope", choices=("read", "act"), default="read", help="what it may (read)")
    token.add_argument("--life", metavar="LENGTH", type=_length, help="for how long, such as 90d")
    add_formats(token, "the list")
    add_ledger(token)
    token.add_argument("--config", metavar="FILE", type=Path, help="the config.toml that runs: its ledger is found")

    rollback = commands.add_parser("rollback", help="take back the last plan that was carried out")
    rollback.set_defaults(command=late("requests", "rollback"))
    rollback.add_argument("config", type=Path, nargs="?", help="what runs; with it, done now where no engine runs")
    add_ledger(rollback)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", help="the config.toml that runs: its ledger is found")


def _length(text: str) -> timedelta:
    """A length of time above 0, such as 24h."""
    from ..text.durations import RULE, parse_duration

    try:
        found = parse_duration(text)
    except InvalidInput:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; {RULE}") from None
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all; {RULE}")
    return found
