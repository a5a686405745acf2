"""reallot token: made once, listed without itself, revoked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.service.access import Tokens


def test_a_token_is_shown_once_and_let_in_until_it_is_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    place = ["--ledger", str(tmp_path)]
    assert main(["token", "list", *place]) == 0
    assert "There are no tokens" in capsys.readouterr().out
    assert main(["token", "new", "phone", "--scope", "act", "--life", "90d", *place]) == 0
    text, told = capsys.readouterr().out.splitlines()
    assert Tokens(tmp_path).caller(text).scope == "act" and "phone may act until" in told
    assert main(["token", "list", *place]) == 0
    listed = capsys.readouterr().out
    assert "phone" in listed and text not in listed
    assert main(["token", "list", "--csv", *place]) == 0
    [head, row] = capsys.readouterr().out.splitlines()
    assert head == "name,scope,made,good_until" and row.startswith("phone,act,") and text not in row
    assert main(["token", "list", "--json", *place]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told["name"] == "phone" and datetime.fromisoformat(told["good_until"]) > datetime.now(UTC)
    assert main(["token", "new", "phone", *place]) == 2
    assert main(["token", "revoke", "phon", *place]) == 2
    assert "did you mean 'phone'?" in capsys.readouterr().err
    assert main(["token", "revoke", "phone", *place]) == 0
    assert Tokens(tmp_path).caller(text) is None
    assert main(["token", "new", *place]) == 2
    assert main(["token", "list", "--ledger", str(tmp_path / "none")]) == 2
