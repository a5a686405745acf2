"""A problem with one protocol's rate shifted alike in all periods and scenarios."""

from __future__ import annotations

from dataclasses import replace

from ..problem import AllocationProblem, EarningsCurve, ProtocolSpec, Scenarios
from ..problem.arrays import scenario_rates


def with_rate_shift(problem: AllocationProblem, name: str, shift: float) -> AllocationProblem:
    """`problem` with `shift` (USD/h) more on every marginal rate of one protocol, in all periods and scenarios.

    A flat rate with factors becomes rates by scenario; the shift of a curve with factors is multiplied by these.
    """
    specs = tuple(_shifted_spec(spec, shift) if spec.name == name else spec for spec in problem.specs)
    rates = problem.rates
    if rates is not None and name in rates:
        rates = {**rates, name: tuple(rate + shift for rate in rates[name])}
    scenarios, i = problem.scenarios, problem.names.index(name)
    is_flat = all(curve.is_flat for curve in problem.specs[i].curves)
    if scenarios is not None and is_flat and name in {*scenarios.rates, *scenarios.factors}:
        paths = tuple(map(tuple, (scenario_rates(problem, i) + shift).tolist()))
        factors = {key: table for key, table in scenarios.factors.items() if key != name}
        scenarios = Scenarios({**scenarios.rates, name: paths}, factors, scenarios.probabilities)
    return replace(problem, protocols=specs, rates=rates, scenarios=scenarios)


def _shifted_spec(spec: ProtocolSpec, shift: float) -> ProtocolSpec:
    moved = tuple(
        EarningsCurve(
            curve.shares,
            tuple(value + shift * share for share, value in zip(curve.shares, curve.earnings, strict=True)),
            curve.last_slope + shift,
        )
        for curve in spec.curves
    )
    return replace(spec, curve=moved if isinstance(spec.curve, tuple) else moved[0])
