"""Two recorded traces, every step a decision: the exact path against HiGHS, the same objective throughout."""

from __future__ import annotations

import os

import numpy as np
import pytest

from benchmarks import traces
from reallot import allocate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        traces.folder() is None,
        reason="no traces beside the repository (../shared/data); point REALLOT_TRACES at their folder to run this",
    ),
]

EQUAL = 1e-9
STEPS = None if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1000
"""Steps of a trace that are decided: all of them at night."""
NEVER_MOVE = {"energy_load_eu_2020_2021": 968922.54, "mining_nicehash_201802": 952.25516}
"""What the equal split earns over the whole trace, USD, as published with the data."""


@pytest.mark.parametrize("name", traces.NAMES)
def test_a_loaded_trace_earns_what_its_source_says(name: str) -> None:
    trace = traces.load(name)
    equal_split = trace.step_hours * float(trace.rates.mean(axis=1).sum())
    assert equal_split == pytest.approx(NEVER_MOVE[name], rel=1e-8)


@pytest.mark.parametrize(("name", "part"), [(traces.NAMES[0], 0.01), (traces.NAMES[1], 0.01), (traces.NAMES[1], 0.1)])
def test_every_step_of_a_trace_has_the_same_optimum_exactly_and_by_highs(name: str, part: float) -> None:
    trace, kept = traces.load(name), traces.KeptHighs()
    steps = moves = 0
    for steps, plan in enumerate(traces.chain(trace, part, STEPS), start=1):
        where = f"{name} step {steps - 1}"
        assert plan.certificate.is_optimal and plan.certificate.bound_from == "row prices", where
        assert traces.difference(plan, kept.objective(plan.problem)) <= EQUAL, where
        assert traces.difference(plan, plan.value.net) <= EQUAL, f"{where}: the program and the problem disagree"
        change = plan.schedule[0] - plan.problem.arrays.current
        assert np.abs(change).max() <= traces.MAX_CHANGE + EQUAL, where
        assert abs(plan.schedule[0].sum() - 1.0) <= 1e-9, where
        moves += bool(plan.moves)
    assert steps == len(trace.rates[:STEPS])
    assert 0 < moves < steps


@pytest.mark.parametrize("name", traces.NAMES)
def test_a_fresh_highs_model_gives_the_same_plan_worth(name: str) -> None:
    """Shares too: both backends promise the tie-break, so chains do not part."""
    trace = traces.load(name)
    for step, plan in enumerate(traces.chain(trace, 0.01, steps=400)):
        other = allocate(plan.problem, solver="highs")
        assert traces.difference(plan, other.certificate.objective) <= EQUAL, f"{name} step {step}"
        assert np.allclose(other.schedule, plan.schedule, rtol=0.0, atol=1e-8), f"{name} step {step}"
