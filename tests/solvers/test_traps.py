"""Traps that general solvers set for this kind of problem: with our cure, and what happens without it.

Two more have their tests elsewhere: an arbitrary vertex and arbitrary prices among ties (test_ties, test_prices), and
libraries that are slow to import or do not go together (test_architecture). A stable sort is slow but not wrong.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest

from reallot import (
    AllocationProblem,
    Limits,
    LinearProgram,
    ProtocolSpec,
    SolverFailed,
    Status,
    allocate,
    certify,
    formulate,
)
from reallot.formulation import complete
from reallot.program import Columns, Rows, cells
from reallot.solvers import BACKENDS
from reallot.solvers.programs import highs
from reallot.solvers.programs.highs import HighsModel


def spread(rates: np.ndarray, max_change: float) -> AllocationProblem:
    """Equal shares of capacity 1 over protocols with these rates (USD/h)."""
    names = [f"p{i:03d}" for i in range(rates.size)]
    current = dict.fromkeys(names, 1.0 / rates.size)
    return AllocationProblem(
        dict(zip(names, rates.tolist(), strict=True)), current, limits=Limits(max_change=max_change)
    )


def gain_of(problem: AllocationProblem, program: LinearProgram, values: np.ndarray) -> float:
    """What the point is worth more than staying, USD over the horizon."""
    stay = complete(problem, program, problem.arrays.current[None, :])
    return program.objective(values) - program.objective(stay)


def set_without(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """HiGHS keeps its own value of these options."""
    honest = HighsModel._set
    monkeypatch.setattr(
        HighsModel, "_set", lambda model, option, value: None if option in options else honest(model, option, value)
    )


# rates in small units: HiGHS's tolerances are absolute, 1e-9 at best as we set them


def test_tiny_rates_lose_no_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    # USD/h per kB, say: rates near 7e-9 that differ by 1 %
    problem = spread(1e-9 * (7.0 + 0.1 * np.random.default_rng(0).uniform(size=40)), max_change=0.5 / 40)
    program = formulate(problem)
    best = allocate(problem, solver="exact").net_benefit
    assert gain_of(problem, program, HighsModel(program).solve().values) == pytest.approx(best, rel=1e-9)
    monkeypatch.setattr(highs, "scale_of", lambda *_: 1.0)
    unscaled = HighsModel(program).solve()
    assert unscaled.status is Status.OPTIMAL
    assert gain_of(problem, program, unscaled.values) < (1.0 - 1e-4) * best


# one row over all columns: presolve compares every pair of its parallel columns


def one_row(count: int) -> LinearProgram:
    columns = Columns("x", range(count), np.linspace(1.0, 2.0, count), np.zeros(count), np.ones(count))
    total = {"x": cells(0, np.arange(count), 1.0)}
    return LinearProgram((columns,), (Rows("sum", ("",), total, np.array([3.5]), np.array([3.5])),))


def test_one_dense_row_is_not_presolved(monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = highspy.HighsPresolveStatus.kNotPresolved
    model = HighsModel(one_row(500))
    solution = model.solve()
    assert model.highs.getOptionValue("presolve")[1] == "off" and model.highs.getModelPresolveStatus() == skipped
    top = np.linspace(1.0, 2.0, 500)[-4:]
    assert model.program.objective(solution.values) == pytest.approx(top[1:].sum() + 0.5 * top[0])
    monkeypatch.setattr(highs, "_one_dense_row", lambda program: False)
    without = HighsModel(one_row(500))
    without.solve()
    assert without.highs.getModelPresolveStatus() != skipped


def test_other_programs_are_presolved() -> None:
    model = HighsModel(formulate(spread(np.linspace(1.0, 2.0, 60), max_change=0.01)))
    assert model.highs.getOptionValue("presolve")[1] == "choose"


# CBC hands its answer over in a file with eight significant digits


def test_cbcs_eight_digits_are_certified_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    current = np.random.default_rng(1).dirichlet(np.ones(20))
    problem = replace(
        spread(np.random.default_rng(2).uniform(1.0, 2.0, 20), max_change=1 / 3),
        current={f"p{i:03d}": float(share) for i, share in enumerate(current)},
        capacity=float(current.sum()),
    )
    plan = allocate(problem, solver="pulp")
    assert plan.certificate.tolerance == plan.certificate.gap_tolerance == 1e-6 and plan.certificate.is_optimal
    point = complete(problem, plan.program, plan.schedule)
    assert plan.certificate.worst_residual > 1e-9 and not certify(plan.program, point, tolerance=1e-9).is_feasible
    assert allocate(problem, solver="highs").certificate.worst_residual < 1e-12
    monkeypatch.setitem(BACKENDS, "pulp", replace(BACKENDS["pulp"], tolerance=1e-9))
    with pytest.raises(SolverFailed, match="fails its certificate"):
        allocate(problem, solver="pulp")


# a status other than optimal may come with a good point and with prices that mean nothing


class Saying:
    """HiGHS that calls every answer `status`; all else is HiGHS's own."""

    def __init__(self, honest: Any, status: Any) -> None:
        self.honest, self.status, self.runs = honest, status, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.honest, name)

    def getModelStatus(self) -> Any:  # noqa: N802 - HiGHS's own name
        self.runs += 1
        return self.status


@pytest.mark.parametrize("status", ["kUnknown", "kNotset", "kSolveError", "kObjectiveBound"])
def test_an_answer_that_is_not_called_optimal_is_none(status: str) -> None:
    model = HighsModel(formulate(spread(np.array([1.0, 2.0]), max_change=0.1)))
    model.highs = Saying(model.highs, getattr(highspy.HighsModelStatus, status))
    solution = model.solve()
    assert solution.status is Status.FAILED and solution.values is None and solution.row_prices is None
    # an unknown outcome gets a second look, from scratch and without presolve
    assert model.highs.runs == (2 if status == "kUnknown" else 1)


def test_a_search_that_was_stopped_proves_nothing_by_its_prices() -> None:
    problem = spread(np.random.default_rng(0).uniform(1.0, 2.0, 100), max_change=0.01)
    program = formulate(problem)
    model = HighsModel(program)
    for option, value in (("simplex_strategy", 4), ("presolve", "off"), ("simplex_iteration_limit", 110)):
        model._set(option, value)
    stopped = model.solve()
    assert stopped.status is Status.STOPPED
    certificate = certify(program, stopped.values, stopped.row_prices)
    best = allocate(problem, solver="exact").certificate.objective
    # its prices are good for a bound that holds, and for no more than that
    assert certificate.objective < best <= certificate.bound and not certificate.is_optimal


# HiGHS answers a refused option or change with a value that is easily overlooked, and goes on: solver="hipo" where it
# is not part of the build, for one


@pytest.mark.parametrize(("option", "value"), [("solver", "no such"), ("presolve", "perhaps"), ("mip_rel_gapp", 0.0)])
def test_a_refused_option_is_an_error(option: str, value: object) -> None:
    model = HighsModel(one_row(5))
    with pytest.raises(SolverFailed, match=f"HiGHS refused the option {option}"):
        model._set(option, value)
    # HiGHS itself keeps what it had, runs, and calls the answer optimal
    quiet = HighsModel(one_row(5)).highs
    assert quiet.setOptionValue(option, value) == highspy.HighsStatus.kError
    assert quiet.run() == highspy.HighsStatus.kOk and quiet.getModelStatus() == highspy.HighsModelStatus.kOptimal


def test_a_refused_change_is_an_error() -> None:
    model = HighsModel(one_row(5))
    with pytest.raises(SolverFailed, match="HiGHS refused the program"):
        model.change_columns(np.full(5, np.nan), np.ones(5))


QUIET = """
from reallot import AllocationProblem, Limits, allocate
fees = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, limits=Limits(max_moves=2))
print(*(allocate(fees, solver=solver).shares.tolist() for solver in ("highs", "scipy")))
"""


@pytest.mark.slow
def test_nothing_but_our_own_words_is_printed() -> None:
    """HiGHS for Python logs a header while it is made (1.16), which would stand before JSON that programs read."""
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[0.0, 1.0] [0.0, 1.0]\n", "")


# threads are one pool for the whole process

THREADS = """
import highspy, numpy as np
from reallot import AllocationProblem, Limits, allocate, formulate
from reallot.solvers.programs.highs import HighsModel

rates, current = {"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}
problems = [AllocationProblem(rates, current, limits=limits) for limits in (Limits(), Limits(max_moves=2))]

def plans():
    return [allocate(problem, solver="highs").shares.tolist() for problem in problems]

def somebody_else(threads):
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", threads)
    model.addVariable(0.0, 1.0, -1.0)
    return model.run().name, model.getModelStatus().name

print(plans(), somebody_else(1), plans(), somebody_else(2), plans())
ours = HighsModel(formulate(problems[0]))
print(ours.highs.getOptionValue("threads")[1])
ours._set("threads", 61)
solution = ours.solve()
print(solution.status.value, solution.values, solution.detail)
"""


@pytest.mark.slow
def test_threads_that_somebody_else_has_set_do_not_stop_us() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    everything, threads, ours = done.stdout.splitlines()[-3:]  # HiGHS for Python may log a header first
    plans = "[[0.0, 1.0], [0.0, 1.0]]"
    # a process has one number of threads: the second is refused, though not in words (the first by 1.16, if ours came)
    fine, refused = "('kOk', 'kOptimal')", "('kError', 'kNotset')"
    outcomes = [f"{plans} {first} {plans} {second} {plans}" for first, second in ((fine, refused), (refused, fine))]
    assert everything in [*outcomes, f"{plans} {refused} {plans} {refused} {plans}"]
    assert threads == "0"
    # if we had set it, that would be an error that names the cause
    assert ours.startswith("failed None HiGHS did not run; was `threads` set twice")


# sums over many protocols


@pytest.mark.slow
def test_shares_sum_to_capacity_however_many_are_tied() -> None:
    weights = np.random.default_rng(0).uniform(size=10_000)
    names = [f"p{i:05d}" for i in range(weights.size)]
    current = dict(zip(names, (0.6 * weights / weights.sum()).tolist(), strict=True))
    problem = AllocationProblem(dict.fromkeys(names, 1.0), current, limits=Limits(max_change=7e-5))
    plan = allocate(problem, solver="exact")
    assert len(plan.moves) > 5_000
    assert abs(float(plan.schedule.sum()) - 1.0) <= 1e-12


# HiGHS stops a search 1e-4 short of the objective, in which all the income from not moving counts


def with_fees() -> AllocationProblem:
    """Twelve protocols that earn about 100 USD/h: moves are worth some cents, a gap of 1e-4 is one cent."""
    rng = np.random.default_rng(7)
    current = np.round(rng.dirichlet(np.ones(12)), 3)
    current[0] += 1.0 - current.sum()
    specs = [
        ProtocolSpec(f"p{i:02d}", float(rate), move_fee=0.02, max_share=0.3)
        for i, rate in enumerate(100.0 * rng.uniform(1.0, 1.02, 12))
    ]
    shares = {spec.name: float(share) for spec, share in zip(specs, current, strict=True)}
    return AllocationProblem(specs, shares, limits=Limits(max_change=0.05))


def test_the_gap_of_a_search_is_closed_on_the_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = with_fees()
    program = formulate(problem)
    best = gain_of(problem, program, HighsModel(program).solve().values)
    set_without(monkeypatch, "mip_rel_gap", "mip_abs_gap")
    loose = HighsModel(program)
    early = loose.solve()
    assert early.status is Status.OPTIMAL and loose.highs.getOptionValue("mip_rel_gap")[1] == 1e-4
    # a tenth of the gain is left lying, and HiGHS calls it optimal
    assert gain_of(problem, program, early.values) < 0.95 * best
    # what we promise is checked all the same: a search of our own finds what was left, and proves it
    plan = allocate(problem, solver="highs")
    assert gain_of(problem, program, complete(problem, program, plan.schedule)) == pytest.approx(best)
    assert plan.certificate.bound_from == "branch and bound"
