"""reallot token new, list and revoke: who may look at a served engine, and who may ask it to act."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from ..errors import InvalidInput
from ..service.access import Tokens
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
        rows = [["name", "may", "made (UTC)", "good until (UTC)"]]
        rows += [
            [
                shown(each.name),
                each.scope,
                f"{each.created:%Y-%m-%d %H:%M}",
                "it is revoked" if each.expires is None else f"{each.expires:%Y-%m-%d %H:%M}",
            ]
            for each in tokens.all()
            if each.is_good(now)
        ]
        print(Screen.of(sys.stdout).table(rows) if len(rows) > 1 else "There are no tokens: reallot token new NAME")
    return 0


def _named(options: argparse.Namespace) -> str:
    if options.name is None:
        raise InvalidInput(f"reallot token {options.does} needs a name, such as phone")
    return str(options.name)
