"""Rules by name: loosening one in the program does what relaxing it in the problem does."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import AllocationProblem, Group, Limits, LinearProgram, LockIn, ProtocolSpec, Status, formulate, solve
from reallot.allocation.relax import relax
from reallot.formulation import Rule, rules
from reallot.program import Columns, Rows
from tests.formulation.test_snapshots import PROBLEMS
from tests.known import IMPOSSIBLE, KNOWN

EVERY = {f"snapshot {name}": problem for name, problem in PROBLEMS.items()}
EVERY |= {case.name: case.problem for case in (*KNOWN, *IMPOSSIBLE)}


def loosened(program: LinearProgram, rule: Rule, amount: float) -> LinearProgram:
    """The program with the rule's limits moved by `amount` units."""

    def moved(values: np.ndarray, side: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        result = values.copy()
        np.add.at(result, side[0], amount * side[1])
        return result

    change = rule.loosening
    lower, upper = moved(program.lower, change.column_lower), moved(program.upper, change.column_upper)
    low, high = moved(program.row_lower, change.row_lower), moved(program.row_upper, change.row_upper)
    columns = [
        Columns(block.name, block.labels, block.gain, lower[span], upper[span], block.integer)
        for block in program.columns
        for span in [program.column_slices[block.name]]
    ]
    rows = [
        Rows(block.name, block.labels, block.cells, low[span], high[span])
        for block in program.rows
        for span in [program.row_slices[block.name]]
    ]
    return LinearProgram(tuple(columns), tuple(rows), program.offset)


def optimum(program: LinearProgram) -> float | None:
    """Best objective, None where there is no point."""
    if (program.lower > program.upper).any():
        return None
    solution = solve(program)
    return program.objective(solution.values) if solution.status is Status.OPTIMAL else None


def is_one_number(problem: AllocationProblem, rule: Rule) -> bool:
    """True where the problem can say the same by one number, and not by more than the rule."""
    if rule.kind in ("held", "only_increase", "only_decrease"):  # is released altogether
        return False
    if rule.kind == "max_change":  # one list for all protocols
        return not isinstance(problem.limits.max_change, tuple)
    return True


@pytest.mark.parametrize("name", EVERY)
def test_loosening_a_rule_in_the_program_is_relaxing_it_in_the_problem(name):
    problem = EVERY[name]
    program = formulate(problem, wide=True)
    best, with_room = optimum(formulate(problem)), optimum(program)
    assert best is None if with_room is None else with_room == pytest.approx(best, rel=1e-9, abs=1e-9)
    for rule in rules(problem, program, both_ways=True):
        if not is_one_number(problem, rule):
            continue
        amount = 1.0 if rule.kind in ("max_moves", "active", "active_floor") else min(0.05, rule.limit)
        in_problem = optimum(formulate(relax(problem, rule.name, amount)))
        in_program = optimum(loosened(program, rule, amount))
        assert (in_problem is None) == (in_program is None), rule.name
        if in_problem is not None:
            assert in_program == pytest.approx(in_problem, rel=1e-9, abs=1e-9), rule.name


def test_every_limit_has_its_rule_by_name():
    problem = AllocationProblem(
        [
            ProtocolSpec("a", 3.0, max_share=0.6, min_share=0.1, uses={"cpu": 1.0}),
            ProtocolSpec("b", 2.0, lock_in=LockIn(0.2), decrease_floor=0.1),
            ProtocolSpec("c", 1.0, decrease_floor=0.1),
        ],
        {"a": 0.3, "b": 0.3, "c": 0.4},
        resources={"cpu": 1.0},
        limits=Limits(
            max_change={"a": 0.2},
            max_turnover=0.3,
            max_moves=2,
            held={"c"},
            groups=(Group("pool", ("a", "b"), max_share=0.7, max_active=2),),
        ),
    )
    found = {rule.name: (rule.kind, rule.subject, rule.limit) for rule in rules(problem, formulate(problem))}
    assert found == {
        "capacity": ("capacity", "", 1.0),
        "turnover": ("turnover", "", 0.3),
        "max_moves": ("max_moves", "", 2.0),
        "resource cpu": ("resource", "cpu", 1.0),
        "group pool": ("group", "pool", 0.7),
        "active pool": ("active", "pool", 2.0),
        "max_change a": ("max_change", "a", 0.2),
        "max_share a": ("max_share", "a", 0.6),
        "min_share a": ("min_share", "a", 0.1),
        "lock_in b": ("lock_in", "b", 0.2),
        "held c": ("held", "c", 0.4),
        "decrease_floor c": ("decrease_floor", "c", 0.1),
    }
    both = {rule.name for rule in rules(problem, formulate(problem), both_ways=True)}
    assert both - set(found) == {"capacity lower"}
