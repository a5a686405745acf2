"""First readings: an engine that acts waits for several, unless somebody knows what is earned."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.clock import ManualClock
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner
from tests.orchestration.polls import START

TWO = """
[coordinator]
every = "5m"
[reallocation]
mode = "{mode}"
[optimizer]
min_improvement_threshold = 0.001
[protocols.a]
adapter = "replay"
file = "rates.csv"
share = 0.5
{a}
[protocols.b]
adapter = "replay"
file = "rates.csv"
share = 0.5
{b}
"""


class Started:
    """A run over recorded rates, which says nothing of itself in its configuration."""

    def __init__(self, folder: Path, *, mode: str = "automatic", a: str = "", b: str = "", first: float = 6.0) -> None:
        rows = [
            f"{START + timedelta(minutes=5 * n):%Y-%m-%dT%H:%M:%SZ},1.0,{first if n == 0 else 3.0}" for n in range(99)
        ]
        (folder / "rates.csv").write_text("\n".join(["at,a,b", *rows]), encoding="utf-8")
        self.text, self.folder, self.told = TWO.format(mode=mode, a=a, b=b), folder, []

    def polls(self, count: int, ledger: Path | None = None, later: timedelta = timedelta(0)) -> dict[str, float]:
        """Shares after so many polls."""
        config = config_from_text(self.text, folder=self.folder)
        parts = build(config, ledger=ledger, clock=ManualClock(START + later))
        runner, end = Runner(parts, self.told.append), parts.clock.now() + timedelta(minutes=5 * (count - 1))

        async def run() -> dict[str, float]:
            await remember(parts)
            async for result in runner.cycles(asyncio.Event(), end):
                assert result.errors == {}
            self.plan = result.plan
            await parts.close()
            return {name: await each.get_allocation() for name, each in parts.coordinator.adapters.items()}

        return asyncio.run(run())

    def declined(self) -> list[str]:
        return [event.text for event in self.told if event.kind == "declined"]


STILL = {"a": 0.5, "b": 0.5}


def test_a_fresh_engine_that_acts_moves_nothing_before_the_third_reading_and_says_once_why(tmp_path: Path):
    started = Started(tmp_path)
    assert started.polls(2) == STILL
    [told] = started.declined()
    assert told == (
        "did not move: a and b are new, read 1 of the 3 times that it takes before readings move capacity; "
        "set rate under [protocols.NAME] where you know it, or [ledger] path, so that a start remembers readings"
    )
    assert Started(tmp_path).polls(3)["b"] > 0.5


def test_one_that_advises_says_what_it_would_do_at_the_first_reading(tmp_path: Path):
    started = Started(tmp_path, mode="advise")
    assert started.polls(1) == STILL
    assert started.plan.allocation["b"] == pytest.approx(0.7)


def test_readings_in_the_ledger_count_over_restarts(tmp_path: Path):
    started = Started(tmp_path)
    for place in range(2):
        assert started.polls(1, tmp_path / "ledger", timedelta(minutes=5 * place)) == STILL
    assert "[ledger]" not in started.declined()[0]
    assert started.polls(1, tmp_path / "ledger", timedelta(minutes=10))["b"] > 0.5


def test_a_first_reading_near_the_configured_rate_moves_and_one_far_from_it_does_not(tmp_path: Path):
    assert Started(tmp_path, a="rate = 1.1", b="rate = 5.0").polls(1)["b"] == pytest.approx(0.7)
    assert Started(tmp_path, a="rate = 1.1", b="rate = 0.5").polls(1) == STILL


def test_run_once_says_why_it_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    started = Started(tmp_path)
    (tmp_path / "config.toml").write_text(started.text.replace('"automatic"', '"confirm"'), encoding="utf-8")
    assert main(["run", str(tmp_path / "config.toml"), "--once"]) == 0
    assert "are new, read 1 of the 3 times" in capsys.readouterr().out
