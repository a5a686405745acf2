"""Runs beside each other, tables as data files, and what --help says of the groups."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.__main__ import main
from benchmarks.data_files import parts, write_tables
from benchmarks.groups import GROUPS

ROOT = Path(__file__).resolve().parents[2] / "benchmarks"


def run_of(ours: float, theirs: float, *, processor: str = "one") -> dict[str, Any]:
    """What --out writes of a run with one race and one growth row."""
    race = {
        "group": "kernel",
        "size": "n = 20",
        "ours": {"name": "NumPy", "seconds": ours, "difference": 0.0},
        "theirs": {"name": "linprog", "seconds": theirs, "difference": 0.0},
        "ratio": theirs / ours,
    }
    growth = {"what": "kernel, NumPy", "size": 10, "seconds": ours}
    return {"machine": {"processor": processor, "cores": 2}, "kernel": [race], "growth": [growth]}


def test_a_slower_run_is_told_by_how_much_and_a_lower_ratio_is_worse() -> None:
    found = {(each.group, each.figure): each for each in compare.changes(run_of(1.0, 6.0), run_of(2.0, 6.0))}
    assert set(found) == {("kernel", "seconds"), ("kernel", "ratio"), ("growth", "seconds")}
    assert all(each.times == pytest.approx(2.0) for each in found.values())
    assert found["kernel", "ratio"].what == "NumPy, linprog, n = 20"


def test_the_slowest_change_comes_first() -> None:
    before, now = run_of(1.0, 6.0), run_of(1.0, 6.0)
    now["growth"][0]["seconds"] = 3.0
    assert [each.group for each in compare.changes(before, now)] == ["growth", "kernel", "kernel"]


def test_another_machine_is_named() -> None:
    assert "differ in processor: compare ratios" in compare.in_words(run_of(1.0, 2.0), run_of(1.0, 2.0, processor="b"))
    assert "differ in" not in compare.in_words(run_of(1.0, 2.0), run_of(1.0, 2.0))


def test_rows_that_one_run_lacks_are_not_compared() -> None:
    assert compare.in_words(run_of(1.0, 2.0), {"machine": {}}) == "### compare: no figure is in both runs"


def test_two_files_are_compared_and_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, seconds in zip(paths, (1.0, 1.5), strict=True):
        path.write_text(json.dumps(run_of(seconds, 6.0)), encoding="utf-8")
    assert main(["--compare", *map(str, paths)]) == 0
    assert "| growth | kernel, NumPy, 10 | seconds | 1 | 1.5 | 1.50 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"), [("[]", "no part 'machine'"), ("{", "is not JSON"), (None, "cannot be read")]
)
def test_another_file_is_refused_before_anything_runs(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--compare", str(path)])
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_compared_with_an_earlier_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert main(["--smoke", "--only", "whole", "--out", str(old)]) == 0
    assert main(["--smoke", "--only", "whole", "--out", str(new), "--compare", str(old)]) == 0
    assert "| whole | allocate(), linprog, n = 20 | ratio |" in capsys.readouterr().out


def test_help_says_what_each_group_compares_and_its_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, group in GROUPS.items():
        assert f"{name} {group.compares}" in said
        assert group.drawn in said


def test_tables_of_a_group_become_files_with_what_is_said_about_them(tmp_path: Path) -> None:
    (tmp_path / "kernel_9.csv").write_text("old\n", encoding="utf-8")
    text = "### kernel\n\n| a | b |\n|---|---:|\n| x, y | 1 |\n\nAbout it.\n\n| c |\n| --- |\n| 2 |\n\nThe end."
    written = write_tables(tmp_path, "kernel", text, "Measured.")
    assert sorted(tmp_path.iterdir()) == written == [tmp_path / "kernel_1.csv", tmp_path / "kernel_2.csv"]
    assert written[0].read_text(encoding="utf-8") == '# Measured.\n# ### kernel\na,b\n"x, y",1\n'
    assert written[1].read_text(encoding="utf-8") == "# Measured.\n# About it.\n# The end.\nc\n2\n"


def test_text_without_a_table_has_no_parts() -> None:
    assert parts("nothing here\n\n- a list") == []


def test_the_page_has_one_table_and_the_files_hold_the_others() -> None:
    assert len(parts((ROOT / "README.md").read_text(encoding="utf-8"))) == 1
    files = sorted((ROOT / "measured").glob("*.csv"))
    assert {path.stem.rstrip("_0123456789") for path in files} <= set(GROUPS)
    assert len(files) > 10
    for path in files:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        head, *rows = csv.reader(lines)
        assert rows and all(len(row) == len(head) for row in rows), path.name
