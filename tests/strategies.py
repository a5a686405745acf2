"""The one home of Hypothesis strategies: curves, protocols, and problems of each kind.

With `grid` every share-like number is a multiple of 1 / grid, so that optima of network-like problems lie on it;
without, shares are on a grid, arbitrary, or tiny, and rates span six orders of magnitude.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Limits,
    LinearRule,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    Tiers,
)

NAMES = ("relay", "compute", "storage", "archive", "mining")
"""Not in name order, so that an accident of position is not mistaken for the tie-break."""

LINEAR = {
    "flat rates": {"bounds"},
    "concave curves": {"bounds", "curves"},
    "idle and reserve": {"bounds", "curves", "idle", "reserve"},
    "turnover": {"bounds", "curves", "idle", "turnover", "costs"},
    "costs and warm-up": {"bounds", "curves", "idle", "costs", "warm_up"},
    "floors": {"bounds", "floors", "turnover", "costs"},
    "directions": {"bounds", "curves", "idle", "turnover", "costs", "directions"},
    "tiers": {"bounds", "curves", "turnover", "tiers", "warm_up"},
    "everything on one capacity": {
        "bounds", "curves", "idle", "reserve", "turnover", "costs", "warm_up", "floors", "scenarios"
    },
}  # fmt: skip
"""Kinds that the exact path takes, each with the features that may come with it."""

COUPLED = {
    "several periods": {"bounds", "curves", "idle", "turnover", "costs", "warm_up", "floors", "periods"},
    "resources and groups": {"bounds", "curves", "idle", "costs", "resources", "groups"},
    "group floors and relations": {"bounds", "curves", "idle", "costs", "groups", "group floors", "rules"},
    "resources alone": {"bounds", "curves", "costs", "resources", "no capacity"},
    "CVaR": {"bounds", "curves", "idle", "costs", "warm_up", "scenarios", "cvar"},
    "robust": {"bounds", "curves", "idle", "costs", "robust"},
    "periods with groups and CVaR": {"idle", "bounds", "costs", "periods", "groups", "scenarios", "cvar"},
}
"""Linear programs that only the general solvers take."""

CHOICES = {
    "fees": {"bounds", "curves", "costs", "idle", "fees"},
    "max moves": {"bounds", "curves", "idle", "max_moves"},
    "smallest move": {"bounds", "curves", "idle", "costs", "min_move"},
    "entry shares": {"bounds", "costs", "idle", "entry"},
    "units": {"bounds", "costs", "idle", "step"},
    "one unit past max change": {"bounds", "idle", "step", "entry", "one_unit"},
    "bent curves": {"bounds", "idle", "costs", "curves", "bent", "warm_up"},
    "one of a group": {"bounds", "idle", "active", "entry"},
    "so many of a group": {"bounds", "idle", "costs", "least active", "group floors", "step"},
    "hold after change": {"bounds", "idle", "costs", "periods", "hold after change", "directions"},
    "falling tiers": {"bounds", "idle", "tiers", "falling", "turnover cost"},
    "fees over periods": {"bounds", "idle", "fees", "max_moves", "periods", "floors"},
    "choices over periods": {"idle", "periods", "entry", "step", "one_unit", "active", "min_move"},
}
"""Mixed-integer kinds."""

KINDS = LINEAR | COUPLED | CHOICES


def budget(part: float = 1.0) -> settings:
    """The profile's number of examples times `part`, at least four: for tests whose examples take long."""
    return settings(max_examples=max(4, int(settings.default.max_examples * part)))


def shares(grid: int | None = None, largest: float = 1.0) -> st.SearchStrategy[float]:
    """Shares from 0 to `largest`."""
    if grid is not None:
        return st.integers(0, round(grid * largest)).map(lambda k: k / grid)
    on_grid = st.integers(0, 20).map(lambda k: k / 20)
    anywhere = st.integers(0, 10**6).map(lambda k: k / 10**6)
    tiny = st.sampled_from([1e-6, 1e-5, 2e-4])
    return st.one_of(on_grid, on_grid, anywhere, tiny).map(lambda share: min(share, largest))


def rates(grid: int | None = None) -> st.SearchStrategy[float]:
    """USD/h: ties, zeros and negative ones are common; without `grid` over six orders of magnitude."""
    plain = st.sampled_from([0.0, 1.0, 1.0, 2.0, 2.5, 3.0, -1.0, 0.5])
    if grid is not None:
        return plain
    wide = st.builds(lambda size, power: size * 10.0**power, plain, st.integers(-3, 3))
    return st.one_of(plain, wide, st.integers(-300, 3000).map(lambda k: k / 100))


@st.composite
def curves(draw: st.DrawFn, grid: int | None = None, bent: bool = False) -> EarningsCurve:
    """Curves with equal neighbouring slopes, zero slopes, pieces past all capacity, an income at share 0.

    Concave ones unless `bent`.
    """
    slopes = draw(st.lists(rates(grid), min_size=1, max_size=4))
    if not bent:
        slopes.sort(reverse=True)
    width = st.integers(1, 4).map(lambda k: k / (grid or 20))
    if grid is None:
        width = st.one_of(width, st.sampled_from([1e-6, 1e-3, 0.7, 2.0]))
    widths = [draw(width) for _ in slopes]
    base = draw(st.sampled_from([0.0, 0.0, 0.5, -0.25]))
    points, share, earnings = [(0.0, base)], 0.0, base
    for slope, piece in zip(slopes[:-1], widths, strict=False):
        share, earnings = share + piece, earnings + slope * piece
        points.append((share, earnings))
    return EarningsCurve(tuple(x for x, _ in points), tuple(y for _, y in points), slopes[-1])


@st.composite
def starts(draw: st.DrawFn, size: int, available: float, grid: int | None, idle: bool) -> list[float]:
    """Current shares: exactly full, all in one place, partly idle, or not fitting at all."""
    kind = draw(st.sampled_from(["full", "full", "full", "one", "any"] + (["idle"] * 2 if idle else [])))
    if kind == "any":
        return [draw(shares(grid)) for _ in range(size)]
    if kind == "one":
        place = draw(st.integers(0, size - 1))
        return [available if i == place else 0.0 for i in range(size)]
    if grid is not None:
        left, result = round(available * grid), []
        for i in range(size):
            last = i == size - 1 and kind == "full"
            part = left if last else draw(st.integers(0, left))
            result.append(part / grid)
            left -= part
        return result
    weights = [draw(st.integers(0, 20)) for _ in range(size)]
    total = sum(weights) + (draw(st.integers(0, 20)) if kind == "idle" else 0)
    return [available * weight / total if total else available / size for weight in weights]


@st.composite
def tiers(draw: st.DrawFn, grid: int | None, may_fall: bool = False) -> Tiers:
    """One to three tiers with rising prices, equal ones among them; in any order where they may fall."""
    prices = draw(st.lists(st.sampled_from([0.0, 0.1, 0.1, 0.5, 2.0]), min_size=1, max_size=3))
    if not may_fall:
        prices.sort()
    widths = [draw(st.integers(1, 4)) / (grid or 20) for _ in prices[1:]]
    return Tiers(list(zip([*widths, None], prices, strict=True)))


@st.composite
def protocols(
    draw: st.DrawFn, name: str, current: float, features: set[str], grid: int | None, periods: int
) -> ProtocolSpec:
    """One protocol with some of `features`; every number may be at its neutral value."""
    share = shares(grid)
    given: dict[str, object] = {}
    if "bounds" in features and draw(st.booleans()):
        given["max_share"] = draw(st.one_of(share, st.just(current)))
        given["min_share"] = min(given["max_share"], draw(st.one_of(st.just(0.0), share)) / 2 if grid is None else 0.0)
        if grid is not None:
            given["min_share"] = min(given["max_share"], draw(st.integers(0, 2)) / grid)
    cost = st.sampled_from([0.0, 0.0, 0.1, 0.5, 2.0])
    if "costs" in features:
        given["move_cost"] = draw(cost)
        if draw(st.booleans()):
            given["move_cost_in"], given["move_cost_out"] = draw(cost), draw(cost)
    if "tiers" in features and draw(st.booleans()):
        given["move_cost"] = draw(tiers(grid, "falling" in features))
        if draw(st.booleans()):
            given["move_cost_out"] = draw(st.one_of(cost, tiers(grid, "falling" in features)))
    if "warm_up" in features and draw(st.booleans()):
        given["warm_up_hours"] = draw(st.sampled_from([0.25, 1.0, 6.0]))
        given["warm_up_earns"] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    if "floors" in features and draw(st.booleans()):
        given["decrease_floor"] = draw(share)
        if draw(st.booleans()):
            given["lock_in"] = LockIn(draw(st.one_of(st.just(current), share)), draw(st.integers(1, 3)))
    if "fees" in features:
        given["move_fee"] = draw(st.sampled_from([0.0, 0.05, 0.2, 0.2, 1.0]))
    if "entry" in features and draw(st.booleans()):
        given["entry_share"] = draw(st.integers(1, 4)) / (grid or 10)
    if "step" in features and draw(st.booleans()):
        given["step"] = draw(st.sampled_from([1, 2, 3])) / (grid or 8)
    return ProtocolSpec(name, draw(_earnings(features, grid, periods)), **given)


@st.composite
def _earnings(draw: st.DrawFn, features: set[str], grid: int | None, periods: int) -> object:
    if "curves" in features and draw(st.booleans()):
        bent = "bent" in features
        if periods > 1 and draw(st.booleans()):
            return tuple(draw(curves(grid, bent)) for _ in range(periods))
        return draw(curves(grid, bent))
    if periods > 1 and draw(st.booleans()):
        return tuple(draw(rates(grid)) for _ in range(periods))
    return draw(rates(grid))


@st.composite
def relations(draw: st.DrawFn, current: dict[str, float], grid: int | None) -> LinearRule:
    """A relation between two protocols, or on one, often met exactly by the present shares."""
    names = draw(st.lists(st.sampled_from(tuple(current)), min_size=1, max_size=2, unique=True))
    weights = {name: draw(st.sampled_from([1.0, -1.0, -2.0])) for name in names}
    now = sum(weight * current[name] for name, weight in weights.items())
    bound = draw(st.one_of(st.just(now), st.just(now), shares(grid)))
    return LinearRule(weights, **{draw(st.sampled_from(["at_most", "at_least", "equals"])): bound})


@st.composite
def limits(draw: st.DrawFn, current: dict[str, float], features: set[str], grid: int | None, periods: int) -> Limits:
    """Max change in all its forms, holds with and without an end, and the features' limits."""
    share, names = shares(grid), tuple(current)
    forms = [st.none(), share, share, st.dictionaries(st.sampled_from(names), share)]
    if periods > 1:
        forms.append(st.lists(share, min_size=periods, max_size=periods))
    given: dict[str, object] = {"max_change": draw(st.one_of(forms))}
    if periods > 1 and draw(st.booleans()):
        given["held"] = draw(st.dictionaries(st.sampled_from(names), st.integers(0, periods)))
    else:
        given["held"] = draw(st.one_of(st.just(()), st.just(()), st.sets(st.sampled_from(names)), st.just(names)))
    if "turnover" in features and draw(st.booleans()):
        given["max_turnover"] = draw(share)
    if "directions" in features:
        for key in ("max_increase", "max_decrease"):
            given[key] = draw(st.one_of(st.none(), st.none(), share, st.dictionaries(st.sampled_from(names), share)))
        given["max_change_relative"] = draw(st.one_of(st.none(), st.none(), st.sampled_from([0.5, 1.0])))
        given[draw(st.sampled_from(["only_increase", "only_decrease"]))] = draw(st.sets(st.sampled_from(names)))
    if "hold after change" in features:
        given["hold_after_change"] = draw(st.integers(0, 2))
    if "turnover cost" in features:
        given["turnover_cost"] = draw(st.one_of(st.none(), tiers(grid)))
    if "max_moves" in features:
        given["max_moves"] = draw(st.one_of(st.none(), st.integers(0, 3)))
    if "min_move" in features:
        given["min_move"] = draw(st.integers(0, 3)) / (grid or 10)
    groups = []
    if features & {"groups", "active", "group floors", "least active"}:
        members = draw(st.sets(st.sampled_from(names), min_size=1))
        now = sum(current[name] for name in members)
        cap = draw(st.one_of(share, st.just(now), st.just(now))) if "groups" in features else None
        active = draw(st.integers(1, 2)) if "active" in features else None
        floor = least = None
        if "group floors" in features:
            floor = draw(st.one_of(share, st.just(now), st.just(0.0)))
            floor = floor if cap is None else min(floor, cap)
        if "least active" in features:
            least = draw(st.integers(1, len(members)))
        groups.append(Group("shared", tuple(sorted(members)), cap, active, floor, least))
    if "rules" in features and draw(st.booleans()):
        given["rules"] = [draw(relations(current, grid))]
    return Limits(**given, groups=tuple(groups), allow_one_unit="one_unit" in features and draw(st.booleans()))


@st.composite
def scenarios(draw: st.DrawFn, specs: list[ProtocolSpec], grid: int | None, periods: int) -> Scenarios:
    """One to four scenarios: rates for flat protocols, factors for others, some protocols in neither."""
    count = draw(st.integers(1, 4))
    tables: dict[str, dict[str, list[object]]] = {"rates": {}, "factors": {}}
    for spec in specs:
        flat = spec.curve.is_flat if isinstance(spec.curve, EarningsCurve) else all(c.is_flat for c in spec.curve)
        table = draw(st.sampled_from(["rates", "factors", "factors"] if flat else ["factors"]))
        entry = rates(grid) if table == "rates" else st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0])
        if periods > 1:
            entry = st.one_of(entry, st.lists(entry, min_size=periods, max_size=periods))
        tables[table][spec.name] = [draw(entry) for _ in range(count)]
    weights = [draw(st.integers(1, 4)) for _ in range(count)]
    return Scenarios(**tables, probabilities=[weight / sum(weights) for weight in weights])


@st.composite
def problems(
    draw: st.DrawFn,
    kind: str,
    grid: int | None = None,
    sizes: tuple[int, int] = (1, 5),
    periods: tuple[int, int] = (2, 3),
) -> AllocationProblem:
    """A problem of one of KINDS; in half of them staying is allowed, some of the others are infeasible on purpose."""
    features = KINDS[kind]
    names = NAMES[: draw(st.integers(*sizes))]
    steps = draw(st.integers(*periods)) if "periods" in features else 1
    given: dict[str, object] = {"periods": steps, "horizon_hours": draw(st.sampled_from([1.0, 0.5, 24.0]))}
    idle = "idle" in features and draw(st.booleans())
    available = 1.0
    if "reserve" in features:
        given["capacity"] = draw(st.sampled_from([1.0, 0.5, 0.75]))
        given["reserve"] = draw(st.sampled_from([0.0, 0.25]))
        available = given["capacity"] - given["reserve"]
    current = draw(starts(len(names), available, grid, idle))
    specs = [draw(protocols(name, share, features, grid, steps)) for name, share in zip(names, current, strict=True)]
    if "resources" in features:
        use = st.sampled_from([0.0, 0.5, 1.0, 2.0])
        bounded = "no capacity" in features
        specs = [
            replace(spec, uses={"cpu": draw(use) + (0.5 if bounded else 0.0), "disk": draw(use)}) for spec in specs
        ]
        given["resources"] = {}
        for key in ("cpu", "disk"):
            now = sum(spec.uses[key] * share for spec, share in zip(specs, current, strict=True))
            given["resources"][key] = draw(st.sampled_from([now, now, 0.5, 1.0, 2.0, 4.0]))
        if bounded:
            given["capacity"] = None
    if "scenarios" in features:
        given["scenarios"] = draw(scenarios(specs, grid, steps))
    if "cvar" in features:
        level, weight = draw(st.sampled_from([0.0, 0.5, 0.9])), draw(st.sampled_from([0.0, 0.3, 1.0]))
        given["risk"] = CVaR(level, weight)
    if "robust" in features:
        radius = draw(
            st.one_of(st.sampled_from([0.0, 0.5, 2.0]), st.dictionaries(st.sampled_from(names), st.just(1.0)))
        )
        given["risk"] = RateUncertainty(radius, draw(st.sampled_from([0.0, 1.0, 1.5, 2.0, 9.0])))
    problem = AllocationProblem(
        specs,
        dict(zip(names, current, strict=True)),
        allow_idle=idle,
        limits=draw(limits(dict(zip(names, current, strict=True)), features, grid, steps)),
        **given,
    )
    return staying_allowed(problem) if draw(st.booleans()) else problem


def staying_allowed(problem: AllocationProblem) -> AllocationProblem:
    """The problem with bounds, capacities and groups widened as far as the present shares need it."""
    current, total = problem.current, sum(problem.current.values())
    specs = []
    for spec in problem.specs:
        now, most, lock = current[spec.name], spec.max_share, spec.lock_in
        specs.append(
            replace(
                spec,
                max_share=None if most is None else max(most, now),
                min_share=min(spec.min_share, now),
                lock_in=None if lock is None else replace(lock, share=min(lock.share, now)),
            )
        )
    groups = []
    for group in problem.limits.groups:
        held = [current[name] for name in group.members]
        cap = None if group.max_share is None else max(group.max_share, sum(held))
        active = None if group.max_active is None else max(group.max_active, sum(share > 0.0 for share in held))
        floor = None if group.min_share is None else min(group.min_share, sum(held))
        least = None if group.min_active is None else min(group.min_active, sum(share >= 1e-6 for share in held))
        groups.append(replace(group, max_share=cap, max_active=active, min_share=floor, min_active=least))
    rules = []
    for rule in problem.limits.rules:
        now = sum(weight * current[name] for name, weight in rule.coefficients.items())
        low, high = rule.bounds
        low, high = None if low is None else min(low, now), None if high is None else max(high, now)
        rules.append(LinearRule(rule.coefficients, high, low))
    resources = {
        key: max(most, sum(spec.uses.get(key, 0.0) * current[spec.name] for spec in specs))
        for key, most in problem.resources.items()
    }
    capacity = problem.capacity
    if capacity is not None:
        needed = total + problem.reserve
        capacity = max(capacity, needed) if problem.allow_idle else needed
    return replace(
        problem,
        protocols=specs,
        capacity=capacity,
        resources=resources,
        limits=replace(problem.limits, groups=tuple(groups), rules=tuple(rules)),
    )
