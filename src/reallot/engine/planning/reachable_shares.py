"""Which shares an adapter can be asked for: whole steps, and not below its floor; as rules of the decision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...problem import ProtocolSpec
from ..contracts.adapter import Capabilities

FINEST_STEP = 2e-6
"""Shares that differ by less are the same to the engine, so finer steps are none."""


def steps_and_floors(able: Iterable[tuple[str, Capabilities]]) -> tuple[dict[str, float], dict[str, float]]:
    """Steps and floors by name, only where there are any; what is no share is not believed.

    >>> steps_and_floors([("miner", Capabilities(step=0.125)), ("disk", Capabilities(floor=0.3, step=7.0))])
    ({'miner': 0.125}, {'disk': 0.3})
    """
    steps, floors = {}, {}
    for name, each in able:
        if _is_share(each.step) and each.step > FINEST_STEP:
            steps[name] = float(each.step)
        if _is_share(each.floor):
            floors[name] = float(each.floor)
    return steps, floors


def reachable(spec: ProtocolSpec, share: float, step: float | None, floor: float | None) -> ProtocolSpec:
    """`spec` with targets that can be asked for: multiples of `step`, none below `floor`, or `share` as it is.

    A spec's own step stands. A share that is below the floor may stay, or rise to it.

    >>> found = reachable(ProtocolSpec("disk", 1.0), 0.1, None, 0.3)
    >>> found.decrease_floor, found.entry_share
    (0.3, 0.3)
    """
    changes: dict[str, Any] = {}
    if step and not spec.step:
        changes["step"] = step
    if floor:
        changes["decrease_floor"] = max(spec.decrease_floor, floor)
        if share < floor:
            changes["entry_share"] = max(spec.entry_share, floor)
    return replace(spec, **changes) if changes else spec


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 < value <= 1.0
