"""reallot backtest: its table, its JSON, and that every error is one clear line with exit code 2."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from reallot import Limits, Setting, backtest
from reallot.backtest.result import FIGURES
from reallot.cli.main import main
from tests.backtest.made import rates, times


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A file of 48 hours and three alternatives."""
    path = tmp_path / "trace.csv.gz"
    pd.DataFrame(rates(1, 48, 3), index=times(48), columns=["a", "b", "c"]).to_csv(path)
    return str(path)


def test_the_table_shows_the_optimum_never_and_each_policy(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", trace, "--policy", "ema, best-fixed"]) == 0
    printed = capsys.readouterr().out
    assert "trace: 48 steps of 1 h, 3 alternatives; moving everything costs" in printed
    assert [line.split()[0] for line in printed.splitlines()[3:7]] == ["optimum", "never", "best-fixed*", "ema"]
    assert "* is told the whole table before it begins" in printed


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_sees_how_far_it_is_and_standard_output_is_the_same(
    terminal: bool, trace: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["backtest", trace, "--policy", "ema,greedy", "--json", "-"]) == 0
    alone = json.loads(capsys.readouterr().out)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stderr", stream)
    assert main(["backtest", trace, "--policy", "ema,greedy", "--json", "-"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again.keys() == alone.keys()
    seen = stream.getvalue()
    if terminal:
        counted = ["0/4 policies", "1/4 policies", "2/4 policies", "3/4 policies", "4/4 policies"]
        assert [part.split(" ", 1)[1].split(",")[0] for part in seen.split("\r")[1:]] == counted
        assert seen.endswith("\n")
    else:
        assert seen == ""


def test_the_json_is_that_of_the_library_under_the_same_setting(
    trace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--cost-days", "0.02", "--max-change", "0.3", "--hold", "2h", "--policy", "ema,work-function"]
    place = tmp_path / "out.json"
    assert main(["backtest", trace, *options, "--json", str(place)]) == 0
    assert "work-function" in capsys.readouterr().out
    assert main(["backtest", trace, *options, "--json", "-"]) == 0
    written, printed = json.loads(place.read_text()), json.loads(capsys.readouterr().out)
    setting = Setting(limits=Limits(max_turnover=0.3), cost_days=0.02, hold="2h")
    wanted = backtest(trace, ["ema", "work-function"], setting).to_dict()
    assert list(wanted) == ["optimum", "never", "policies"]
    assert list(wanted["optimum"]) == ["net", "bound", "gap", "how"]
    assert tuple(wanted["never"]) == FIGURES == tuple(wanted["policies"]["ema"])
    for answer in (wanted, written, printed):
        for figures in (answer["never"], *answer["policies"].values()):
            assert figures.pop("seconds") >= 0.0
    assert written == printed == wanted


def test_the_csv_has_the_figures_of_the_json(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--csv"], ["--csv", "-"]):
        assert main(["backtest", trace, "--policy", "greedy", "--cost-usd", "1", *option]) == 0
        rows = {row["policy"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
        assert main(["backtest", trace, "--policy", "greedy", "--cost-usd", "1", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert float(rows["greedy"]["net"]) == told["policies"]["greedy"]["net"]
        assert "optimum" in rows
    assert main(["backtest", trace, "--csv", "--json"]) == 2


def test_costs_in_usd_and_an_index_of_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "numbers.csv"
    pd.DataFrame(rates(1, 48, 3), columns=["a", "b", "c"]).to_csv(path)
    options = ["backtest", str(path), "--cost-usd", "1.5", "--policy", "greedy", "--json", "-"]
    assert main([*options, "--step-hours", "24"]) == 0
    figures = json.loads(capsys.readouterr().out)["policies"]["greedy"]
    assert figures["cost"] == pytest.approx(1.5 * figures["moved"], rel=1e-12)
    assert main(options) == 2
    assert "say with step_hours" in capsys.readouterr().err


@pytest.mark.slow
def test_it_draws_where_it_is_asked_to(trace: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    place = tmp_path / "lead.svg"
    assert main(["backtest", trace, "--policy", "ema", "--plot", str(place)]) == 0
    assert "ahead of never moving" in place.read_text() or place.stat().st_size > 1000


ERRORS = [
    (["--policy", "emma"], "no policy 'emma'; did you mean 'ema'?"),
    (["--policy", ","], "no policy is named"),
    (["--policy", "ema,ema"], "two results would be named 'ema'"),
    (["--cost-days", "much"], "--cost-days is 'much'; it must be a number"),
    (["--cost-days", "-1"], "--cost-days is -1; it must be at least 0"),
    (["--cost-days", "1", "--cost-usd", "1"], "say the same thing twice"),
    (["--max-change", "20"], "--max-change is 20; it must be between 0 and 1"),
    (["--hold", "long"], "hold: give a number with its unit"),
    (["--signal", "none.csv"], "none.csv: there is no such file"),
    (["--step-hours", "2"], "1 h apart, step_hours says 2"),
    (["--json", "no/such/folder.json"], "cannot be written"),
    (["--plot", "lead.nothing"], "cannot be drawn to"),
]


@pytest.mark.parametrize(("options", "message"), ERRORS, ids=[" ".join(case[0]) for case in ERRORS])
def test_an_error_is_one_clear_line(
    trace: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--plot" in options:
        pytest.importorskip("matplotlib", reason="drawing needs matplotlib")
    shown = ["backtest", trace, *([] if "--policy" in options else ["--policy", "ema"]), *options]
    assert main(shown) == 2
    error = capsys.readouterr().err
    assert error.startswith("reallot: ") and message in error and error.count("\n") == 1
