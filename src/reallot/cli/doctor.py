"""reallot doctor: everything that may be wrong with an installation, a line each, with the command that mends it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from ..errors import ConfigurationError, InvalidInput
from ..runtime.config import Config
from ..service.diagnosis import Complaint, diagnose
from ..service.notify.rules import Notice
from ..service.notify.ways import Arrival, Message, send
from ..text.columns import comma_separated
from ..text.numbers import count, shown
from .config_file import config_of
from .screen import RED, Screen

WELL, WARNED, FAILED = 0, 1, 2


def doctor(options: argparse.Namespace) -> int:
    """Prints what was found; WARNED or FAILED by the worst of it."""
    try:
        config = config_of(options.config)
    except (ConfigurationError, InvalidInput) as error:
        faults = getattr(error, "faults", ()) or (str(error),)
        cure = f"mend it in {options.config}" if options.config.exists() else f"reallot init {options.config}"
        found = [Complaint("fail", "config", fault, cure) for fault in faults]
    else:
        found = asyncio.run(diagnose(config))
        if options.send:
            found += _sent(config)
    levels = [each.level for each in found]
    code = FAILED if "fail" in levels else WARNED if "warn" in levels else WELL
    if options.json:
        told = {"status": ("ok", "warn", "fail")[code], "findings": [asdict(each) for each in found]}
        print(json.dumps(told, indent=2))
        return code
    if options.csv:
        print(comma_separated([["level", "place", "text", "cure"], *([*asdict(each).values()] for each in found)]))
        return code
    screen = Screen.of(sys.stdout)
    for each in found:
        level = screen.paint(each.level, RED) if each.level == "fail" else each.level
        print(f"{level:4}  {shown(each.place)}: {shown(each.text)}" + (f" -> {shown(each.cure)}" if each.cure else ""))
    print(f"\n{_sum(levels)}")
    return code


def _sum(levels: list[str]) -> str:
    if not {"fail", "warn"} & set(levels):
        return "All is well."
    return f"{count(levels.count('fail'), 'fault')}, {count(levels.count('warn'), 'warning')}."


def _sent(config: Config) -> list[Complaint]:
    """A test message to each target."""
    text = f"A test from reallot ({config.source}): messages arrive."
    message = Message("reallot: test", text, (Notice(key="test", kind="alert", text=text, at=datetime.now(UTC)),))
    found = []
    for name, target in config.notify.named().items():
        attempt = send(target, message)
        if attempt.outcome is Arrival.SENT:
            found.append(Complaint("ok", f"[notify] {name}", "a test message was sent"))
        else:
            cure = f"see its address and its log, then: reallot notify test {config.source}"
            found.append(Complaint("fail", f"[notify] {name}", f"no message arrives: {attempt.why}", cure))
    return found
