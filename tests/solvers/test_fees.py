"""A fixed fee per move, or at most so many moves: exact against every subset of movers and against HiGHS."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    EarningsCurve,
    Group,
    InvalidInput,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    certify,
    formulate,
)
from reallot.formulation import complete
from reallot.problem.objective import value
from reallot.program import LinearProgram, Status
from reallot.program.certificate import gain_scale
from reallot.solvers.backends import solve as solve_program
from reallot.solvers.interface.result import NoFeasibleSplit, SolverResult
from reallot.solvers.single_period import concave_curves, fees
from tests.strategies import budget, rates, shares, staying_allowed

FEES = st.sampled_from([0.0, 0.05, 0.2, 0.2, 1.0, 1e-3])


@st.composite
def problems(draw: st.DrawFn, sizes: tuple[int, int] = (1, 8)) -> AllocationProblem:
    """Fees, limits on moves or both; ties, forced moves, odd starts, holds, floors, tight max change, idle capacity."""
    size = draw(st.integers(*sizes))
    names = [f"p{(7 * i) % size if size % 7 else i}" for i in range(size)]
    idle, tied = draw(st.booleans()), draw(st.booleans())
    weights = [draw(st.integers(0, 6)) for _ in names]
    total = sum(weights) + (draw(st.integers(0, 6)) if idle else 0)
    start = [weight / total if total else 1.0 / size for weight in weights]
    if draw(st.integers(0, 3)) == 0:
        start = [draw(shares()) for _ in names]
    rate, fee, cost = rates(), FEES, st.sampled_from([0.0, 0.0, 0.1, 0.5])
    if tied:
        rate, fee, cost = (st.sampled_from([draw(each), draw(each)]) for each in (rate, fee, cost))
    specs = []
    for name, now in zip(names, start, strict=True):
        bounds: dict[str, object] = {}
        if draw(st.integers(0, 2)) == 0:
            bounds["max_share"] = draw(st.one_of(shares(), st.just(now), st.just(now + 0.1)))
            bounds["min_share"] = min(bounds["max_share"], draw(st.sampled_from([0.0, now / 2, now, now + 0.05])))
        if draw(st.integers(0, 4)) == 0:
            bounds["decrease_floor"] = draw(shares())
        if draw(st.integers(0, 6)) == 0:
            bounds["lock_in"] = LockIn(draw(st.one_of(st.just(now), shares())))
        if draw(st.booleans()):
            bounds["move_cost"] = draw(cost)
        if draw(st.integers(0, 5)) == 0:
            bounds["warm_up_hours"] = 0.25
        specs.append(ProtocolSpec(name, draw(rate), move_fee=draw(fee), **bounds))
    limits = Limits(
        max_change=draw(st.one_of(st.none(), shares(), st.just(1 / size), st.sampled_from([0.05, 0.1, 0.25]))),
        max_moves=draw(st.one_of(st.none(), st.integers(0, size))),
        held=draw(st.one_of(st.just(()), st.just(()), st.sets(st.sampled_from(names)))),
    )
    hours = draw(st.sampled_from([1.0, 24.0]))
    current = dict(zip(names, start, strict=True))
    problem = AllocationProblem(specs, current, limits=limits, allow_idle=idle, horizon_hours=hours)
    return staying_allowed(problem) if draw(st.booleans()) else problem


def scale(program: LinearProgram) -> float:
    return max(gain_scale(program), float(np.finfo(float).tiny))


def best_of_subsets(problem: AllocationProblem) -> float | None:
    """The best over every set of movers, the others held: the exact path without fees, fees taken off."""
    names, limits = problem.names, problem.limits
    free = replace(problem, protocols=[replace(spec, move_fee=0.0) for spec in problem.specs])
    most = len(names) if limits.max_moves is None else min(limits.max_moves, len(names))
    worths = []
    for count in range(most + 1):
        for movers in combinations(names, count):
            held = (set(names) - set(movers)) | set(limits.held)
            found = concave_curves.solve(replace(free, limits=replace(limits, held=held, max_moves=None)))
            if not isinstance(found, NoFeasibleSplit):
                worths.append(value(problem, found.shares[None, :]).net)
    return max(worths) if worths else None


def check(problem: AllocationProblem, answer: SolverResult) -> float:
    """The objective of an answer that meets the program to 1e-9 and reaches its own bound to 1e-11 of scale."""
    program = formulate(problem)
    point = complete(problem, program, answer.schedule)
    certificate = certify(program, point, claimed_bound=answer.bound, gap_tolerance=1e-11)
    assert certificate.is_optimal if answer.status is Status.OPTIMAL else certificate.is_feasible, certificate
    assert answer.bound >= certificate.objective - 1e-13 * certificate.scale
    return certificate.objective


@pytest.mark.slow
@budget(2.0)
@given(problem=problems())
def test_no_subset_of_movers_is_better(problem: AllocationProblem) -> None:
    if fees.why_ineligible(problem) is not None:
        return
    answer, best = fees.solve(problem, compiled=False), best_of_subsets(problem)
    if isinstance(answer, NoFeasibleSplit):
        assert best is None
        return
    assert best is not None
    assert check(problem, answer) == pytest.approx(best, rel=1e-12, abs=1e-12 * scale(formulate(problem)))


@pytest.mark.slow
@budget(0.5)
@given(problem=problems((1, 30)))
def test_highs_gives_the_same_status_and_objective(problem: AllocationProblem) -> None:
    if fees.why_ineligible(problem) is not None:
        return
    program = formulate(problem)
    answer = fees.solve(problem, compiled=False)
    if (program.lower > program.upper).any():
        assert isinstance(answer, NoFeasibleSplit)
        return
    solution = solve_program(program)
    assert isinstance(answer, NoFeasibleSplit) == (solution.status is Status.INFEASIBLE)
    if isinstance(answer, SolverResult):
        objective = program.objective(solution.values)
        near = 1e-9 * max(scale(program), abs(objective))
        assert check(problem, answer) == pytest.approx(objective, rel=0.0, abs=near)


@pytest.mark.slow
@budget(0.5)
@given(problem=problems(), most_branches=st.integers(0, 2))
def test_highs_finishes_what_the_search_does_not(problem: AllocationProblem, most_branches: int) -> None:
    if fees.why_ineligible(problem) is not None:
        return
    answer = fees.solve(problem, most_branches=most_branches, compiled=False)
    whole = fees.solve(problem, compiled=False)
    assert isinstance(answer, NoFeasibleSplit) == isinstance(whole, NoFeasibleSplit)
    if isinstance(answer, SolverResult) and isinstance(whole, SolverResult):
        assert answer.status is Status.OPTIMAL
        program = formulate(problem)
        objective = program.objective(complete(problem, program, answer.schedule))
        near = 1e-9 * max(scale(program), abs(objective))
        assert objective == pytest.approx(check(problem, whole), rel=0.0, abs=near)
        assert answer.bound >= whole.bound - near


def crowd(size: int, max_moves: int | None, seed: int = 0) -> AllocationProblem:
    """Many protocols of much the same worth: rates, fees and widths near each other."""
    random = np.random.default_rng(seed)
    rate, fee = random.uniform(1.0, 3.0, size), random.uniform(0.5, 1.5, size) * 0.3 / size
    specs = [
        ProtocolSpec(f"p{i}", r, move_fee=f, move_cost=0.05)
        for i, (r, f) in enumerate(zip(rate.tolist(), fee.tolist(), strict=True))
    ]
    current = {spec.name: 1.0 / size for spec in specs}
    widths = {spec.name: width for spec, width in zip(specs, random.uniform(0.2, 1.0, size) / size, strict=True)}
    return AllocationProblem(specs, current, limits=Limits(max_change=widths, max_moves=max_moves))


def test_the_answer_says_who_finished() -> None:
    problem = crowd(40, 15)
    searched, handed = fees.solve(problem, compiled=False), fees.solve(problem, most_branches=1, compiled=False)
    assert isinstance(searched, SolverResult) and isinstance(handed, SolverResult)
    assert searched.detail.startswith("search finished: ")
    assert handed.detail.startswith("search given up after ")
    assert handed.detail.endswith("1 branch searched; HiGHS finished from the best of them")
    assert value(problem, handed.schedule).net == pytest.approx(value(problem, searched.schedule).net, rel=1e-12)
    assert int((handed.schedule[0] != problem.arrays.current).sum()) <= 15


@pytest.mark.slow
@budget(0.5)
@given(problem=problems((1, 30)))
def test_compiled_the_path_gives_the_same_answer(problem: AllocationProblem) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    if fees.why_ineligible(problem) is not None:
        return
    plain, compiled = fees.solve(problem, compiled=False), fees.solve(problem, compiled=True)
    assert type(plain) is type(compiled)
    if isinstance(plain, SolverResult) and isinstance(compiled, SolverResult):
        near = 1e-12 * max(scale(formulate(problem)), abs(plain.bound))
        assert check(problem, compiled) == pytest.approx(check(problem, plain), rel=0.0, abs=near)
        assert compiled.detail.endswith(", compiled")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("max_moves", [None, 10, 50])
def test_compiled_a_crowd_gives_the_same_answer(max_moves: int | None, seed: int) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    problem = crowd(200, max_moves, seed)
    plain, compiled = fees.solve(problem, compiled=False), fees.solve(problem, compiled=True)
    assert isinstance(plain, SolverResult) and isinstance(compiled, SolverResult)
    assert compiled.schedule.tolist() == plain.schedule.tolist()
    assert compiled.detail.startswith("search finished: ") and compiled.detail.endswith(", compiled")


@pytest.mark.slow
def test_a_search_that_takes_longer_than_loading_goes_on_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    problem = crowd(200, 10)
    plain = fees.solve(problem, compiled=False)
    monkeypatch.setattr(fees, "is_loaded", lambda _: False)
    monkeypatch.setattr(fees, "LOADING", 0.0)
    late = fees.solve(problem)
    assert isinstance(plain, SolverResult) and isinstance(late, SolverResult)
    assert late.schedule.tolist() == plain.schedule.tolist()
    assert late.detail == f"{plain.detail}, compiled"


@pytest.mark.slow
def test_compiled_the_search_goes_on_from_a_plain_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    from reallot.solvers.numba import fees as fees_compiled

    problem = crowd(200, 10)
    monkeypatch.setattr(fees_compiled, "task", lambda problem: None)
    plain, compiled = fees.solve(problem, compiled=False), fees.solve(problem, compiled=True)
    assert isinstance(plain, SolverResult) and isinstance(compiled, SolverResult)
    assert compiled.schedule.tolist() == plain.schedule.tolist()
    assert compiled.detail == f"{plain.detail}, compiled"


def test_without_time_the_best_set_comes_with_its_bound() -> None:
    problem = crowd(40, 15)
    stopped, best = fees.solve(problem, time_limit_seconds=0.0, compiled=False), fees.solve(problem)
    assert isinstance(stopped, SolverResult) and isinstance(best, SolverResult)
    assert stopped.status is Status.STOPPED
    assert stopped.detail.endswith("0 branches searched; no time left for HiGHS")
    assert value(problem, stopped.schedule).net <= best.bound <= stopped.bound


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_the_search_stops_near_its_time_limit(compiled: bool) -> None:
    if compiled:
        pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
        fees.solve(crowd(40, 15), compiled=True)  # loads it
    problem = crowd(2_000, 100)
    problem.trade_segments  # noqa: B018  laid out before the clock starts
    started = perf_counter()
    answer = fees.solve(problem, time_limit_seconds=0.1, compiled=compiled, most_branches=10**9)
    assert perf_counter() - started < 30.0  # without a limit it takes hours
    assert isinstance(answer, SolverResult)
    assert check(problem, answer) <= answer.bound


@pytest.mark.parametrize("max_moves", [None, 50])
def test_a_crowd_of_200_is_finished_by_the_search(max_moves: int | None) -> None:
    answer = fees.solve(crowd(200, max_moves), compiled=False)
    assert isinstance(answer, SolverResult) and answer.detail.startswith("search finished: ")


def test_equal_protocols_are_not_told_apart_one_by_one() -> None:
    # 40 alike, each may take 0.01 more; nothing else can give but four at 0.07 each: 28 moves of 40, any of them
    specs = [ProtocolSpec(f"taker{i}", 2.0, move_fee=0.001, max_share=0.01) for i in range(40)]
    specs += [ProtocolSpec(f"giver{i}", 1.0, move_fee=0.01, min_share=0.18) for i in range(4)]
    current = {spec.name: 0.25 if spec.name.startswith("giver") else 0.0 for spec in specs}
    answer = fees.solve(AllocationProblem(specs, current), compiled=False)
    assert isinstance(answer, SolverResult)
    assert answer.bound == pytest.approx(1.0 + 0.28 - 28 * 0.001 - 4 * 0.01)
    assert answer.detail.startswith("search finished: ")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("max_moves", [None, 3])
def test_of_protocols_alike_the_first_by_name_move(max_moves: int | None, compiled: bool) -> None:
    # 0.3 from the giver, at most 0.1 for each taker: three of five take, with 3 moves in all two
    if compiled:
        pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    names = ["e", "c", "a", "d", "b"]
    specs = [ProtocolSpec(name, 2.0, move_fee=0.01, max_share=0.1) for name in names]
    specs += [ProtocolSpec("giver", 1.0, move_fee=0.01, min_share=0.7)]
    current = {**dict.fromkeys(names, 0.0), "giver": 1.0}
    problem = AllocationProblem(specs, current, limits=Limits(max_moves=max_moves))
    answer = fees.solve(problem, compiled=compiled)
    assert isinstance(answer, SolverResult)
    moved = {name for name, share in zip(names, answer.schedule[0].tolist(), strict=False) if share > 0.0}
    assert moved == ({"a", "b", "c"} if max_moves is None else {"a", "b"})


def test_a_forced_move_counts_and_pays_and_is_free_from_then_on() -> None:
    # storage must come down to 0.3: one move and its fee. What it frees goes to relay, the one other move; relay earns
    # more, so that storage gives all it may, down to its 0.1
    specs = [
        ProtocolSpec("relay", 2.0, move_fee=0.1),
        ProtocolSpec("compute", 1.9, move_fee=0.0),
        ProtocolSpec("storage", 1.0, min_share=0.1, max_share=0.3, move_fee=0.2),
    ]
    current = {"relay": 0.2, "compute": 0.2, "storage": 0.6}
    problem = AllocationProblem(specs, current, limits=Limits(max_moves=2))
    answer = fees.solve(problem)
    assert isinstance(answer, SolverResult)
    assert answer.schedule[0] == pytest.approx([0.2, 0.7, 0.1])
    assert answer.bound == pytest.approx(0.4 + 1.33 + 0.1 - 0.2)
    one = fees.solve(replace(problem, limits=Limits(max_moves=1)))
    assert isinstance(one, NoFeasibleSplit)
    none = fees.solve(replace(problem, limits=Limits(max_moves=0)))
    assert none == NoFeasibleSplit("bounds force 1 moves, more than max_moves 0")


def test_a_set_that_leaves_capacity_idle_has_the_price_nothing() -> None:
    # compute takes the idle 2/3: 24 * 0.4 * 2/3 - 0.2 = 6.2 more than the 3.2 of staying; relay would pay 0.1 per unit
    specs = [ProtocolSpec("relay", 0.4, move_cost=0.1, move_fee=0.2), ProtocolSpec("compute", 0.4, move_fee=0.2)]
    problem = AllocationProblem(specs, {"relay": 1 / 3, "compute": 0.0}, allow_idle=True, horizon_hours=24)
    answer = fees.solve(problem, compiled=False)
    assert isinstance(answer, SolverResult)
    assert answer.bound == pytest.approx(9.4)


def test_what_the_path_does_not_take_it_declines_in_words() -> None:
    relay, compute = ProtocolSpec("relay", 2.0, move_fee=0.1), ProtocolSpec("compute", 1.0, max_share=1.0)
    current = {"relay": 0.5, "compute": 0.5}
    problem = AllocationProblem([relay, compute], current)
    assert fees.why_ineligible(problem) is None
    bent = EarningsCurve.through([(0, 0), (0.5, 1)])
    for other, word in (
        (replace(problem, protocols=[replace(relay, move_fee=0.0), compute]), "no fee"),
        (replace(problem, periods=2), "periods"),
        (replace(problem, limits=Limits(max_turnover=0.1)), "turnover"),
        (replace(problem, limits=Limits(min_move=0.1)), "min_move"),
        (replace(problem, limits=Limits(groups=(Group("both", ("relay",), max_share=0.5),))), "group both"),
        (replace(problem, protocols=[relay, replace(compute, curve=bent)]), "compute bend"),
        (replace(problem, protocols=[relay, replace(compute, step=0.25)]), "units"),
        (replace(problem, risk=RateUncertainty(0.1, 1.0)), "uncertainty"),
    ):
        assert word in (fees.why_ineligible(other) or "")
        with pytest.raises(InvalidInput, match="the fee path declines"):
            fees.solve(other)
