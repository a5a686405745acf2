"""The answer in domain words: shares, moves, money, prices, certificate and reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, IntArray
from ..problem.by_value import ByValue
from ..problem.objective import Value, turnover, value
from ..program import Certificate, LinearProgram
from ..text.numbers import amount, finite, shown, usd
from .moves import Move
from .reasons import notes_on, reasons, stopped_note
from .shadow_prices import Price, prices

if TYPE_CHECKING:
    import pandas as pd

    from ..plots.paper import Figure
    from ..solvers.interface.result import NoFeasibleSplit
    from ..solvers.single_period.concave_curves import Matching


@dataclass(frozen=True, eq=False, repr=False)
class Allocation(ByValue):
    """A certified plan, as `allocate` returns it.

    Shares are in the unit of capacity, earnings in USD/h, costs and benefits in USD over the horizon.

    Parameters
    ----------
    problem
        The problem that was decided.
    schedule
        Shares (periods, protocols), read only. The first row is the plan; later rows are what comes after.
    status
        "optimal", or "stopped" where a search ended at its time limit with a feasible plan.
    solver, solver_reason
        The solver that answered, and why that one.
    certificate
        Residuals and gap, computed without trusting the solver.
    can_stay
        True where the present shares meet every rule.
    note
        Why a better plan is set aside. "" where none is.
    timings
        Seconds spent: formulate, solve, certify, total.
    set_aside
        Shares (periods, protocols) of the best plan where `min_gain` or `plan_fee` keeps it from being made. None
        elsewhere.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate
    >>> plan = allocate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}))
    >>> plan.status, plan.certificate.is_optimal, round(plan.net_benefit, 9)
    ('optimal', True, 0.7)
    """

    problem: AllocationProblem
    schedule: FloatArray
    status: str
    solver: str
    solver_reason: str
    certificate: Certificate
    can_stay: bool
    note: str = ""
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    set_aside: FloatArray | None = None

    def __post_init__(self) -> None:
        for array in (self.schedule, self.set_aside):
            if array is not None:
                array.flags.writeable = False

    @cached_property
    def program(self) -> LinearProgram:
        """The linear program of the problem; made when asked for where the answer did not need it."""
        from ..formulation import formulate

        return formulate(self.problem)

    @property
    def shares(self) -> pd.Series[float]:
        """The split to apply now: a pandas Series by protocol name, a copy each time."""
        import pandas as pd

        return pd.Series(self.schedule[0].copy(), index=list(self.problem.names), name="share")

    @cached_property
    def value(self) -> Value:
        """Earnings and costs of the plan, by period and protocol."""
        return value(self.problem, self.schedule)

    @cached_property
    def stay_value(self) -> Value:
        """Earnings of the present shares held throughout, on the same footing (no moves, so no costs)."""
        return value(self.problem, self.problem.arrays.staying)

    @property
    def earnings_per_hour(self) -> float:
        """Expected earnings of the plan, mean over the horizon (USD/h), before costs."""
        return self.value.earnings_per_hour

    @property
    def improvement_per_hour(self) -> float:
        """Earnings of the plan less those of staying (USD/h), before costs."""
        gained = self.value.earnings - self.stay_value.earnings
        return float(gained.sum() / len(gained))

    @property
    def cost(self) -> float:
        """Transaction costs of all moves over the horizon (USD): proportional costs, tiers, fees and warm-up."""
        return self.value.cost

    @property
    def net_benefit(self) -> float:
        """Worth of the plan less the worth of staying over the horizon (USD): horizon * improvement - cost."""
        gained = self.value.earnings - self.stay_value.earnings  # first by protocol: what does not move is nothing
        ended = self.value.end_value - self.stay_value.end_value
        return float(gained.sum() * self.value.hours) - self.cost + ended

    @cached_property
    def turnover(self) -> float:
        """Half of the sum of absolute changes now, idle capacity counted as one more place."""
        return float(turnover(self.problem, self.schedule)[0])

    @property
    def idle(self) -> float:
        """Capacity, less the reserve, that the plan leaves unused; 0 where there is no capacity."""
        available = self.problem.available
        return 0.0 if available is None else max(0.0, available - float(self.schedule[0].sum()))

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The moves to make now, in the protocols' order; empty where the plan is to stay."""
        names, places = self.problem.names, self.moved
        plan, stay = self.value, self.stay_value
        gain = (plan.earnings[:, places] - stay.earnings[:, places]).sum(axis=0) * plan.hours
        shares = self.problem.arrays.current[places], self.schedule[0, places]
        columns = (places, *shares, gain, plan.costs[:, places].sum(axis=0))
        found = zip(*(column.tolist() for column in columns), strict=True)
        return tuple([Move(names[i], *numbers) for i, *numbers in found])

    @cached_property
    def moved(self) -> IntArray:
        """Positions of the protocols that change now, in order."""
        places: IntArray = np.nonzero(self.schedule[0] != self.problem.arrays.current)[0]
        return places

    @cached_property
    def matching(self) -> Matching | NoFeasibleSplit:
        """What the exact path bought and sold, with the slopes around it; only where that path does not decline."""
        from ..solvers.single_period.concave_curves import match

        return match(self.problem)

    @cached_property
    def prices(self) -> dict[str, Price]:
        """Shadow price of every shared limit, and of every protocol's own limit that binds, by name (USD/h per unit).

        With fees, units or other whole numbers, the prices hold given these choices. Where `min_gain` or `plan_fee`
        keeps the plan from moving, the prices are those of the plan that is set aside.
        """
        return prices(
            self.problem,
            self.schedule if self.set_aside is None else self.set_aside,
            matching=(lambda: self.matching) if self.solver == "exact" and not self.problem.limits.groups else None,
            program=lambda: self.program,
            tolerance=self.certificate.tolerance,
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Further facts in words: a plan set aside, a stopped search, unreachable protocols, idle limits."""
        note = (self.note,) if self.note else ()
        stopped = (stopped_note(self.certificate),) if self.status == "stopped" else ()
        return (*note, *stopped, *notes_on(self.problem, self.schedule))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for this plan in a few sentences; `explain` says more."""
        stopped = self.status == "stopped"
        no_move = "the search found no move" if stopped else "no move that the limits allow is"
        return reasons(
            self.problem,
            self.schedule,
            self.value,
            self.stay_value,
            self.moved,
            self.can_stay,
            self.notes,
            "" if self.set_aside is not None else no_move,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the plan as a table.

        Returns
        -------
        pandas.DataFrame
            One row per protocol: today, plan and change (share), gain and cost (USD over the horizon).
        """
        import pandas as pd

        current = self.problem.arrays.current
        return pd.DataFrame(
            {
                "today": current.copy(),
                "plan": self.schedule[0].copy(),
                "change": self.schedule[0] - current,
                "earnings_per_hour": self.value.earnings[0],
                "gain": ((self.value.earnings - self.stay_value.earnings) * self.value.hours).sum(axis=0),
                "cost": self.value.costs.sum(axis=0),
            },
            index=pd.Index(self.problem.names, name="protocol"),
        )

    def schedule_frame(self) -> pd.DataFrame:
        """Return the shares of every period as a table.

        Returns
        -------
        pandas.DataFrame
            Shares (periods, protocols).
        """
        import pandas as pd

        index = pd.RangeIndex(self.problem.periods, name="period")
        return pd.DataFrame(self.schedule.copy(), index=index, columns=list(self.problem.names))

    def sensitivity(self) -> pd.DataFrame:
        """Return the ranges within which the plan stays as it is, per rate and per limit.

        Returns
        -------
        pandas.DataFrame
            One row per rate ("rate relay"), then one per limit by its name in `prices`: `unit`, `now`, `low` and
            `high`. Within a rate's range no other plan is worth more; the rate is shifted alike in all periods and
            scenarios, and all else stays. Within a limit's range the plan fits, and more of the limit makes no better
            one. An end is infinite where nothing beyond matters. It is NaN where that is not known: of limits with
            whole numbers, several goals or a plan that is set aside, and of rates where a goal asks for earnings.

        Raises
        ------
        InvalidInput
            Where the plan is a host's in a fleet, whose hosts are decided together.

        Examples
        --------
        >>> from reallot import AllocationProblem, Limits, allocate
        >>> problem = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(max_change=0.2))
        >>> plan = allocate(problem)
        >>> plan.sensitivity().loc["rate a", ["low", "high"]].astype(float).round(9).tolist()
        [1.0, inf]
        """
        from .ranges import ranges

        decide = vars(self).get("_decide")
        if decide is None:
            raise InvalidInput("a host's plan is decided with its fleet; allocate(plan.problem) decides it alone")
        aside = self.set_aside is not None
        return ranges(self.problem, self.schedule, self.program, self.prices, decide=decide, set_aside=aside)

    def plot(self) -> Figure:
        """Draw the shares today and planned, with the reasons; needs the extra `plot`.

        Returns
        -------
        matplotlib.figure.Figure
            The figure of `plots.plan_figure`.
        """
        from ..plots.plan import plan_figure

        return plan_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, ready for JSON.

        Returns
        -------
        dict
            Numbers, text, lists and tables only. A price without a finite end has None there.
        """
        certificate = asdict(self.certificate)
        return {
            "status": self.status,
            "shares": {name: float(share) for name, share in zip(self.problem.names, self.schedule[0], strict=True)},
            "moves": [asdict(move) | {"change": move.change} for move in self.moves],
            "earnings_per_hour": self.earnings_per_hour,
            "improvement_per_hour": self.improvement_per_hour,
            "cost": self.cost,
            "net_benefit": self.net_benefit,
            "turnover": self.turnover,
            "idle": self.idle,
            "prices": {name: [finite(end) for end in price] for name, price in self.prices.items()},
            "certificate": certificate,
            "solver": self.solver,
            "solver_reason": self.solver_reason,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "timings": dict(self.timings),
        }

    def to_json(self, indent: int | None = 2) -> str:
        """Return `to_dict` as JSON text.

        Parameters
        ----------
        indent
            Spaces per level. None is one line.

        Returns
        -------
        str
            The JSON text.
        """
        import json

        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def _repr_html_(self) -> str:
        from ..text.html_tables import result_as_html

        frame = self.to_frame()
        title = f"{self.status} plan, net benefit {usd(self.net_benefit)} USD over {self.problem.horizon_hours:g} h"
        head = ["protocol", *frame.columns]
        about = f"{self.solver}: {self.certificate}"
        return result_as_html(title, head, list(frame.itertuples()), sentences=self.reasons, about=about)

    def __repr__(self) -> str:
        first = [f"{shown(m.protocol)[:40]} {amount(m.before)} -> {amount(m.after)}" for m in self.moves[:4]]
        to, more = ", ".join(first), f" and {len(self.moves) - 4} more" if len(self.moves) > 4 else ""
        worth = f"net benefit {usd(self.net_benefit)} USD over {self.problem.horizon_hours:g} h"
        return f"<Allocation: {self.status} by {self.solver}, {to + more or 'stay'}; {worth}>"

    def __str__(self) -> str:
        frame = self.to_frame().round(4)
        frame.index = frame.index.map(shown)
        return "\n".join([frame.to_string(), "", *(f"- {shown(reason)}" for reason in self.reasons)])
