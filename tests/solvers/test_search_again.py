"""A search over whole numbers that goes on from the last one: as good and as strictly proved as from the start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, formulate, session
from reallot.program import Columns, LinearProgram, Rows, cells
from reallot.program.certificate import worst_residual
from reallot.solvers.programs import search_again
from reallot.solvers.programs.branch_and_bound import CLOSE, search
from reallot.solvers.programs.search_again import KeptSearch
from tests.strategies import CHOICES, budget, problems

TOLERANCE = 1e-9


def packing(random: np.random.Generator, size: int = 12, rules: int = 3) -> LinearProgram:
    """Whole numbers from 0 to 2 and as many continuous columns, under a few rules that bind."""
    count = 2 * size
    columns = (
        Columns("whole", range(size), random.uniform(1.0, 3.0, size), np.zeros(size), np.full(size, 2.0), integer=True),
        Columns("part", range(size), random.uniform(0.0, 1.0, size), np.zeros(size), np.ones(size)),
    )
    sizes = random.uniform(0.2, 1.0, (rules, count))
    row, column = np.divmod(np.arange(rules * size), size)
    parts = {
        "whole": cells(row, column, sizes[:, :size].ravel()),
        "part": cells(row, column, sizes[:, size:].ravel()),
    }
    limits = 0.3 * sizes.sum(axis=1)
    return LinearProgram(columns, (Rows("size", range(rules), parts, np.full(rules, -np.inf), limits),))


def agree(kept: KeptSearch, program: LinearProgram) -> int:
    """The worth, proof and end of a search from the start; how many branches were looked into."""
    cold, warm = search(program, None, TOLERANCE), kept(program, None, TOLERANCE)
    assert warm.finished and cold.finished
    assert (warm.values is None) == (cold.values is None)
    if warm.values is not None and cold.values is not None:
        scale = max(float(np.abs(program.gain).max()), abs(program.objective(cold.values)))
        assert abs(program.objective(warm.values) - program.objective(cold.values)) <= 3.0 * CLOSE * scale
        assert abs(warm.bound - program.objective(cold.values)) <= 3.0 * CLOSE * scale
        assert worst_residual(program, warm.values)[0] <= TOLERANCE
    return warm.branches


@pytest.mark.parametrize("most", [search_again.MOST, 0], ids=["boxes", "choices alone"])
@pytest.mark.parametrize("drift", [0.01, 0.3])
def test_other_gains_again_and_again_are_solved_as_from_the_start(
    drift: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_again, "MOST", most)
    random = np.random.default_rng(3)
    program, kept = packing(random, 8), KeptSearch()
    for _ in range(5):
        agree(kept, program)
        gain = program.gain * random.uniform(1.0 - drift, 1.0 + drift, program.gain.size)
        program = program.with_numbers(gain=gain)


@pytest.mark.slow
@budget(2.0)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 0.01, 0.1, 2.0]), st.integers(3, 9))
def test_any_gains_are_solved_as_from_the_start(seed: int, drift: float, size: int) -> None:
    random = np.random.default_rng(seed)
    program, kept = packing(random, size), KeptSearch()
    for _ in range(5):
        agree(kept, program)
        change = random.uniform(-drift, drift, program.gain.size) * (random.random(program.gain.size) < 0.7)
        program = program.with_numbers(gain=program.gain * (1.0 + change))


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_programs_of_every_kind_are_solved_as_from_the_start(kind: str, data: st.DataObject) -> None:
    program, kept = formulate(data.draw(problems(kind, sizes=(1, 3)))), KeptSearch()
    assume(program.is_mixed_integer and (program.lower <= program.upper).all())
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    assume(search(program, None, TOLERANCE).finished)
    for _ in range(3):
        cold, warm = search(program, None, TOLERANCE), kept(program, None, TOLERANCE)
        assume(cold.finished)
        assert (warm.values is None) == (cold.values is None)
        if warm.values is not None and cold.values is not None:
            scale = max(float(np.abs(program.gain).max()), abs(program.objective(cold.values)))
            assert abs(program.objective(warm.values) - program.objective(cold.values)) <= 1e-8 * scale
        program = program.with_numbers(gain=program.gain * random.uniform(0.9, 1.1, program.gain.size))


def test_the_same_gains_need_one_look() -> None:
    program, kept = packing(np.random.default_rng(5)), KeptSearch()
    first = agree(kept, program)
    assert first > 10 and agree(kept, program) == 1
    assert kept.changed == {"gains": 0, "bounds": 0, "limits": 0, "coefficients": 0}


def test_nearly_the_same_gains_need_few() -> None:
    program, kept = packing(np.random.default_rng(5)), KeptSearch()
    first = agree(kept, program)
    gain = program.gain * np.random.default_rng(6).uniform(0.999, 1.001, program.gain.size)
    assert agree(kept, program.with_numbers(gain=gain)) < first


def test_other_limits_keep_the_choices_and_not_the_boxes() -> None:
    program, kept = packing(np.random.default_rng(5), 8), KeptSearch()
    agree(kept, program)
    agree(kept, program.with_numbers(row_upper=1.3 * program.row_upper))
    assert kept.changed is not None and kept.changed["limits"] == 3
    agree(kept, program.with_numbers(row_upper=0.6 * program.row_upper))


def test_another_shape_starts_afresh() -> None:
    kept = KeptSearch()
    agree(kept, packing(np.random.default_rng(5), 8))
    agree(kept, packing(np.random.default_rng(5), 6))
    assert kept.changed is None


def test_a_search_that_was_cut_short_is_no_proof_for_the_next_one() -> None:
    random = np.random.default_rng(7)
    program, kept = packing(random, 10), KeptSearch()
    cut = kept(program, np.zeros(20), TOLERANCE, None, 40)
    assert not cut.finished
    for _ in range(3):
        agree(kept, program)
        program = program.with_numbers(gain=program.gain * random.uniform(0.95, 1.05, 20))


def test_what_has_no_point_has_none_at_other_gains() -> None:
    program, kept = packing(np.random.default_rng(5), 4), KeptSearch()
    empty = program.with_numbers(row_upper=np.full(3, -1.0))
    for factor in (1.0, 1.1):
        found = kept(empty.with_numbers(gain=factor * empty.gain), None, TOLERANCE)
        assert found.finished and found.values is None


def test_a_session_with_counted_moves_looks_into_fewer_branches_each_time() -> None:
    random = np.random.default_rng([1, 10])
    names = [f"p{i}" for i in range(10)]
    rates, shares = random.lognormal(0.7, 0.5, 10), random.dirichlet(np.ones(10))
    problem = AllocationProblem(
        [ProtocolSpec(name, rate, move_cost=0.2) for name, rate in zip(names, rates.tolist(), strict=True)],
        dict(zip(names, shares.tolist(), strict=True)),
        horizon_hours=24.0,
        limits=Limits(max_change=0.2, max_moves=4, min_move=0.02),
    )
    live = session(problem)
    assert live.solve().certificate.bound_from == "branch and bound"
    plan = live.change(rates=dict(zip(names, (rates * random.uniform(0.99, 1.01, 10)).tolist(), strict=True))).solve()
    assert plan.certificate.bound_from == "branch and bound" and plan.certificate.is_optimal
    assert plan.solver_reason == "asked for; HiGHS model kept: 10 gains changed"
