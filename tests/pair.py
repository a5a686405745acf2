"""Two simulated protocols, as a configuration names them, and the command line as a test calls it."""

from __future__ import annotations

import pytest

from reallot.cli.main import main

PAIR = """
[protocols.relay]
adapter = "simulated"
share = 0.6
rate = 1.0
[protocols.compute]
adapter = "simulated"
share = 0.4
rate = 3.0
"""
"""One share of compute earns what three of relay do."""
CENTS = """
[protocols.a]
adapter = "simulated"
share = 0.6
rate = 0.02
[protocols.b]
adapter = "simulated"
share = 0.4
rate = 0.06
"""
"""The same with other names, for cents an hour."""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([str(each) for each in arguments])
    return code, *capsys.readouterr()
