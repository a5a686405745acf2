"""reallot notify test: one message to each target of a config.toml, and how it went."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from ..errors import ConfigurationError
from ..service.notify.rules import Notice
from ..service.notify.ways import Arrival, Message, send
from ..text.numbers import shown
from .config_file import config_of
from .screen import Screen

WELL, TROUBLE = 0, 3


def notify(options: argparse.Namespace) -> int:
    """Sends a test message to every target; TROUBLE where one did not surely arrive."""
    config = config_of(options.config)
    targets = config.notify.named()
    if not targets:
        raise ConfigurationError(
            f"{config.source}: [notify] has no targets; add [[notify.targets]] with url_env or command"
        )
    text = f"A test from reallot ({config.source}): messages arrive."
    notice = Notice(key="test", kind="alert", text=text, at=datetime.now(UTC))
    found = {name: send(each, Message("reallot: test", text, (notice,))) for name, each in targets.items()}
    if options.json:
        print(json.dumps({name: {"outcome": each.outcome.value, "why": each.why} for name, each in found.items()}))
    else:
        rows = [["target", "way", "outcome"]]
        for name, each in found.items():
            way = "command" if targets[name].command is not None else f"${targets[name].url_env}"
            rows.append(
                [shown(name), way, each.outcome.value.replace("_", " ") + (f": {each.why}" if each.why else "")]
            )
        print(Screen.of(sys.stdout).table(rows, (), fold=True))
    return WELL if all(each.outcome is Arrival.SENT for each in found.values()) else TROUBLE
