"""A sweep is the same table whoever runs it: here, in threads, in processes, or on a Dask cluster."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reallot import InvalidInput, Observation, Setting, backtest, sweep
from tests.backtest.made import rates, table, times

TABLES = {"one": table(rates(1, 48, 3)), "two": table(rates(2, 48, 3))}
VARY = {"cost_days": [0.01, 0.1], "max_turnover": [0.2, 0.5]}
POLICIES = ["ema", "greedy"]


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the one column that is different at every run."""
    return frame.drop(columns="seconds")


@pytest.fixture(scope="module")
def serial() -> pd.DataFrame:
    """The table as one process makes it."""
    return sweep(TABLES, POLICIES, vary=VARY)


def test_a_sweep_has_one_row_for_each_policy_of_each_combination(serial: pd.DataFrame) -> None:
    assert list(serial.columns[:4]) == ["trace", "cost_days", "max_turnover", "policy"]
    assert len(serial) == 2 * 4 * 4
    assert serial["trace"].tolist() == ["one"] * 16 + ["two"] * 16
    assert serial["policy"].tolist() == ["optimum", "never", "ema", "greedy"] * 8
    alone = backtest(TABLES["two"], POLICIES, Setting(cost_days=0.1)).to_frame().reset_index()
    rows = serial[(serial["trace"] == "two") & (serial["cost_days"] == 0.1) & (serial["max_turnover"] == 0.2)]
    pd.testing.assert_frame_equal(
        comparable(rows)[list(comparable(alone).columns)].reset_index(drop=True), comparable(alone)
    )


class Backwards(Executor):
    """Runs the newest first, when the first result is asked for: nothing comes in order."""

    def submit(self, call: Any, /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if args[0].varied == {"cost_days": 0.01, "max_turnover": 0.2}:
            self.first = future, call, args
            return future
        future.set_result(call(*args, **more))
        if args[0].varied == {"cost_days": 0.1, "max_turnover": 0.5}:
            late, call, args = self.first
            late.set_result(call(*args))
        return future


@contextmanager
def here() -> Iterator[Executor]:
    yield Backwards()


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def dask() -> Iterator[Executor]:
    """A cluster of one process more, on loopback, without a dashboard."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'reallot[dask]'")
    import logging

    cluster = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=logging.ERROR,
    )
    with cluster, distributed.Client(cluster) as client:
        yield client.get_executor()


@pytest.mark.slow
@pytest.mark.parametrize("made", [here, threads, processes, dask], ids=["backwards", "threads", "processes", "dask"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_any_executor_gives_the_same_table(made: Any, serial: pd.DataFrame) -> None:
    told: list[tuple[int, int]] = []
    with made() as executor:
        found = sweep(TABLES, POLICIES, vary=VARY, executor=executor, progress=lambda done, of: told.append((done, of)))
    pd.testing.assert_frame_equal(comparable(found), comparable(serial))
    assert told == [(done, 8) for done in range(1, 9)]


class Fails:
    """Fails on what it sees."""

    name = "fails"

    def decide(self, observation: Observation) -> None:
        raise ZeroDivisionError("of its own making")


def test_an_error_in_one_backtest_ends_the_sweep_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError, match="of its own making"):
        sweep(TABLES, Fails())
    with ThreadPoolExecutor(1) as executor, pytest.raises(ZeroDivisionError, match="of its own making"):
        sweep(TABLES, Fails(), executor=executor)


def test_files_are_named_by_their_stem(tmp_path: Path) -> None:
    for name in ("left", "right"):
        pd.DataFrame(rates(1, 24, 2), index=times(24), columns=["a", "b"]).to_csv(tmp_path / f"{name}.csv")
    found = sweep([tmp_path / "left.csv", tmp_path / "right.csv"], "never")
    assert found["trace"].unique().tolist() == ["left", "right"]
    assert sweep(tmp_path / "left.csv", "never")["trace"].unique().tolist() == ["left"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("field", {"vary": {"cost_day": [1.0]}}, "did you mean 'cost_days'"),
    ("values", {"vary": {"cost_days": 0.1}}, "vary cost_days is 0.1; give a list"),
    ("none", {"vary": {"cost_days": []}}, "2 tables and 0 settings"),
    ("value", {"vary": {"cost_days": [-1.0]}}, "cost_days is -1"),
    ("signal", {"signals": {"three": None}}, "signals names 'three'"),
    ("executor", {"executor": 3}, "3 is no executor"),
    ("policy", {"policies": "emma"}, "did you mean 'ema'"),
]


@pytest.mark.parametrize(("given", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_sweep_is_refused_before_anything_runs(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        sweep(TABLES, **given)


class Terminal(io.StringIO):
    """A stream that is a terminal, or is not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_drawn_on_a_terminal_only(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    sweep(TABLES, "never", progress=True)
    drawn = stream.getvalue()
    assert ("1/2 backtests" in drawn and drawn.endswith("\n")) if terminal else drawn == ""
