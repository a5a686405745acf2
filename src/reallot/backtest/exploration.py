"""What a backtest under bandit feedback lets policies see of what they do not hold: floors set once, or probes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import Infeasible, InvalidInput
from ..policy.base import Policy, SeesFuture, Terms
from ..policy.decision_step import plan
from ..policy.exploration import exploration_floors
from ..policy.probing import PROBE, Probing, bounds
from ..problem import AllocationProblem
from .settings import Setting


def explored(setting: Setting) -> str:
    """How policies look at what they do not hold: "floor", "probes" or "none"."""
    return setting.explore if setting.feedback == "bandit" else "none"


def floored(problem: AllocationProblem, terms: Terms) -> tuple[AllocationProblem, Terms]:
    """The step and the terms with floors of exploration as least shares, and the step's present shares above them.

    Where the present shares lack a floor, it is set by the cheapest step within the limits. Raises InvalidInput where
    there is none.
    """
    low, high = bounds(terms)
    held = np.isin(terms.names, list(terms.limits.held))
    floors = exploration_floors(low, np.where(held, low, high))
    specs = [
        replace(spec, min_share=floor) if floor > spec.min_share else spec
        for spec, floor in zip(problem.specs, floors.tolist(), strict=True)
    ]
    result = replace(problem, protocols=specs)
    if (problem.arrays.current < floors).any():
        try:
            begins = plan(None, result).schedule[0].tolist()
        except Infeasible as error:
            least = min(floors[floors > low].tolist(), default=0.0)
            raise InvalidInput(
                f"floors of exploration of {least:g} of capacity cannot be set in one step from the start: {error}; "
                "give a start that holds as much of each alternative, or explore='none'"
            ) from error
        result = replace(result, current=dict(zip(problem.names, begins, strict=True)))
    return result, replace(terms, low=tuple(floors.tolist()))


def explorer(policy: Policy, setting: Setting) -> Policy:
    """The policy, with probes where the setting asks for them and it does not know the future anyway."""
    if explored(setting) != "probes" or isinstance(policy, SeesFuture):
        return policy
    return Probing(policy, max(PROBE, setting.least))
