"""How much one decision and one cycle run through does not grow."""

from __future__ import annotations

from pathlib import Path

from benchmarks.walk import shown, walks

PAGE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def ceilings():
    """The table on the page: files, named functions and SQL statements by work."""
    lines = PAGE.split("| work | files | named functions | SQL |\n|---|---|---|---|\n")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    return {name: [int(each) for each in counts if each] for name, *counts in cells}


def test_no_walk_is_longer_than_the_page_says():
    allowed, found = ceilings(), walks()
    assert set(allowed) == {each.name for each in found}
    for each in found:
        counts = [count for count in (each.files, each.functions, each.statements) if count is not None]
        assert all(now <= most for now, most in zip(counts, allowed[each.name], strict=True)), shown(found)
