"""A table has the same content by rich and as plain text, whatever its cells hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reallot import AllocationProblem, allocate
from reallot.cli.plan_text import plan_text
from reallot.cli.screen import Screen
from reallot.text.numbers import shown

pytest.importorskip("rich")
HOSTILE = "[red]x[/red]"
CELL = st.text(max_size=12).map(lambda text: " ".join(shown(text).split()))


def words(text: str) -> list[str]:
    """Everything but colours, rules and blanks."""
    return re.sub(r"\x1b\[[\d;]*m|[─━]{3,}", "", text).split()


@given(st.lists(st.tuples(CELL, CELL, st.text("ab c[]/", max_size=60)), min_size=2, max_size=6), st.booleans())
@example([("", "today", "why"), (HOSTILE, "0.1", "[/] [bold] \\[x] :smile: [link=a]b")], True)
@example([("", "share"[:5], ""), ("データ", "é" * 12, "x " * 30)], False)
@example([("", "", ""), ("", "0" * 38, "[" * 25)], False)
def test_rich_and_plain_tables_hold_the_same_words(rows: list[tuple[str, str, str]], unicode: bool):
    rows = [("", "share", "why"), *rows]  # heads are ours, and short: rich puts a folded one at the bottom
    plain = Screen(unicode, False, 60).table(rows, [1], fold=True)
    rich = Screen(unicode, True, 60).table(rows, [1], fold=True)
    assert words(rich) == words(plain)


@pytest.mark.parametrize("unicode", [True, False])
def test_a_plan_says_the_same_with_and_without_rich(unicode: bool):
    problem = AllocationProblem({HOSTILE: 2, "compute": 1}, {HOSTILE: 0.5, "compute": 0.5})
    plan = allocate(problem)
    plain, rich = (plan_text(plan, Screen(unicode, color, 100)) for color in (False, True))
    assert words(rich) == words(plain)
    assert HOSTILE in plain and HOSTILE in rich


def test_without_rich_a_terminal_gets_plain_text_with_a_bold_head(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reallot.cli.screen.has_rich", lambda: False)
    assert Screen(color=True).table([["a", "b"], [HOSTILE, "2"]], [1]) == f"\x1b[1ma             b\x1b[0m\n{HOSTILE}  2"
