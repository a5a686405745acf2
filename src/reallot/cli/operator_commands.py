"""The commands of who operates an engine, as the command line takes them: messages, faults, backups, monitoring."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .engine_commands import add_formats, add_ledger, late

DOCTOR_CODES = "exit codes: 0 all is well; 1 something should be known; 2 something is wrong"
HEALTH_CODES = "exit codes: 0 the engine is alive; 1 it is not, or does not answer"
SENT_CODES = "exit codes: 0 every message was sent; 2 bad input; 3 one was not, or perhaps not"


def add_operator_commands(commands: Any) -> None:
    """Adds them."""
    notify = commands.add_parser("notify", help="send a message to each target of [notify]", epilog=SENT_CODES)
    notify.set_defaults(command=late("notify"))
    notify.add_argument("action", choices=["test"], help="test: one message that says that it is a test")
    _add_file(notify)
    notify.add_argument("--json", action="store_true", help="how it went, as JSON")

    doctor = commands.add_parser(
        "doctor", help="what is wrong with an installation, and the command that mends it", epilog=DOCTOR_CODES
    )
    doctor.set_defaults(command=late("doctor"))
    _add_file(doctor)
    doctor.add_argument("--send", action="store_true", help="also send a test message to each target of [notify]")
    add_formats(doctor, "what was found")

    backup = commands.add_parser("backup", help="copy a ledger while its engine runs; the copy is a ledger")
    backup.set_defaults(command=late("operators", "backup"))
    backup.add_argument("target", metavar="DIR", type=Path, help="a new folder")
    _add_optional_file(backup)

    health = commands.add_parser("health", help="whether an engine is alive, for containers", epilog=HEALTH_CODES)
    health.set_defaults(command=late("operators", "health"))
    health.add_argument("--url", default="http://127.0.0.1:8420", help="its page (http://127.0.0.1:8420)")
    health.add_argument("config", type=Path, nargs="?", help="the config.toml that runs: its ledger is asked instead")
    add_ledger(health)

    reload = commands.add_parser("reload", help="let the engine read its config.toml again")
    reload.set_defaults(command=late("operators", "reload"))
    _add_file(reload)
    add_ledger(reload)

    mcp = commands.add_parser("mcp", help="an engine that serves, as tools for language models")
    mcp.set_defaults(command=late("mcp"))
    mcp.add_argument("--url", default="http://127.0.0.1:8420", help="where it serves (http://127.0.0.1:8420)")
    words = "variable with the token (REALLOT_TOKEN); without one that may act, nothing can be acted on"
    mcp.add_argument("--token-env", metavar="NAME", default="REALLOT_TOKEN", help=words)

    rules = commands.add_parser("rules", help="print alert rules for Prometheus")
    rules.set_defaults(command=late("monitoring", "rules"))
    board = commands.add_parser("board", help="print a board for Grafana, as JSON")
    board.set_defaults(command=late("monitoring", "board"))


def _add_optional_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", help="the config.toml that runs: its ledger is found")
    add_ledger(parser)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="the config.toml that runs")
