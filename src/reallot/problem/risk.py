"""Risk, asked for by handing over one object: scenarios of rates, CVaR, or a budget of uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidInput
from .protocol import ProtocolColumns
from .validation import brief, by_name, in_order, known_names, number, whole

Path = tuple[float, ...]
"""One value per period, or a single value that holds in all of them."""


@dataclass(frozen=True)
class Scenarios:
    """Possible rates, each with a probability; earnings become expected earnings.

    A protocol in neither table earns the same in every scenario.

    Parameters
    ----------
    rates
        For flat protocols, {name: one entry per scenario}: a rate (USD/h per unit of share), or a list with one per
        period. A pandas DataFrame (scenarios, protocols) does as well.
    factors
        For any protocol, a table of the same shape: the curve is multiplied by the factor (at least 0).
    probabilities
        One per scenario; their sum is 1. None is equal weights.

    Raises
    ------
    InvalidInput
        Where a protocol is in both tables, lengths differ, or probabilities do not sum to 1.

    Examples
    --------
    >>> from reallot import Scenarios
    >>> scenarios = Scenarios({"relay": [2.0, 0.5], "compute": [1.0, 1.2]})
    >>> scenarios.count, scenarios.probabilities
    (2, (0.5, 0.5))
    """

    rates: Mapping[str, Sequence[float | Sequence[float]]] = field(default_factory=dict)
    factors: Mapping[str, Sequence[float | Sequence[float]]] = field(default_factory=dict)
    probabilities: Sequence[float] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        rates, factors = _table(self.rates, "scenario rates", -math.inf), _table(self.factors, "scenario factors", 0.0)
        both = sorted(set(rates) & set(factors))
        if both:
            raise InvalidInput(f"scenarios give both rates and factors for {both[0]!r}; give one of them")
        counts = {len(paths) for paths in (*rates.values(), *factors.values())}
        if self.probabilities is not None:
            given = [
                number(p, "a scenario's probability", 0.0, 1.0)
                for p in in_order(self.probabilities, "probabilities", "numbers")
            ]
            counts.add(len(given))
        if len(counts) != 1 or 0 in counts:
            raise InvalidInput(
                f"scenarios have {sorted(counts)} entries in different places; give the same number, at least one"
            )
        count = counts.pop()
        weights = given if self.probabilities is not None else [1.0 / count] * count
        if abs(math.fsum(weights) - 1.0) > 1e-9:
            raise InvalidInput(f"scenario probabilities sum to {math.fsum(weights):.9g}; they must sum to 1")
        put(self, "rates", rates)
        put(self, "factors", factors)
        put(self, "probabilities", tuple(weights))

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return len(self.probabilities or ())


@dataclass(frozen=True)
class CVaR:
    """Conditional value at risk: weight on the mean earnings over the worst scenarios.

    Parameters
    ----------
    level
        The worst part 1 - `level` of the scenarios counts; 0.95 is the worst 5 %.
    weight
        Part of the objective on these scenarios, 0 to 1.

    Raises
    ------
    InvalidInput
        Where a number lies outside its range.

    Notes
    -----
    The objective becomes (1 - weight) * expected earnings + weight * CVaR, as in Rockafellar and Uryasev,
    "Optimization of conditional value-at-risk" (2000).

    Examples
    --------
    >>> from reallot import CVaR
    >>> CVaR(0.9, weight=0.5)
    CVaR(level=0.9, weight=0.5)
    """

    level: float = 0.95
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", number(self.level, "CVaR level", 0.0, 1.0))
        if self.level >= 1.0:
            raise InvalidInput("CVaR level is 1; it must be below 1 (0.95 is the worst 5 %)")
        object.__setattr__(self, "weight", number(self.weight, "CVaR weight", 0.0, 1.0))


@dataclass(frozen=True)
class RateUncertainty:
    """A budget of uncertainty: the plan is best against the worst fall of a few rates.

    Parameters
    ----------
    radius
        Amount by which a rate may fall (USD/h per unit of share): one number, or one per protocol by name (left out:
        certain).
    budget
        Largest number of protocols whose rates fall together. A fraction lets one more rate fall by that fraction.

    Raises
    ------
    InvalidInput
        Where a radius or the budget is negative or not finite.

    Notes
    -----
    The robust counterpart is that of Bertsimas and Sim, "The price of robustness" (2004). A rate that
    falls does so over the whole horizon.

    Examples
    --------
    >>> from reallot import RateUncertainty
    >>> RateUncertainty({"relay": 0.4}, budget=1.0).budget
    1.0
    """

    radius: float | Mapping[str, float]
    budget: float = 1.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        if hasattr(self.radius, "items"):
            radius = by_name(self.radius, "radius")
            put(self, "radius", {name: number(value, f"radius {name} (USD/h)", 0.0) for name, value in radius.items()})
        else:
            put(self, "radius", number(self.radius, "radius (USD/h)", 0.0))
        put(self, "budget", number(self.budget, "budget of uncertainty (protocols)", 0.0))


@dataclass(frozen=True)
class CDaR:
    """Conditional drawdown at risk: how far what was earned falls below its peak, as a limit or at a weight.

    Earnings less costs add up from period to period, in each scenario by itself, and `plan_fee` is left out. A drawdown
    is how far that sum is below its largest value so far, 0 at the start.

    Parameters
    ----------
    level
        The worst part 1 - `level` of the drawdowns counts, over all periods and scenarios; 0 is their mean.
    max_drawdown
        Largest mean of the drawdowns that count (USD). None is no limit.
    drawdown_weight
        Part of this mean that is taken off the objective.

    Raises
    ------
    InvalidInput
        Where a number lies outside its range, or neither a limit nor a weight is given.

    Notes
    -----
    Chekhlov, Uryasev and Zabarankin, "Drawdown measure in portfolio optimization" (2005).

    Examples
    --------
    >>> from reallot import CDaR
    >>> CDaR(0.5, max_drawdown=0.1).max_drawdown
    0.1
    """

    level: float = 0.95
    max_drawdown: float | None = None
    drawdown_weight: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "level", number(self.level, "CDaR level", 0.0, 1.0))
        if self.level >= 1.0:
            raise InvalidInput("CDaR level is 1; it must be below 1 (0.95 is the worst 5 %)")
        put(self, "drawdown_weight", number(self.drawdown_weight, "CDaR drawdown_weight", 0.0))
        if self.max_drawdown is not None:
            put(self, "max_drawdown", number(self.max_drawdown, "CDaR max_drawdown (USD)", 0.0))
        elif self.drawdown_weight == 0.0:
            raise InvalidInput("CDaR limits nothing and weighs nothing; give max_drawdown or drawdown_weight")


@dataclass(frozen=True)
class WorstCase:
    """The worst of several sets of scenarios counts, whichever of them comes.

    Parameters
    ----------
    sets
        Numbers of the scenarios (from 0) by the name of the set, such as {"calm": [0, 1], "storm": [2, 3]}. Within a
        set the scenarios keep their odds.
    weight
        Part of the objective on the set that earns least, 0 to 1; the rest is on expected earnings.

    Raises
    ------
    InvalidInput
        Where a set is empty or names a scenario twice, or the weight lies outside its range.

    Examples
    --------
    >>> from reallot import WorstCase
    >>> WorstCase({"calm": [0, 1], "storm": [2]}).sets
    {'calm': (0, 1), 'storm': (2,)}
    """

    sets: Mapping[str, Sequence[int]]
    weight: float = 1.0

    def __post_init__(self) -> None:
        sets: dict[str, tuple[int, ...]] = {}
        for name, given in by_name(self.sets, "worst case: sets").items():
            listed = in_order(given, f"set {name}", "numbers of scenarios")
            sets[name] = tuple(whole(each, f"set {name}: a scenario", 0) for each in listed)
            if not listed or len(set(sets[name])) < len(listed):
                raise InvalidInput(f"set {name} must name at least one scenario, and each once")
        if not sets:
            raise InvalidInput("worst case: sets is empty; give scenarios by the name of a set")
        object.__setattr__(self, "sets", sets)
        object.__setattr__(self, "weight", number(self.weight, "worst case: weight", 0.0, 1.0))

    def __hash__(self) -> int:
        return hash((frozenset(self.sets.items()), self.weight))


@dataclass(frozen=True)
class ShortfallChance:
    """Earnings fall below a floor in a few scenarios only.

    Each scenario takes a whole number, so that this is for small sets of scenarios.

    Parameters
    ----------
    floor
        Earnings (USD/h, the mean over the horizon, before costs) that are to be reached.
    chance
        Largest probability of all scenarios together that earn less.

    Raises
    ------
    InvalidInput
        Where the chance is not between 0 and 1.

    Examples
    --------
    >>> from reallot import ShortfallChance
    >>> ShortfallChance(1.5, chance=0.1)
    ShortfallChance(floor=1.5, chance=0.1)
    """

    floor: float
    chance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "floor", number(self.floor, "shortfall: floor (USD/h)"))
        object.__setattr__(self, "chance", number(self.chance, "shortfall: chance", 0.0, 1.0))


AnyRisk = CVaR | RateUncertainty | CDaR | WorstCase | ShortfallChance


def require_risk(scenarios: Scenarios | None, risk: AnyRisk | None, protocols: ProtocolColumns, periods: int) -> None:
    """Raises InvalidInput where scenarios or risk name who is not there, or do not fit curves and periods."""
    if scenarios is not None:
        if not isinstance(scenarios, Scenarios):
            raise InvalidInput(f"scenarios is a {type(scenarios).__name__}; give Scenarios(rates=...)")
        for what in ("rates", "factors"):
            table = getattr(scenarios, what)
            known_names(table, protocols.place, f"scenario {what}")
            for name, paths in table.items():
                if any(len(path) not in (1, periods) for path in paths):
                    raise InvalidInput(f"scenario {what} {name}: give one value, or one for each of {periods} periods")
                bent = protocols.curves.get(protocols.place[name], ())
                each = bent if isinstance(bent, tuple) else (bent,)
                if what == "rates" and not all(curve.is_flat for curve in each):
                    raise InvalidInput(f"scenario rates names {name!r}, which has a curve; give factors for it instead")
    if risk is not None:
        _require_measure(scenarios, risk, protocols)


def _require_measure(scenarios: Scenarios | None, risk: AnyRisk, protocols: ProtocolColumns) -> None:
    """Raises InvalidInput where the measure of risk is none, or the scenarios it is of are not there."""
    if isinstance(risk, (CVaR, WorstCase, ShortfallChance)) and scenarios is None:
        raise InvalidInput(f"{type(risk).__name__} needs scenarios; give scenarios=Scenarios(rates=...)")
    if isinstance(risk, WorstCase) and scenarios is not None:
        for name, members in risk.sets.items():
            if max(members) >= scenarios.count:
                raise InvalidInput(
                    f"set {name} names scenario {max(members)}; there are {scenarios.count}, counted from 0"
                )
    if isinstance(risk, RateUncertainty):
        if isinstance(risk.radius, dict):
            known_names(risk.radius, protocols.place, "radius")
    elif not isinstance(risk, AnyRisk):
        kinds = "CVaR(...) or RateUncertainty(...), CDaR(...), WorstCase(...) or ShortfallChance(...)"
        raise InvalidInput(f"risk is {brief(risk)}; give {kinds}")


def _table(table: Any, what: str, low: float) -> dict[str, tuple[Path, ...]]:
    result = {}
    for name, entries in by_name(table, what).items():
        paths = []
        for entry in in_order(entries, f"{what} {name}", "one entry per scenario"):
            one = isinstance(entry, str) or not hasattr(entry, "__iter__") or getattr(entry, "ndim", 1) == 0
            values = [entry] if one else in_order(entry, f"{what} {name}", "one value per period")
            paths.append(tuple(number(value, f"{what} {name}", low) for value in values))
        result[str(name)] = tuple(paths)
    return result
