"""reallot token new, list and revoke: who may look at a served engine, and who may ask it to act."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from ..errors import InvalidInput
from ..service.access import Token, Tokens
from ..text.columns import comma_separated
from ..text.numbers import shown
from .config_file import ledger_of
from .screen import Screen


def token(options: argparse.Namespace) -> int:
    """Does one of the three."""
    folder = ledger_of(options)
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no ledger here; reallot run makes one, or give it as --ledger FOLDER")
    tokens, now = Tokens(folder), datetime.now(UTC)
    if options.does == "revoke":
        tokens.revoke(_named(options))
        print(f"Revoked: {shown(options.name)} is let in no more.")
    elif options.does == "new":
        text = tokens.new(options.scope, _named(options), options.life, now)
        until = "" if options.life is None else f" until {now + options.life:%Y-%m-%d %H:%M} UTC"
        print(f"{text}\nIt is shown this once; {shown(options.name)} may {options.scope}{until}.", flush=True)
    else:
        print(_listed([each for each in tokens.all() if each.is_good(now)], options))
    return 0


def _listed(tokens: list[Token], options: argparse.Namespace) -> str:
    """All of them without their words, as a table, CSV or JSON."""
    head, ends = ["name", "scope", "made", "good_until"], [each.expires for each in tokens]
    if options.json or options.csv:
        rows = [
            [each.name, each.scope, each.created.isoformat(), None if end is None else end.isoformat()]
            for each, end in zip(tokens, ends, strict=True)
        ]
        if options.csv:
            return comma_separated([head, *rows])
        return json.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=2)
    if not tokens:
        return "There are no tokens: reallot token new NAME"
    table = [["name", "may", "made (UTC)", "good until (UTC)"]]
    table += [
        [
            shown(each.name),
            each.scope,
            f"{each.created:%Y-%m-%d %H:%M}",
            "it is revoked" if end is None else f"{end:%Y-%m-%d %H:%M}",
        ]
        for each, end in zip(tokens, ends, strict=True)
    ]
    return Screen.of(sys.stdout).table(table)


def _named(options: argparse.Namespace) -> str:
    if options.name is None:
        raise InvalidInput(f"reallot token {options.does} needs a name, such as phone")
    return str(options.name)
