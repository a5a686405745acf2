"""The program of each family of rules as a table. REALLOT_REWRITE_SNAPSHOTS=1 writes the files anew: read the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    formulate,
)

FOLDER = Path(__file__).parent / "snapshots"
CONCAVE = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
BENT = EarningsCurve.through([(0, 0), (0.4, 0.2), (0.6, 1.6)])
RATES = {"storage": 3.0, "relay": 2.0, "compute": 1.0}
NOW = {"storage": 0.3, "relay": 0.3, "compute": 0.4}


def specs(**of_storage: object) -> list[ProtocolSpec]:
    """storage with something of its own, relay and compute plain."""
    curve = of_storage.pop("curve", 3.0)
    return [ProtocolSpec("storage", curve, **of_storage), ProtocolSpec("relay", 2.0), ProtocolSpec("compute", 1.0)]


GPU_AND_ENTRY = (
    ProtocolSpec("storage", 3.0, step=0.25),
    ProtocolSpec("relay", 2.0, entry_share=0.3),
    ProtocolSpec("compute", 1.0),
)
PROBLEMS = {
    "plain": AllocationProblem(RATES, NOW),
    "idle_and_reserve": AllocationProblem(RATES, NOW, allow_idle=True, reserve=0.1, horizon_hours=24),
    "bounds_and_holds": AllocationProblem(
        specs(min_share=0.1, max_share=0.6, decrease_floor=0.2, lock_in=LockIn(0.25), move_cost_in=0.3),
        NOW,
        limits=Limits(max_change=0.2, held={"relay"}),
    ),
    "turnover": AllocationProblem(RATES, NOW, limits=Limits(max_turnover=0.25)),
    "fees_and_max_moves": AllocationProblem(
        specs(move_cost=0.02, move_fee=0.05), NOW, limits=Limits(max_change=0.2, max_moves=2)
    ),
    "min_move": AllocationProblem(RATES, NOW, limits=Limits(max_change=0.2, min_move=0.05)),
    "curves_concave": AllocationProblem(specs(curve=CONCAVE), NOW),
    "curves_not_concave": AllocationProblem(specs(curve=BENT), NOW),
    "warm_up": AllocationProblem(specs(curve=CONCAVE, warm_up_hours=2, warm_up_earns=0.5), NOW, horizon_hours=24),
    "steps_entry_and_groups": AllocationProblem(
        [
            ProtocolSpec("storage", 3.0, step=0.25),
            ProtocolSpec("relay", 2.0, entry_share=0.3),
            ProtocolSpec("compute", 1),
        ],
        NOW,
        limits=Limits(groups=(Group("address", ("relay", "compute"), max_share=0.8, max_active=1),)),
    ),
    "one_unit_past_max_change": AllocationProblem(
        [
            ProtocolSpec("storage", 3.0, step=0.25),
            ProtocolSpec("relay", 2.0, entry_share=0.3),
            ProtocolSpec("compute", 1),
        ],
        {"storage": 0.25, "relay": 0.0, "compute": 0.75},
        limits=Limits(max_change=0.2, allow_one_unit=True),
    ),
    "resources": AllocationProblem(
        [ProtocolSpec("a", 3.0, uses={"cpu": 2, "memory": 1}), ProtocolSpec("b", 2.0, uses={"cpu": 1})],
        {"a": 0.1, "b": 0.2},
        capacity=None,
        resources={"cpu": 1.0, "memory": 0.8},
    ),
    "cvar": AllocationProblem(
        RATES,
        NOW,
        scenarios=Scenarios(rates={"storage": [6.0, 0.0], "relay": [2.0, 2.5]}, probabilities=[0.4, 0.6]),
        risk=CVaR(level=0.5, weight=0.25),
    ),
    "robust": AllocationProblem(RATES, NOW, risk=RateUncertainty({"storage": 2.0, "relay": 0.5}, budget=1.5)),
    "several_periods": AllocationProblem(
        [ProtocolSpec("storage", (3.0, 1.0), move_cost=0.1), ProtocolSpec("relay", 2.0, move_fee=0.2)],
        {"storage": 0.6, "relay": 0.4},
        periods=2,
        horizon_hours=4,
        limits=Limits(max_change=[0.1, 0.3], max_turnover=0.3, held={"relay": 1}),
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_program_is_the_table_that_was_reviewed(name):
    shown, path = formulate(PROBLEMS[name]).show() + "\n", FOLDER / f"{name}.txt"
    if os.environ.get("REALLOT_REWRITE_SNAPSHOTS"):
        path.write_text(shown)
    assert path.exists(), f"{path.name} is missing; set REALLOT_REWRITE_SNAPSHOTS=1 to write it, then read it"
    assert shown == path.read_text(), "the program changed; set REALLOT_REWRITE_SNAPSHOTS=1 and read the diff"


def test_there_is_no_snapshot_without_a_problem():
    assert {path.stem for path in FOLDER.iterdir()} == set(PROBLEMS)
