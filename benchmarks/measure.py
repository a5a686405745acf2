"""Times one problem with one backend, phase by phase, and checks answers against each other before they count."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from reallot import Allocation, AllocationProblem, allocate, explain, formulate, solve
from reallot.solvers.backends import BACKENDS

from .registry import Build, Spec

YARDSTICKS = {"scipy alone": "scipy", "CBC alone": "pulp"}
"""One call of linprog or milp, or of CBC through PuLP, on the same program: no tie-break, no certificate, no prices."""
EXPLAIN_ONCE = 0.5
"""Seconds above which `explain` is timed once, in the warm-up, instead of in every repeat."""
EXPLAIN_AT_MOST = 10.0
"""Seconds above which `explain` is left out: what the size before suggests, growing with the square of the size."""


@dataclass(frozen=True)
class Timing:
    """Median seconds of each phase; None where it was not measured.

    build    the problem record, checked, and its program
    solve    the backend, its tie-break included; for a yardstick one call of the solver
    certify  residuals, gap and the comparison with staying
    explain  prices and reasons of the finished plan
    """

    spec: str
    size: int
    backend: str
    columns: int
    rows: int
    build: float | None
    solve: float
    certify: float | None
    explain: float | None
    objective: float

    @property
    def total(self) -> float:
        """build + solve + certify."""
        return (self.build or 0.0) + self.solve + (self.certify or 0.0)


def asked(spec: Spec, smoke: bool) -> list[tuple[int, list[str]]]:
    """(size, backends) pairs of a spec; smoke mode has the smallest size only."""
    sizes = spec.sizes[:1] if smoke else spec.sizes
    return [(size, [b for b in spec.backends if size <= spec.longest.get(b, size)]) for size in sizes]


def measure(spec: Spec, smoke: bool, repeats: int) -> list[Timing]:
    """Timings of every size and backend of `spec`, then of the yardsticks; raises where two answers differ."""
    result: list[Timing] = []
    for size, backends in asked(spec, smoke):
        build = spec.build(size)
        worth = []
        for backend in backends:
            timing, plan = _backend(spec, size, backend, build, repeats, _explains(result, backend, size))
            result.append(timing)
            worth.append(plan)
        _same_worth(worth)
        for name, backend in YARDSTICKS.items():
            if backend in backends:
                result.append(_yardstick(spec, size, name, build(), repeats))
    return result


def _explains(before: list[Timing], backend: str, size: int) -> bool:
    """False where smaller sizes say that explaining this one takes too long."""
    smaller = [row for row in before if row.backend == backend]
    if not smaller:
        return True
    last = smaller[-1]
    return last.explain is not None and last.explain * (size / last.size) ** 2 <= EXPLAIN_AT_MOST


def _backend(
    spec: Spec, size: int, backend: str, build: Build, repeats: int, explains: bool
) -> tuple[Timing, Allocation]:
    """The warm-up answers first; then the repeats, whose medians count."""
    plan, warm_up = _run(backend, build, explains)
    again = explains and warm_up["explain"] <= EXPLAIN_ONCE
    runs = [_run(backend, build, again)[1] for _ in range(repeats)]
    explained = [run["explain"] for run in runs] if again else [warm_up["explain"]] if explains else []
    program = formulate(plan.problem)
    return Timing(
        spec.name,
        size,
        backend,
        program.column_count,
        program.row_count,
        build=median(run["build"] for run in runs),
        solve=median(run["solve"] for run in runs),
        certify=median(run["certify"] for run in runs),
        explain=median(explained) if explained else None,
        objective=plan.certificate.objective,
    ), plan


def _run(backend: str, build: Build, explains: bool) -> tuple[Allocation, dict[str, float]]:
    """One answer from scratch, with the seconds of each phase."""
    gc.collect()
    started = perf_counter()
    problem = build()
    built = perf_counter() - started
    plan = allocate(problem, solver=backend)
    phases = {
        "build": built + plan.timings["formulate"],
        "solve": plan.timings["solve"],
        "certify": plan.timings["certify"],
    }
    if explains:
        phases["explain"] = _seconds(lambda: explain(plan))
    return plan, phases


def _yardstick(spec: Spec, size: int, name: str, problem: AllocationProblem, repeats: int) -> Timing:
    program = formulate(problem)
    solver = YARDSTICKS[name]
    solution = solve(program, solver)
    assert solution.values is not None, solution.detail
    seconds = median(_seconds(lambda: solve(program, solver)) for _ in range(repeats))
    objective = program.objective(solution.values)
    return Timing(spec.name, size, name, program.column_count, program.row_count, None, seconds, None, None, objective)


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


def _same_worth(plans: list[Allocation]) -> None:
    """Every backend's objective within the sum of the two tolerances of the first one's."""
    first = plans[0]
    for plan in plans[1:]:
        allowed = BACKENDS[first.solver].tolerance + BACKENDS[plan.solver].tolerance
        away = abs(plan.certificate.objective - first.certificate.objective) / first.certificate.scale
        if away > allowed:
            raise AssertionError(
                f"{first.solver} and {plan.solver} differ by {away:.1e} of the scale, allowed {allowed:.0e}"
            )
