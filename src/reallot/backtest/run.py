"""A table, policies and a setting to a Backtest: every policy walked, never and the optimum beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from time import perf_counter
from typing import Any

from ..errors import InvalidInput
from ..policy.base import Policy, SeesFuture
from ..policy.registry import DEFAULT, policies_of, policy
from ..problem import Limits
from .accounting import account
from .exploration import explored, explorer
from .hindsight import hindsight
from .plan_confidence import PlanConfidence
from .result import Backtest, Optimum, Run
from .settings import Setting, require_setting
from .simulate import Course, walk
from .table import read_table


def run_all(
    table: Any,
    policies: str | Policy | Iterable[str | Policy] | None,
    setting: Setting | None,
    *,
    signal: Any = None,
    step_hours: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """What `reallot.backtest` gives; arguments and errors are said there.

    progress  called with (done, all) before the first and after each of the policies, never moving and the optimum
    """
    setting = Setting() if setting is None else setting
    require_setting(setting)
    trace = read_table(table, signal=signal, step_hours=step_hours)
    course = Course.of(trace, setting)
    chosen = policies_of(DEFAULT if policies is None else policies)
    names = ["optimum", *(each.name for each in chosen)]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidInput(f"two results would be named {twice!r}; they are by name, so give policies different ones")
    alone = course if explored(setting) == "none" else Course.of(trace, replace(setting, explore="none"))
    tell, count = progress or (lambda done, of: None), len(chosen) + 2
    tell(0, count)
    never = _run(policy("never"), alone)
    runs: dict[str, Run] = {}
    for done, each in enumerate(chosen, 1):
        tell(done, count)
        runs[each.name] = replace(_run(explorer(each, setting), course), name=each.name)
    tell(count - 1, count)
    optimum = _optimum(course, setting)
    tell(count, count)
    return Backtest(trace, setting, course.terms, course.start, optimum, never, runs)


def _run(policy: Policy, course: Course) -> Run:
    begun = perf_counter()
    said = PlanConfidence()
    shares = walk(policy, course, said)
    seconds = perf_counter() - begun
    shares.flags.writeable = False
    books = account(shares, course.start, course.table.rates, course.terms)
    return Run(policy.name, shares, books, seconds, sees_future=isinstance(policy, SeesFuture), said=said)


def _optimum(course: Course, setting: Setting) -> Optimum:
    """Of the whole table, under the limits that keep it a linear program: what it leaves out can only lower it."""
    begun = perf_counter()
    limits = setting.limits
    linear = Limits(max_change=limits.max_change, max_turnover=limits.max_turnover, held=limits.held)
    best = hindsight(replace(setting.whole_problem(course.table), limits=linear))
    books = account(best.shares, course.start, course.table.rates, course.terms)
    bound = max(best.bound, float(books.net.sum()))
    return Optimum("optimum", best.shares, books, perf_counter() - begun, sees_future=True, bound=bound, how=best.how)
