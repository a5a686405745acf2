"""The main job on one real machine: plan, reasons, what the limits cost, a picture."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..allocation.allocate import allocate
from ..problem.tables import problem_from_dict
from ..text.columns import table
from ..text.numbers import percent, shown, usd
from .plan_text import money_text, picture, plan_table, prices_text, proof_text
from .screen import Screen

if TYPE_CHECKING:
    from ..allocation.result import Allocation
    from ..problem import AllocationProblem

CASE = "operator.toml"


def case_text() -> str:
    """The shipped case as it stands in its file."""
    return files("reallot.cli").joinpath("cases", CASE).read_text(encoding="utf-8")


def case() -> AllocationProblem:
    """The shipped case: a machine with four cards, room for eight terabytes and one public address."""
    import tomllib

    return problem_from_dict(tomllib.loads(case_text()))


def without_choices(problem: AllocationProblem) -> AllocationProblem:
    """The same problem with everything left out that makes it a search: units, entry shares, fees, counts, resources.

    Each of these only forbids or costs something, so no plan of `problem` is worth more than the best one of this.
    """
    limits = replace(problem.limits, max_moves=None, min_move=0.0, groups=())
    specs = [replace(spec, step=0.0, entry_share=0.0, move_fee=0.0, uses={}) for spec in problem.specs]
    return replace(problem, protocols=specs, limits=limits, resources={})


def demo_text(stream: Any) -> str:
    """Everything that `reallot demo` prints, for what `stream` can show."""
    screen, problem = Screen.of(stream), case()
    plan = allocate(problem)
    parts = [
        f"One machine, {len(problem.names)} earners, planned for {problem.horizon_hours:g} hours. "
        "Shares are parts of the machine.",
        plan_table(plan, screen),
        picture(plan, screen),
        money_text(plan),
        limits_text(plan),
        prices_text(plan, screen),
        bound_text(plan, screen),
        proof_text(plan, screen),
        "The case, to make your own:  reallot demo --toml > machine.toml;  reallot solve machine.toml",
    ]
    return "\n\n".join(part for part in parts if part)


def limits_text(plan: Allocation) -> str:
    """What each limit costs, dearest first."""
    from ..allocation.explain import explain
    from ..allocation.time_budget import PATIENT

    limits = explain(plan, budget_seconds=PATIENT).limits
    rows = [[f"  {shown(limit.name)}", usd(limit.usd_per_hour)] for limit in limits if limit.usd_per_hour > 0.0]
    free = [shown(limit.name) for limit in limits if limit.usd_per_hour == 0.0]
    if free:
        rows.append([f"  {', '.join(free)}", "nothing now"])
    return f"What each limit costs (USD/h, that one alone taken away):\n{table(rows)}" if rows else ""


def bound_text(plan: Allocation, screen: Screen) -> str:
    """What whole units, fees and counts cost: the plan against the exact optimum without them."""
    relaxed = allocate(without_choices(plan.problem), solver="exact")
    milliseconds, gap = relaxed.timings["solve"] * 1e3, relaxed.certificate.gap or 0.0
    return screen.folded(
        "Without whole cards, fees, counts and shared resources, sorting alone finds the best plan "
        f"({milliseconds:.1f} ms, proved by prices to {max(gap, 1e-16):.0e}): net {usd(relaxed.net_benefit)} USD. "
        "Nothing under all rules can beat that; "
        f"the plan above keeps {percent(plan.net_benefit / relaxed.net_benefit)} of it."
    )


def write_plot(path: Path) -> None:
    """Draws the plan to an image file (needs matplotlib)."""
    from ..plots import plan_figure, save

    save(plan_figure(allocate(case())), path)
