"""The command line: what it prints, its exit codes, and that every error is one clear line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import example as instance
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    EarningsCurve,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    LockIn,
    Price,
    ProtocolSpec,
    allocate,
    explain,
    formulate,
    read_problem,
)
from reallot import __version__ as version
from reallot.cli.main import main
from reallot.cli.plan_text import picture, plan_table, plan_text, price_text, prices_text
from reallot.cli.screen import Screen
from reallot.solvers.programs.pulp_cbc import write
from reallot.text.columns import cells, table
from tests.problem.test_files import EXAMPLE

INFEASIBLE = """
capacity = 0.6
[limits]
held = ["storage", "relay"]
[protocols.storage]
current = 0.4
rate = 1
[protocols.relay]
current = 0.4
rate = 2
"""

PLAIN = Screen()


@pytest.fixture
def example(tmp_path: Path) -> str:
    path = tmp_path / "problem.toml"
    path.write_text(EXAMPLE)
    return str(path)


@pytest.fixture
def infeasible(tmp_path: Path) -> str:
    path = tmp_path / "infeasible.toml"
    path.write_text(INFEASIBLE)
    return str(path)


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "reallot", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
    )


def test_solve_prints_a_table_with_the_reasons_and_the_money(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    # the arithmetic is in test_files: storage 0.4 -> 0.3, compute 0.2 -> 0.3, net 24 * 0.07 - 0.053 = 1.627 USD;
    # 0.053 / 0.07 = 0.757 h until that is earned; one more unit of capacity goes to compute, 1.7 - 0.01 / 24 a unit
    assert main(["solve", example]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[:5] == [
        "         today   plan  change  USD/h  why",
        "storage  0.400  0.300  -0.100  0.900  gives up 0.1 USD/h (1 per unit); costs 0.052 USD",
        "relay    0.400  0.400          0.840  held",
        "compute  0.200  0.300  +0.100  0.510  adds 0.17 USD/h (1.7 per unit); costs 0.001 USD",
        "total    1.000  1.000          2.250",
    ]
    assert "Earns 2.25 USD/h, today 2.18: +0.07 USD/h." in out
    assert "Over 24 h: +1.68 USD earned, 0.053 USD spent on moves, net +1.627 USD." in out
    assert "Paid back after 0.76 h. Turnover 0.10." in out
    assert "  more capacity    1.7\n  releasing relay  0.4004\n" in out
    assert "Solver highs (the exact path declines: a fee per move" in out


def test_json_has_every_key_and_the_numbers_of_the_plan(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", example, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert set(answer) >= {
        "status", "shares", "earnings_per_hour", "improvement_per_hour", "cost", "net_benefit", "turnover", "prices",
        "certificate", "solver", "solver_reason", "reasons",
    }  # fmt: skip
    assert set(answer["certificate"]) >= {"worst_residual", "gap", "bound_from"}
    assert answer["status"] == "optimal"
    assert answer["shares"] == pytest.approx({"storage": 0.3, "relay": 0.4, "compute": 0.3})
    assert answer["net_benefit"] == pytest.approx(1.627)


def test_csv_has_a_row_for_each_protocol_with_all_digits(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", example, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["protocol"] for row in rows] == ["storage", "relay", "compute"]
    assert [float(row["share_plan"]) for row in rows] == pytest.approx([0.3, 0.4, 0.3])
    assert [row["why"] for row in rows][1] == "held"
    assert main(["solve", example, "--csv", "--json"]) == 2


@pytest.mark.parametrize("solver", ["highs", "scipy", "pulp", "pulp:PULP_CBC_CMD"])
def test_every_solver_that_is_named_gives_the_plan(
    solver: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", example, "--json", "--solver", solver]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["net_benefit"] == pytest.approx(1.627)
    assert answer["solver"] == solver
    assert answer["solver_reason"] == "asked for"


def test_an_infeasible_problem_is_exit_3_with_the_conflict(infeasible: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", infeasible]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    message = "held protocols already take 0.80 (storage 0.40, relay 0.40) of capacity 0.60"
    assert err.startswith(f"reallot: no plan meets all rules: {message}; ")
    assert err.count("\n") == 1
    assert main(["solve", infeasible, "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "infeasible"
    assert answer["message"].startswith(message)
    problem = AllocationProblem(
        {"storage": 1, "relay": 2},
        {"storage": 0.4, "relay": 0.4},
        capacity=0.6,
        limits=Limits(held={"storage", "relay"}),
    )
    with pytest.raises(Infeasible) as caught:
        allocate(problem)
    assert caught.value.conflict is not None
    assert answer["conflict"] == json.loads(json.dumps(asdict(caught.value.conflict)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "missing.toml"], "reallot: missing.toml: there is no such file\n"),
        (["solve", "."], "reallot: .: this is a directory; give a .toml or .json file\n"),
        (["explain", "missing.json"], "reallot: missing.json: there is no such file\n"),
        (["solve", "EXAMPLE", "--solver", "hihgs"], "reallot: solver is 'hihgs'; did you mean 'highs'?\n"),
        (["solve", "EXAMPLE", "--solver", "exact"], "reallot: the exact path declines: a fee per move"),
        (["solve", "EXAMPLE", "--write-lp", "a.txt"], "reallot: a.txt ends in '.txt'; write a .lp or .mps file\n"),
        (["solve", "EXAMPLE", "--write-lp", "no/a.lp"], "reallot: no/a.lp: cannot be written: No such file or"),
        (["solve", "EXAMPLE", "--time-limit", "-1"], "'-1' is not a number of seconds above 0\n"),
        (["solve", "EXAMPLE", "--time-limit", "x"], "'x' is not a number of seconds above 0\n"),
        (["solve"], "the following arguments are required: problem\n"),
        ([], "the following arguments are required: COMMAND\n"),
        (["sovle"], "invalid choice: 'sovle'"),
    ],
)
def test_bad_input_is_exit_2_in_words(
    arguments: list[str], message: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([example if word == "EXAMPLE" else word for word in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_bad_input_is_said_in_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "problem.toml"
    path.write_text("horizon_hour = 24")
    assert main(["solve", str(path), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    message = f"{path}: unknown key 'horizon_hour'; did you mean 'horizon_hours'?"
    assert answer == {"status": "invalid", "message": message}


def test_a_solver_that_fails_is_exit_4(
    example: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reallot.program import Solution, Status

    # by its name in sys.modules: `reallot.allocation.allocate` itself is the function
    monkeypatch.setattr(
        sys.modules["reallot.allocation.allocate"],
        "runner",
        lambda *_: lambda _: Solution(Status.FAILED, detail="broken"),
    )
    assert main(["solve", example, "--json"]) == 4
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "failed"
    assert "highs gave no plan" in err


@pytest.mark.parametrize("suffix", ["lp", "mps"])
def test_the_program_can_be_written_and_is_solved_all_the_same(
    suffix: str, example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"program.{suffix}"
    assert main(["solve", example, "--write-lp", str(path)]) == 0
    out, err = capsys.readouterr()
    program = formulate(read_problem(example))
    assert err == f"wrote {path}: {program.column_count} columns, {program.row_count} rows\n"
    assert "share_storage" in path.read_text() and "budget" in path.read_text()
    assert "net +1.627 USD" in out

    import highspy

    model = highspy.Highs()
    model.silent()
    model.readModel(str(path))
    model.run()
    # the file minimises the negative worth: 24 h * 2.25 USD/h - 0.053 USD
    assert model.getObjectiveValue() == pytest.approx(-(24 * 2.25 - 0.053))


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@settings(max_examples=15)
@given(
    first=st.floats(-5.0, 5.0).map(lambda value: round(value, 3)),
    step=st.sampled_from([0.0, 0.25]),
    hours=st.sampled_from([1.0, 24.0]),
)
@instance(first=1.5, step=0.0, hours=1.0)
def test_a_written_program_is_worth_what_the_plan_is_where_curves_begin_above_or_below_0(
    suffix: str, first: float, step: float, hours: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import highspy

    curve = EarningsCurve((0.0, 0.5), (first, first + 1.0), 0.0)
    problem = AllocationProblem(
        [ProtocolSpec("relay", curve, step=step), ProtocolSpec("compute", 1.5)],
        {"relay": 0.0, "compute": 1.0},
        horizon_hours=hours,
    )
    path = tmp_path_factory.getbasetemp() / f"constant.{suffix}"
    write(formulate(problem), path)
    model = highspy.Highs()
    model.silent()
    model.readModel(str(path))
    model.run()
    # half of relay's 1 USD/h and half of compute's 1.5, on top of what relay earns with nothing
    assert model.getObjectiveValue() == pytest.approx(-hours * (first + 1.75), rel=1e-6, abs=1e-6)


def test_a_time_limit_is_handed_on(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", example, "--time-limit", "30"]) == 0
    assert "net +1.627 USD" in capsys.readouterr().out


def test_explain_prints_the_explanation(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", example]) == 0
    assert capsys.readouterr().out == f"{explain(allocate(read_problem(example)), budget_seconds=None)}\n"
    assert main(["explain", example, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [move["protocol"] for move in answer["moves"]] == ["storage", "compute"]


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"reallot {version}\n"


def test_help_imports_no_solver_and_no_pandas() -> None:
    script = (
        "import sys; from reallot.cli.main import main; main(['--help']); main(['solve', '--help']);"
        "print(sorted({'scipy', 'pandas', 'pulp', 'highspy', 'pydantic', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
    assert "exit codes: 0 planned, 2 bad input, 3 no plan meets all rules" in run.stdout


@pytest.mark.slow
def test_exit_codes_reach_the_shell(example: str, infeasible: str) -> None:
    solved, refused = process("solve", example), process("solve", infeasible)
    assert (solved.returncode, solved.stderr) == (0, "")
    assert (refused.returncode, refused.stdout) == (3, "")
    missing = process("solve", "missing.toml")
    assert (missing.returncode, missing.stderr) == (2, "reallot: missing.toml: there is no such file\n")


@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_show_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "problem.toml"
    path.write_text('protocols."größe→\\u001b[31m".rate = 1\nallow_idle = true\n', encoding="utf-8")
    run = process("solve", str(path), PYTHONIOENCODING="ascii")
    assert run.returncode == 0
    assert "gr??e?" in run.stdout or "gr\\xf6" in run.stdout
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("command", [["demo", "--toml"], ["config", "--schema"], ["rules"]])
def test_a_full_disk_under_the_output_is_one_line_and_a_status(command, monkeypatch, capsys) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(command) == 7
    assert re.fullmatch(r"reallot: what it says cannot be written \(.*No space left.*\)\n", capsys.readouterr().err)


def test_a_reader_that_has_gone_is_no_success_and_no_complaint(monkeypatch, capsys) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["config", "--schema"]) == 7
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_an_output_that_is_closed_from_the_start_is_no_trouble(closed, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert main(["config", "--schema"]) == 0
    assert main(["solve", "nowhere.toml"]) == 2
    getattr(sys, closed).close()


@pytest.mark.slow
def test_a_reader_that_stops_early_is_no_traceback(example: str) -> None:
    command = f"{sys.executable} -m reallot demo --toml | head -1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    assert run.stdout.startswith("# One machine")


# The text itself


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Screen.of(Terminal()).color
    assert not Screen.of(io.StringIO()).color
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen.of(Terminal()).color


def test_a_stream_that_knows_ascii_only_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert not Screen.of(stream).unicode
    assert Screen.of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")).unicode
    problem = AllocationProblem({"relay": 2, "compute": 1}, {"relay": 0.5, "compute": 0.5})
    assert plan_text(allocate(problem), PLAIN).isascii()
    assert picture(allocate(problem), PLAIN).isascii()


def test_the_picture_shows_what_is_kept_taken_on_and_given_up() -> None:
    # 10 columns is the least room; the longest bar, 1.0 of relay, fills them
    problem = AllocationProblem({"relay": 2, "compute": 1}, {"relay": 0.5, "compute": 0.5})
    lines = picture(allocate(problem), Screen(width=40)).splitlines()
    assert lines == [
        "relay    #####+++++  0.500 -> 1.000",
        "compute  -----       0.500 -> 0.000",
        "         # kept   + taken on   - given up",
    ]
    assert "█████▓▓▓▓▓" in picture(allocate(problem), Screen(unicode=True, width=40))
    assert "\x1b[32m+++++\x1b[0m" in picture(allocate(problem), Screen(color=True, width=40))


def test_wide_characters_keep_the_columns_straight() -> None:
    assert cells("データ") == 6
    assert table([["データ", "1"], ["relay", "10"]], right=[1]) == "データ   1\nrelay   10"


def test_a_long_reason_is_folded_under_its_column() -> None:
    text = table([["a", "one two three four five six"]], right=(), width=30)
    assert text.splitlines() == ["a  one two three four five six"]
    assert table([["a", "one two three four five six"]], right=(), width=27).splitlines() == [
        "a  one two three four five",
        "   six",
    ]


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (Price(1.7, 1.7), "1.7"),
        (Price(1.0, 1.7), "1 for the next, 1.7 for the last"),
        (Price(float("-inf"), 2.0), "more cannot be used; the last unit is worth 2"),
        (Price(0.5, float("inf")), "0.5; without the last unit no plan is left"),
        (Price(float("-inf"), float("inf")), "cannot be more or less"),
    ],
)
def test_a_price_is_said_in_words(price: Price, words: str) -> None:
    assert price_text(price) == words


@pytest.mark.parametrize(
    ("spec", "share", "limits", "reason"),
    [
        (ProtocolSpec("relay", 5, max_share=0.5), 0.2, Limits(), "full: max_share 0.50"),
        (ProtocolSpec("relay", 5), 0.2, Limits(max_change=0.1), "at max_change 0.10"),
        (ProtocolSpec("relay", 0, min_share=0.1), 0.2, Limits(), "at min_share 0.10"),
        (ProtocolSpec("relay", 0, decrease_floor=0.1), 0.2, Limits(), "at decrease_floor 0.10"),
        (ProtocolSpec("relay", 0, lock_in=LockIn(0.1)), 0.2, Limits(), "locked in at 0.10"),
        (ProtocolSpec("relay", 5, max_share=0.2), 0.2, Limits(), "full: max_share 0.20"),
        (ProtocolSpec("relay", 0, min_share=0.2), 0.2, Limits(), "at min_share 0.20"),
        (ProtocolSpec("relay", 5), 0.2, Limits(held={"relay"}), "held"),
        (ProtocolSpec("relay", 5), 0.2, Limits(held={"relay": 1}), "held"),
        (ProtocolSpec("relay", 1), 0.2, Limits(), "no change pays"),
        (ProtocolSpec("relay", 0), 0.0, Limits(), "not worth starting"),
        (ProtocolSpec("relay", 5), 0.2, Limits(max_moves=0), "not among the best 0 moves"),
        (
            ProtocolSpec("relay", 0.5),
            0.0,
            Limits(groups=(Group("ip", ("relay", "compute"), max_active=1),)),
            "ip allows 1",
        ),
    ],
)
def test_the_table_says_what_stops_each_protocol(spec: ProtocolSpec, share: float, limits: Limits, reason: str) -> None:
    problem = AllocationProblem(
        [spec, ProtocolSpec("compute", 1)], {"relay": share, "compute": 1 - share}, limits=limits
    )
    row = plan_table(allocate(problem), Screen(width=200)).splitlines()[1]
    assert row.startswith("relay ")
    assert row.endswith(reason)


def test_idle_capacity_has_a_row_of_its_own() -> None:
    problem = AllocationProblem({"relay": -1.0}, {"relay": 0.75}, allow_idle=True)
    rows = plan_table(allocate(problem), PLAIN).splitlines()
    assert rows[2].split() == ["(idle)", "0.250", "1.000", "+0.750"]


def test_later_periods_are_shown_as_what_they_are() -> None:
    problem = AllocationProblem(
        [ProtocolSpec("relay", (0.0, 4.0)), ProtocolSpec("compute", 1.0)],
        {"relay": 0.0, "compute": 1.0},
        periods=2,
        limits=Limits(held={"relay": 1}),
    )
    text = plan_text(allocate(problem), PLAIN)
    assert "held until period 1" in text
    assert "only period 0 is meant to be applied" in text
    assert "relay    0.000  1.000" in text


def test_staying_is_said_in_a_sentence() -> None:
    problem = AllocationProblem({"relay": 1, "compute": 1}, {"relay": 0.5, "compute": 0.5})
    text = plan_text(allocate(problem), PLAIN)
    assert "Stay: earns 1 USD/h, and no move that the rules allow is worth more than it costs." in text


def test_limits_that_are_worth_nothing_are_named_together() -> None:
    problem = AllocationProblem(
        {"relay": 1}, {"relay": 0.5}, allow_idle=True, resources={"cpu": 1}, limits=Limits(max_turnover=1)
    )
    text = prices_text(allocate(problem), PLAIN)
    assert "nothing for more turnover, more cpu" in text


def test_a_figure_without_matplotlib_is_a_clear_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["demo", "--toml", "--plot", str(tmp_path / "plan.png")]) == 2
    assert "drawing needs matplotlib: pip install 'reallot[plot]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_figure_is_written_where_matplotlib_is_there(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from reallot.cli.demo import write_plot

    write_plot(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidInput, match="cannot be drawn to"):
        write_plot(tmp_path / "plan.nothing")
