"""Costs that change with the size of a change: tiers as somebody writes them, and as arrays beside the first price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import InvalidInput
from .segments import BoolArray, FloatArray, IntArray
from .validation import brief, in_order, number

ROUNDING = 1e-9
"""A change that is beyond the end of a tier by no more than this is in it: in shares, or as a part of one above 1."""
REST = "rest"
"""How a file says the width of the last tier: TOML has no null."""


@dataclass(frozen=True)
class Tiers:
    """Prices of a change by its size: the first units at one price, the next ones at another.

    Parameters
    ----------
    steps
        (width, price) of each tier, from the first unit on: width in the unit of capacity, price in USD per unit. The
        width of the last tier is None: it takes the rest.

    Raises
    ------
    InvalidInput
        Where a width is not above 0, a price is negative, or None stands anywhere but last.

    Notes
    -----
    Prices that rise are a convex cost, which sorting answers exactly. Prices that fall are answered with a whole number
    for each tier. A fixed part is `move_fee` of the protocol, or `plan_fee` of the plan.

    Examples
    --------
    >>> from reallot import Tiers
    >>> Tiers([(0.1, 0.02), (0.2, 0.05), (None, 0.2)]).cost(0.5)
    0.052
    """

    steps: Sequence[tuple[float | None, float]]

    def __post_init__(self) -> None:
        given = in_order(self.steps, "tiers", "(width, price) pairs, such as [(0.1, 0.02), (None, 0.2)]")
        if not given:
            raise InvalidInput("tiers are empty; give at least one, such as [(None, 0.02)]")
        last, checked = len(given) - 1, []
        for k, each in enumerate(given):
            if not isinstance(each, (tuple, list)) or len(each) != 2:
                shown = brief(each) if isinstance(each, (int, float, str, tuple, list)) else "no pair"
                raise InvalidInput(f"tier {k + 1} is {shown}; give (width, price), such as (0.1, 0.02)")
            width, price = each[0], number(each[1], f"price of tier {k + 1} (USD per unit)", 0.0)
            is_open = width is None or width == REST or width == np.inf
            if is_open and k < last:
                raise InvalidInput(f"tier {k + 1} of {last + 1} has no width and is not the last; it must be a number")
            if not is_open:
                width = number(width, f"width of tier {k + 1}", 0.0)
                if width == 0.0:
                    raise InvalidInput(f"tier {k + 1} has width 0; give a width above 0, or leave the tier out")
                if k == last:
                    raise InvalidInput(
                        f"the last tier ends after {width:g}; what a larger change costs is not said: "
                        f"give (None, {price:g}) as the last tier, or one more after it"
                    )
            checked.append((None if is_open else width, price))
        object.__setattr__(self, "steps", tuple(checked))

    @classmethod
    def from_depth(cls, table: Any, *, beyond: float | None = None) -> Tiers:
        """Make tiers of a market-depth table: how much each level takes, and what a unit costs there.

        Parameters
        ----------
        table
            A DataFrame with the columns `size` (unit of capacity) and `cost` (USD per unit, above the best price), or
            (size, cost) pairs; levels in any order.
        beyond
            Cost (USD per unit) of what is more than all levels take. None is the dearest level's.

        Returns
        -------
        Tiers
            The levels from the cheapest on; levels of equal cost are one tier.

        Raises
        ------
        InvalidInput
            Where the table has no such columns, or `beyond` is below the dearest level.

        Examples
        --------
        >>> from reallot import Tiers
        >>> Tiers.from_depth([(0.2, 0.05), (0.1, 0.02)], beyond=0.2).steps
        ((0.1, 0.02), (0.2, 0.05), (None, 0.2))
        """
        if hasattr(table, "columns"):
            missing = [key for key in ("size", "cost") if key not in list(table.columns)]
            if missing:
                raise InvalidInput(f"the depth table has no column {missing[0]!r}; give the columns 'size' and 'cost'")
            levels: list[Any] = list(zip(table["size"].tolist(), table["cost"].tolist(), strict=True))
        else:
            levels = list(in_order(table, "the depth table", "(size, cost) pairs"))
        totals: dict[float, float] = {}
        for k, level in enumerate(levels):
            if not isinstance(level, (tuple, list)) or len(level) != 2:
                raise InvalidInput(f"level {k + 1} is {brief(level)}; give (size, cost), such as (0.1, 0.02)")
            size, cost = (
                number(level[0], f"size of level {k + 1}", 0.0),
                number(level[1], f"cost of level {k + 1}", 0.0),
            )
            totals[cost] = totals.get(cost, 0.0) + size
        steps = [(size, cost) for cost, size in sorted(totals.items()) if size > 0.0]
        if not steps:
            raise InvalidInput("the depth table has no level with a size above 0; give at least one")
        dearest = steps[-1][1]
        rest = dearest if beyond is None else number(beyond, "beyond (USD per unit)", 0.0)
        if rest < dearest:
            raise InvalidInput(f"beyond is {rest:g}, below the dearest level {dearest:g}; give at least {dearest:g}")
        return cls([*(steps[:-1] if rest == dearest else steps), (None, rest)])

    @property
    def prices(self) -> tuple[float, ...]:
        """Price of each tier, USD per unit."""
        return tuple(price for _, price in self.steps)

    @cached_property
    def starts(self) -> tuple[float, ...]:
        """Size of a change at which each tier begins, 0 for the first."""
        result = [0.0]
        for width, _ in self.steps[:-1]:
            result.append(result[-1] + float(width or 0.0))
        return tuple(result)

    @property
    def least(self) -> float:
        """The lowest price, USD per unit."""
        return min(self.prices)

    @property
    def is_rising(self) -> bool:
        """True where no tier is cheaper than the one before it."""
        return all(before <= after for before, after in pairwise(self.prices))

    def cost(self, change: float) -> float:
        """Return what a change costs.

        Parameters
        ----------
        change
            Size of the change, in the unit of capacity.

        Returns
        -------
        float
            USD.
        """
        size = abs(change)
        ends = (*self.starts[1:], np.inf)
        spans = zip(self.starts, ends, self.prices, strict=True)
        return float(sum((min(size, end) - start) * price for start, end, price in spans if size > start))


def first_price(cost: Any) -> Any:
    """The price of the first unit in the first period, USD; None stays None."""
    if isinstance(cost, Tiers):
        return cost.steps[0][1]
    return cost[0] if isinstance(cost, tuple) else cost


@dataclass(frozen=True)
class MoveTiers:
    """The tiers after the first of all protocols' changes, those of one protocol and way side by side, K of them.

    owner   (K,) position of the protocol
    sign    (K,) 1.0 for tiers of taking, -1.0 for tiers of giving
    start   (K,) size of the change at which the tier begins
    price   (K,) USD per unit in the tier
    before  (K,) USD per unit in the tier before it; the protocol's cost_in or cost_out for the second tier
    """

    owner: IntArray
    sign: FloatArray
    start: FloatArray
    price: FloatArray
    before: FloatArray

    @cached_property
    def extra(self) -> FloatArray:
        """What a unit costs more in the tier than in the one before, (K,), USD; below 0 where prices fall."""
        return self.price - self.before

    @cached_property
    def falls(self) -> BoolArray:
        """True for tiers that are cheaper than the one before, (K,)."""
        result: BoolArray = self.extra < 0.0
        return result

    @cached_property
    def is_second(self) -> BoolArray:
        """True for the first tier here of each protocol and way, (K,)."""
        result = np.ones(self.owner.size, dtype=bool)
        result[1:] = (np.diff(self.owner) != 0) | (np.diff(self.sign) != 0.0)
        return result

    def over(self, change: FloatArray) -> FloatArray:
        """How far changes (periods, protocols) go beyond the start of each tier: (periods, K)."""
        return _beyond(self.sign * change[:, self.owner], self.start)

    def cost(self, change: FloatArray) -> FloatArray:
        """What changes (periods, protocols) cost above the first tier's price: the same shape, USD."""
        result = np.zeros(change.shape)
        np.add.at(result.T, self.owner, (self.extra * self.over(change)).T)
        return result

    def marginals(self, change: FloatArray, sign: float, near: float) -> tuple[FloatArray, FloatArray]:
        """Price above the first tier's of the next and of the last unit of changes (protocols,) in one direction."""
        size, mine = sign * change[self.owner], self.sign == sign
        count = change.size
        following, last = ((mine & reached) for reached in (size >= self.start - near, size > self.start + near))
        more, less = (
            np.asarray(np.bincount(self.owner[which], weights=self.extra[which], minlength=count), dtype=float)
            for which in (following, last)
        )
        return more, less

    def priced(self, price: FloatArray, cost_in: FloatArray, cost_out: FloatArray) -> MoveTiers:
        """The same tiers at other prices (K,), after first tiers at cost_in and cost_out ([periods,] protocols)."""
        before = np.concatenate(([0.0], price[:-1]))
        # costs in tiers do not differ by period
        base = np.where(self.sign > 0.0, cost_in[..., self.owner], cost_out[..., self.owner])
        base = base if base.ndim == 1 else base[0]
        result = replace(self, price=price, before=np.where(self.is_second, base, before))
        vars(result).update(is_second=self.is_second, layout=self.layout)
        return result

    @cached_property
    def layout(self) -> IntArray:
        """Place of each tier among all, those of one protocol ordered along its share, (K,)."""
        along = self.sign * self.start
        order = np.lexsort((along, self.owner))
        place = np.empty(order.size, dtype=np.intp)
        place[order] = np.arange(order.size)
        return place

    def intervals(self, size: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The intervals of share between the tiers of `size` protocols, from the largest decrease up.

        Owner of each, place of the one that begins at each tier's edge (K,), first of each protocol, and how many.
        """
        count = np.bincount(self.owner, minlength=size) + 1
        first = np.cumsum(count) - count
        return np.arange(size).repeat(count), self.layout + self.owner + 1, first, count


def tier_rows(given: Mapping[int, Mapping[str, float | Tiers]]) -> MoveTiers | None:
    """The tiers of protocols, {row: {field: cost}}, beside their first prices; None where each has one price."""
    ways: list[tuple[int, float, Tiers]] = []
    for i in sorted(given):
        both = given[i].get("move_cost")
        for field, sign in (("move_cost_in", 1.0), ("move_cost_out", -1.0)):
            tiers = given[i].get(field, both)
            if isinstance(tiers, Tiers) and len(tiers.steps) > 1:
                ways.append((i, sign, tiers))
    if not ways:
        return None
    count = [len(tiers.steps) - 1 for _, _, tiers in ways]
    start = np.array([start for _, _, tiers in ways for start in tiers.starts[1:]])
    price = np.array([price for _, _, tiers in ways for _, price in tiers.steps[1:]])
    owner = np.array([i for i, _, _ in ways], dtype=np.intp).repeat(count)
    return MoveTiers(owner, np.array([sign for _, sign, _ in ways]).repeat(count), start, price, price)


@dataclass(frozen=True)
class TotalTiers:
    """Rising prices of the turnover of a period: start and price of each tier, (K,), the first from 0 on."""

    start: FloatArray
    price: FloatArray

    @classmethod
    def of(cls, tiers: Tiers) -> TotalTiers:
        """The tiers as arrays."""
        return cls(np.array(tiers.starts), np.array(tiers.prices))

    @cached_property
    def extra(self) -> FloatArray:
        """What a unit costs more in the tier than in the one before, (K,), USD."""
        return np.diff(self.price, prepend=0.0)

    def over(self, turnover: FloatArray) -> FloatArray:
        """How far turnovers (periods,) go beyond the start of each tier: (periods, K)."""
        return _beyond(turnover[:, None], self.start)

    def cost(self, turnover: FloatArray) -> FloatArray:
        """What turnovers (periods,) cost: the same shape, USD."""
        result: FloatArray = self.over(turnover) @ self.extra
        return result

    def marginals(self, turnover: float, near: float) -> tuple[float, float]:
        """Price of the last unit of a turnover, 0 where there is none, and of the next one."""
        last = int(self.start.searchsorted(turnover - near, side="left")) - 1
        following = int(self.start.searchsorted(turnover + near, side="right")) - 1
        return (float(self.price[last]) if last >= 0 else 0.0), float(self.price[following])

    def most(self, price: float, limit: float) -> float:
        """The most that price * turnover less its cost can be, for turnovers up to `limit`, USD."""
        ends = np.append(self.start[self.start < limit], limit)
        return float((price * ends - self.cost(ends)).max())


def _beyond(size: FloatArray, start: FloatArray) -> FloatArray:
    """How far sizes go beyond starts, 0 where by rounding; shapes that broadcast."""
    over = size - start
    result: FloatArray = np.where(over <= ROUNDING * np.maximum(1.0, start), 0.0, over)
    return result


def as_tiers(value: Any, what: str) -> Tiers:
    """Tiers, or what they are made of; raises InvalidInput naming `what`."""
    if isinstance(value, Tiers):
        return value
    if isinstance(value, (list, tuple)):
        return Tiers(value)
    raise InvalidInput(f"{what} is {brief(value)}; give Tiers([(0.1, 0.02), (None, 0.2)])")


def plain(tiers: Tiers) -> list[list[Any]]:
    """Tiers as a file holds them."""
    return [[REST if width is None else width, price] for width, price in tiers.steps]
