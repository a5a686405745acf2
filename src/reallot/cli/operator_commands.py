"""The commands of who operates an engine, as the command line takes them: messages, faults, backups, monitoring."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .engine_commands import late

SENT_CODES = "exit codes: 0 every message was sent; 2 bad input; 3 one was not, or perhaps not"


def add_operator_commands(commands: Any) -> None:
    """Adds them."""
    notify = commands.add_parser("notify", help="send a message to each target of [notify]", epilog=SENT_CODES)
    notify.set_defaults(command=late("notify"))
    notify.add_argument("action", choices=["test"], help="test: one message that says that it is a test")
    _add_file(notify)
    notify.add_argument("--json", action="store_true", help="how it went, as JSON")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="the config.toml that runs")
