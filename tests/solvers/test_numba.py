"""Compiled kernels: the same splits as NumPy's, proved by their prices; batches the same as well."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, BatchStatus, InvalidInput, Limits, ProtocolSpec, allocate, allocate_many
from reallot.solvers.interface.result import NoFeasibleSplit
from reallot.solvers.kernels.split import Split, split
from reallot.solvers.numba import dispatch
from reallot.solvers.single_period import batch, concave_curves
from tests.solvers.test_batch import rows
from tests.strategies import budget

pytest.importorskip("numba", reason="Numba is not installed: install reallot[fast]")

SLOPE = st.sampled_from([0.0, 1.0, 1.0, 2.0, -1.0, 0.5, 1e3, 1e-3])
EIGHTH = st.integers(0, 8).map(lambda k: k / 8)
NUMBER = st.one_of(EIGHTH, st.integers(0, 10**6).map(lambda k: k / 10**6))
Question = dict[str, Any]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Arguments of `split`: ties, starts outside the box, closed boxes, idle capacity, turnover, orders."""
    size = draw(st.integers(1, 7))

    def numbers(element: st.SearchStrategy[float]) -> np.ndarray:
        return np.array([draw(element) for _ in range(size)])

    share = draw(st.sampled_from([EIGHTH, NUMBER]))
    gain, cost = numbers(SLOPE), numbers(st.sampled_from([0.0, 0.0, 0.25]))
    current, change = numbers(share), draw(share)
    low, high = np.maximum(current - change, 0.0), current + change
    if draw(st.booleans()):
        low, high = np.maximum(low, numbers(st.sampled_from([0.0, 0.125]))), np.minimum(high, numbers(share) + 0.125)
    order = draw(st.permutations(range(size)))
    capacity = float(current.sum()) if draw(st.booleans()) else draw(st.sampled_from([1.0, 0.5, 3.0]))
    question: Question = {
        "buy": gain - cost, "sell": gain + cost, "current": current, "low": low, "high": high, "capacity": capacity,
        "rank": lambda: np.array(order), "idle": draw(st.booleans()),
    }  # fmt: skip
    if draw(st.booleans()):
        question["max_bought"] = question["max_sold"] = draw(share)
    return question


def worth(question: Question, shares: np.ndarray) -> float:
    change = shares - question["current"]
    return float(question["buy"] @ np.maximum(change, 0.0) - question["sell"] @ np.maximum(-change, 0.0))


def bound(question: Question, found: Split) -> float:
    """What no split is worth more than, given the prices: the best of the ends and the kink of each box."""
    assert found.bought >= 0.0 and found.sold >= 0.0 and (found.capacity >= 0.0 or not question.get("idle", False))
    low, high = question["low"], np.maximum(question["low"], question["high"])
    best = np.full(low.shape, -np.inf)
    for share in (low, np.clip(question["current"], low, high), high):
        up, down = np.maximum(share - question["current"], 0.0), np.maximum(question["current"] - share, 0.0)
        net = (question["buy"] - found.bought) * up - (question["sell"] + found.sold) * down - found.capacity * share
        best = np.maximum(best, net)
    limits = [(found.bought, question.get("max_bought", np.inf)), (found.sold, question.get("max_sold", np.inf))]
    return float(best.sum()) + found.capacity * question["capacity"] + sum(p * limit for p, limit in limits if p > 0.0)


def check(question: Question, found: Split) -> None:
    """Feasible to 1e-12, and worth the bound to 1e-12 of the money at stake."""
    shares, unit = found.shares, max(1.0, question["capacity"])
    low, high = question["low"], np.maximum(question["low"], question["high"])
    assert (shares >= low - 1e-12).all() and (shares <= high + 1e-12).all()
    missing = question["capacity"] - float(shares.sum())
    assert missing >= -2e-12 * unit and (question.get("idle", False) or missing <= 2e-12 * unit)
    change = shares - question["current"]
    assert np.maximum(change, 0.0).sum() <= question.get("max_bought", np.inf) + 1e-10
    assert np.maximum(-change, 0.0).sum() <= question.get("max_sold", np.inf) + 1e-10
    scale = max(np.abs(question["buy"]).max(), np.abs(question["sell"]).max(), 1e-300) * unit
    assert bound(question, found) - worth(question, shares) <= 1e-11 * scale


@pytest.mark.slow
@budget(30.0)
@given(question=questions())
def test_a_compiled_split_is_the_one_of_numpy(question: Question) -> None:
    ours, theirs = dispatch.split(**question), split(**question)
    if isinstance(theirs, NoFeasibleSplit):
        assert ours == theirs
        return
    assert isinstance(ours, Split)
    check(question, ours)
    np.testing.assert_allclose(ours.shares, theirs.shares, atol=1e-11)


@budget(5.0)
@given(question=questions(), step=st.sampled_from([1e-6, 1e-3, 0.25]))
def test_the_price_of_capacity_lies_between_its_slopes(question: Question, step: float) -> None:
    found = dispatch.split(**question)
    if isinstance(found, NoFeasibleSplit):
        return
    scale = max(np.abs(question["buy"]).max(), np.abs(question["sell"]).max()) * max(1.0, question["capacity"])
    here = worth(question, found.shares)
    for change in (step, -step):
        moved = dispatch.split(**question | {"capacity": question["capacity"] + change})
        if isinstance(moved, Split):
            # the worth is concave in the capacity, so a price of it is a line above it
            assert worth(question, moved.shares) <= here + found.capacity * change + 1e-11 * scale


def many_protocols(size: int, kind: str) -> Question:
    random = np.random.default_rng(3)
    current = random.dirichlet(np.ones(size))
    gain, room = random.random(size), np.full(size, 4.0 / size)
    if kind == "all equal":
        gain = np.ones(size)
    if kind == "two rates":
        gain = np.where(random.random(size) < 0.5, 1.0, 2.0)
    if kind == "sorted":
        gain = np.sort(gain)
    if kind == "one giant":
        room[size // 3] = 1.0
    low, high = np.maximum(current - room, 0.0), current + room
    if kind == "from nothing":
        low, high, current = np.zeros(size), np.full(size, 1.0), np.zeros(size)
    cost = 0.0 if kind == "all equal" else 0.01
    rank = random.permutation(size)
    return {
        "buy": gain - cost, "sell": gain + cost, "current": current, "low": low, "high": high, "capacity": 1.0,
        "rank": lambda: rank,
    }  # fmt: skip


KINDS = ["random", "all equal", "two rates", "sorted", "one giant", "from nothing"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limits", [{}, {"idle": True}, {"max_bought": 0.01, "max_sold": 0.01}], ids=str)
def test_very_many_protocols_are_split_as_exactly(kind: str, limits: dict[str, Any]) -> None:
    question = many_protocols(120_000, kind) | limits
    ours, theirs = dispatch.split(**question), split(**question)
    if isinstance(theirs, NoFeasibleSplit):
        assert ours == theirs
        return
    assert isinstance(ours, Split)
    check(question, ours)
    assert worth(question, ours.shares) == pytest.approx(worth(question, theirs.shares), abs=1e-12)


@pytest.mark.slow
def test_a_million_equals_go_by_rank() -> None:
    # all at 0, each of at most 2e-6: the half that comes first is filled
    size = 1_000_000
    order = np.random.default_rng(5).permutation(size)
    rank = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size)
    zero, one = np.zeros(size), np.ones(size)
    found = dispatch.split(one, one, zero, zero, np.full(size, 2.0 / size), 1.0, rank=lambda: rank)
    assert isinstance(found, Split) and found.capacity == 1.0
    np.testing.assert_allclose(found.shares[order], np.repeat([2.0 / size, 0.0], size // 2), atol=1e-12)
    assert float(found.shares.sum()) == pytest.approx(1.0, abs=1e-12)


def test_the_order_of_equals_is_asked_only_where_it_matters() -> None:
    def rank() -> np.ndarray:
        raise AssertionError("asked")

    rates, now = np.array([2.0, 1.0, 1.0]), np.array([0.25, 0.25, 0.5])
    found = dispatch.split(rates, rates, now, np.zeros(3), np.ones(3), 1.0, rank=rank)
    assert isinstance(found, Split) and found.shares.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.slow
@budget(4.0)
@given(given=rows())
def test_a_compiled_batch_is_the_one_of_numpy(given: dict[str, np.ndarray]) -> None:
    ours, theirs = allocate_many(**given, solver="numba"), allocate_many(**given, solver="numpy")
    scale = (np.abs(given["rates"]).max(axis=1) + given["move_cost"].max()) * given["horizon_hours"]
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_allclose(ours.shares, theirs.shares, atol=1e-11)
    for field in ("net_benefit", "earnings_per_hour", "cost"):
        apart = np.abs(getattr(ours, field) - getattr(theirs, field))
        assert (apart[ours.status == BatchStatus.OPTIMAL] <= 1e-12 * scale[ours.status == BatchStatus.OPTIMAL]).all()
    np.testing.assert_array_equal(np.isnan(ours.net_benefit), ours.status == BatchStatus.INFEASIBLE)
    np.testing.assert_allclose(ours.capacity_price, theirs.capacity_price, rtol=1e-12, atol=1e-12)
    assert (ours.gap[ours.status == BatchStatus.OPTIMAL] <= 1e-12).all()
    assert (ours.residual[ours.status == BatchStatus.OPTIMAL] <= 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 10, 30, 60])
def test_large_compiled_batches_are_those_of_numpy(size: int) -> None:
    random = np.random.default_rng(size)
    rates, current = random.normal(size=(3000, size)), random.dirichlet(np.ones(size), 3000)
    limits = {"max_change": 0.3, "move_cost": 0.02, "max_turnover": random.random(3000) / 2}
    ours, theirs = (allocate_many(rates, current, **limits, solver=solver) for solver in ("numba", "numpy"))
    np.testing.assert_array_equal(ours.status, BatchStatus.OPTIMAL)
    np.testing.assert_allclose(ours.shares, theirs.shares, atol=1e-12)
    np.testing.assert_allclose(ours.net_benefit, theirs.net_benefit, atol=1e-12)
    np.testing.assert_allclose(ours.capacity_price, theirs.capacity_price, atol=1e-12)


def test_a_batch_is_compiled_once_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"rates": [[2.0, 1.0]] * 50, "current": [[0.5, 0.5]]}
    assert allocate_many(**given, solver="numba").solver_reason == "asked for"
    assert allocate_many(**given).solver_reason == "100 numbers are too few to load compiled code for"
    monkeypatch.setattr(batch, "LOADED_PAYS", 100)
    assert allocate_many(**given).solver_reason == "compiled code is loaded already"
    monkeypatch.setattr(batch, "LOADING_PAYS", 100)
    assert allocate_many(**given).solver_reason == "100 numbers are worth loading compiled code"
    monkeypatch.setattr(dispatch, "available", lambda: False)
    assert allocate_many(**given).solver_reason == "Numba is not installed (extra fast)"
    with pytest.raises(InvalidInput, match=r"Numba is not installed; install reallot\[fast\]"):
        allocate_many(**given, solver="numba")


def test_numba_is_not_loaded_unasked() -> None:
    code = (
        "import sys, reallot; from reallot.solvers.numba import dispatch; dispatch.available();"
        "reallot.allocate_many([[2.0, 1.0]], [[0.5, 0.5]]); print('numba' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("limits", [Limits(max_change=0.01), Limits(max_change=0.01, max_turnover=0.1)])
def test_a_plan_by_compiled_code_is_the_same_and_says_so(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    names = [f"p{i:04d}" for i in range(2_000)]
    specs = [ProtocolSpec(name, rate, move_cost=0.01) for name, rate in zip(names, random.random(2_000), strict=True)]
    current = dict(zip(names, random.dirichlet(np.ones(2_000)), strict=True))
    problem = AllocationProblem(specs, current, limits=limits)
    plans = []
    for least in (10**9, 2_000):
        monkeypatch.setattr(concave_curves, "LARGE", least)
        monkeypatch.setattr(concave_curves, "LOADED", least)
        plans.append(allocate(problem))
    plain, compiled_plan = plans
    assert compiled_plan.solver_reason == f"{plain.solver_reason}; compiled by Numba"
    near = 1e-12 * plain.certificate.scale
    assert compiled_plan.certificate.objective == pytest.approx(plain.certificate.objective, abs=near)
    assert compiled_plan.schedule == pytest.approx(plain.schedule, abs=1e-12)


def test_threads_over_blocks_of_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(8)
    rates, current = random.random((301, 6)), random.dirichlet(np.ones(6), 301)
    answers = []
    for processors in (1, 2, 5):
        monkeypatch.setattr(dispatch, "BLOCK", 40)
        monkeypatch.setattr(dispatch, "_processors", lambda count=processors: count)
        answers.append(allocate_many(rates, current, max_change=0.2, move_cost=0.01, solver="numba"))
    for answer in answers[1:]:
        for name in ("shares", "net_benefit", "capacity_price", "status", "gap"):
            assert (getattr(answer, name) == getattr(answers[0], name)).all()
