"""What the engine and the optimizer add to a poll before it is decided on."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts.records import AggregatedMetrics
from ..planning.measured_shares import with_tolerances
from ..planning.warm_up import WarmUp
from .guards import Rules
from .learned_limits import ShareLimits


def prepared(
    metrics: AggregatedMetrics,
    rules: Rules | None,
    limits: ShareLimits | None,
    warm_up: WarmUp | None,
    shares: Mapping[str, float],
) -> AggregatedMetrics:
    """`metrics` with tolerances of shares, with what protocols would not take, and with who warms up.

    Of those that did not answer, the share is the one in `shares`: what they said last may be of before a move.
    """
    read = metrics.allocation_by_protocol
    silent = [name for name, answers in metrics.connection_status.items() if not answers and name in read]
    if known := {name: shares[name] for name in silent if name in shares}:
        metrics = metrics.model_copy(update={"allocation_by_protocol": {**read, **known}})
    if rules is not None:
        metrics = with_tolerances(metrics, rules.tolerance, rules.own)
    if limits is not None:
        metrics = limits.within(metrics)
    return metrics if warm_up is None else warm_up.marked(metrics)
