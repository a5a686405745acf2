"""All hand-solved cases, by the item of the problem that they show."""

from tests.known_cases import (
    Impossible,
    Known,
    change,
    costs,
    earnings,
    goals,
    holds,
    impossible,
    periods,
    relations,
    risk,
    shares,
    sharing,
    units,
)

ITEMS: dict[str, tuple[Known, ...]] = {
    "earnings": earnings.CASES,
    "shares": shares.CASES,
    "change": change.CASES,
    "holds": holds.CASES,
    "costs": costs.CASES,
    "units": units.CASES,
    "sharing": sharing.CASES,
    "periods": periods.CASES,
    "risk": risk.CASES,
    "relations": relations.CASES,
    "goals": goals.CASES,
}
KNOWN: tuple[Known, ...] = tuple(case for cases in ITEMS.values() for case in cases)
IMPOSSIBLE: tuple[Impossible, ...] = (*impossible.CASES, *relations.IMPOSSIBLE, *goals.IMPOSSIBLE)
