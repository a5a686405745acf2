"""A running engine: the shipped example, what is told, what is kept, how it is stopped, and what a restart knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reallot.cli import main

MOVING = """
[optimizer]
min_improvement_threshold = 0.01
[reallocation]
min_hold_duration = "1h"
[monitor]
low_earnings_threshold = 0.01
optimization_threshold = 100.0
[protocols.relay]
adapter = "simulated"
share = 0.6
rate = 1.0
[protocols.compute]
adapter = "simulated"
share = 0.4
rate = 3.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(MOVING)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(each) for each in arguments])
    return code, *capsys.readouterr()


def test_one_cycle_of_the_shipped_example(capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "run", "ten.toml", "--once", "--simulate", "1h")
    assert (code, err) == (0, "")
    assert "10 protocols, polled every 5m, mode automatic" in out
    assert out.count("  moved ") == 1
    assert "total" in out


def test_a_simulated_day_moves_and_says_why_it_was_worth_it(capsys: pytest.CaptureFixture[str], config: Path):
    code, out, err = run(capsys, "run", config, "--simulate", "6h")
    assert (code, err) == (0, "")
    # 0.2 at a time, an hour apart: 0.6 -> 0.4 -> 0.2 -> 0.0
    moves = [line for line in out.splitlines() if "  moved " in line]
    assert [line.split("moved ")[1].split(":")[0] for line in moves] == [
        "relay 0.60 -> 0.40, compute 0.40 -> 0.60",
        "relay 0.40 -> 0.20, compute 0.60 -> 0.80",
        "relay 0.20 -> 0.00, compute 0.80 -> 1.00",
    ]
    assert "by never moving" in out


@pytest.mark.parametrize("mode", ["observe", "advise"])
def test_looking_and_advising_move_nothing(mode: str, capsys: pytest.CaptureFixture[str], config: Path):
    code, out, _ = run(capsys, "run", config, "--simulate", "2h", "--mode", mode)
    assert code == 0
    assert out.count("would move relay") == (1 if mode == "advise" else 0)
    assert "  moved " not in out
    assert "compute  0.400  0.400" in out


def test_the_log_can_be_json_and_nothing_else(capsys: pytest.CaptureFixture[str], config: Path):
    code, out, _ = run(capsys, "run", config, "--simulate", "100m", "--json-log")
    told = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert code == 0
    assert [each["event"] for each in told] == ["start", "move", "move", "end"]
    assert told[1]["move.compute"] == pytest.approx(0.2)
    assert told[1]["time"] == "2026-01-01T00:00:00+00:00"
