"""reallot check: a configuration tried out, one line for each thing that was looked at."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from ..errors import ConfigurationError
from ..runtime.checkup import Finding, check_config
from ..runtime.config import Config
from ..text.columns import comma_separated
from ..text.numbers import count, share, shown
from .config_file import config_of
from .screen import RED, Screen

WELL, BAD_FILE, TROUBLE = 0, 2, 3


def check(options: argparse.Namespace) -> int:
    """Prints what was found; TROUBLE where anything is wrong, BAD_FILE where the file itself is."""
    try:
        config = config_of(options.config)
    except ConfigurationError as error:
        if options.json or options.csv or len(error.faults) < 2:
            raise
        for fault in error.faults:
            print(f"reallot: {options.config}: {shown(fault)}", file=sys.stderr)
        return BAD_FILE
    found = asyncio.run(check_config(config))
    troubles = [each for each in found if each.trouble]
    if options.json:
        told = {"status": "trouble" if troubles else "well", "mode": config.reallocation.mode.value}
        print(json.dumps({**told, "findings": [asdict(each) for each in found]}, indent=2))
    elif options.csv:
        head = ["place", "adapter", "usd_per_hour", "share", "trouble", "cure", "note"]
        print(comma_separated([head, *([*asdict(each).values()] for each in found)]))
    else:
        print(_text(config, found, len(troubles), Screen.of(sys.stdout)))
    return TROUBLE if troubles else WELL


def _text(config: Config, found: list[Finding], troubles: int, screen: Screen) -> str:
    rows = [["", "adapter", "USD/h", "share", "found"]]
    for each in found:
        earned = "" if each.earnings is None else f"{each.earnings:.3f}"
        rows.append([shown(each.place), each.adapter, earned, share(each.share), _words(each)])
    mode = config.reallocation.mode.value
    if troubles:
        end = f"{screen.paint(count(troubles, 'trouble'), RED)}; nothing was moved (mode {mode})."
    else:
        end = f"All is well; nothing was moved (mode {mode}).\nNext: reallot run {config.source}"
    return f"{screen.table(rows, (2, 3), fold=True)}\n\n{end}"


def _words(found: Finding) -> str:
    if not found.trouble:
        return shown(found.note) or "well"
    end = "" if found.trouble.endswith("?") else "."
    return shown(f"! {found.trouble}{end} Cure: {found.cure}")
