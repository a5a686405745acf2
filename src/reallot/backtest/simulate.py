"""One policy walked through a table: it sees what is known by then, its step is taken within all limits."""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InvalidInput
from ..policy.base import Confident, Observation, Policy, SeesFuture, Target, Terms, Values, decided
from ..policy.confidence import is_below_gate
from ..policy.decision_step import SAME, Room, plan, room_of
from ..problem import AllocationProblem
from .exploration import explored, floored
from .plan_confidence import PlanConfidence
from .settings import Setting
from .table import FloatArray, RateTable

MOST_KEPT = 256
"""Problems kept for different sets of shares on hold."""
NEVER = -(10**9)
"""The step of a change that never was."""


@dataclass(frozen=True)
class Course:
    """What all runs share: the table, what is read of it and when, and the step as a problem.

    `start` are the shares before the first step; those of `problem` have the floors of exploration, where there are
    any. A step that is known to be less `sure`, a probability, is not taken.
    """

    table: RateTable
    terms: Terms
    start: FloatArray
    problem: AllocationProblem
    readings: FloatArray
    lag: int
    hold: int
    per_hour: int | None
    least: float | None
    sure: float = 0.0

    @classmethod
    def of(cls, table: RateTable, setting: Setting) -> Course:
        """The course of a table in a setting; raises InvalidInput where they do not fit."""
        problem = setting.problem(table)
        if room_of(problem) is None and not plan(None, problem).can_stay:
            raise InvalidInput("the shares at the start break a rule of the limits; give a start that meets them")
        terms = setting.terms(table)
        if explored(setting) == "floor" and setting.max_per_hour != 0:
            problem, terms = floored(problem, terms)
        return cls(
            table,
            terms,
            setting.shares(table),
            problem,
            setting.readings(table),
            setting.data_lag,
            setting.hold_steps(table),
            setting.max_per_hour,
            setting.least if setting.feedback == "bandit" else None,
            setting.min_confidence,
        )

    def seen(self, step: int, shares: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Newest readings and quotes when `step` is decided; `shares` (steps, n) says what was held and so was read."""
        row = step - self.lag
        rates = self.readings[row].copy()
        if self.least is not None:
            rates[shares[row] < self.least - SAME] = np.nan
        return rates, None if self.table.quotes is None else self.table.quotes[row].copy()


def walk(policy: Policy, course: Course, said: PlanConfidence | None = None) -> FloatArray:
    """(steps, n) shares of each step, on a copy of the policy; `said` is filled with what it says of its plans.

    It is first asked when there is a first reading; one that sees the future (it has `foresee`) is told the table and
    asked from the first step on. Where the first step has to set floors, it does nothing else.
    """
    policy = deepcopy(policy)
    knows = isinstance(policy, SeesFuture)
    if isinstance(policy, SeesFuture):
        policy.foresee(course.table.rates, course.terms)
    steps, blind = course.table.steps, np.full(len(course.start), np.nan)
    shares = np.empty((steps, len(course.start)))
    walker = Walker(course, policy if course.sure > 0.0 and isinstance(policy, Confident) else None)
    for step in range(steps):
        rates, quotes = (blind, None) if step < course.lag else course.seen(step, shares)
        if (step >= course.lag or knows) and not walker.moved(step):
            now = walker.now
            answer = policy.decide(Observation(course.terms, step, now, rates, quotes))
            if answer is not None:
                decision = decided(answer, course.terms, policy.name)
                if decision is not None:
                    walker.step(step, decision)
                    if said is not None and walker.now is not now:
                        said.note(policy, step, walker.now - now)
        shares[step] = walker.now
    return shares


class Walker:
    """The shares in force and what their changes forbid: holds, and the budget of steps with a change in an hour.

    gate  who says how sure a step for values is; one that is less sure than the course asks is not taken
    """

    def __init__(self, course: Course, gate: Confident | None = None) -> None:
        self.now, self._gate = _frozen(course.start), gate
        self._course = course
        limits = course.problem.limits
        self._simple = room_of(course.problem) is not None and not (
            limits.min_gain or limits.plan_fee or limits.has_directions
        )
        self._last = np.full(course.start.size, NEVER)
        self._changes: deque[int] = deque()
        self._hour = 1.0 / course.table.step_hours
        self._problems: dict[bytes, AllocationProblem] = {}
        data = course.problem.arrays
        self._low, self._high, self._most = data.lower[0], data.upper[0], data.max_change[0]
        self._turnover = 1.0 if data.max_turnover is None else float(data.max_turnover[0])
        self._cost = course.terms.move_cost
        self._go(0, data.current)

    def moved(self, step: int) -> bool:
        """True where shares have changed in this step."""
        return bool((self._last == step).any())

    def step(self, step: int, decision: Target | Values) -> None:
        """Takes the step that a decision asks for, as far as it may go."""
        now = self.now
        if decision.turnover == 0.0:
            return
        if isinstance(decision, Target) and np.abs(decision.shares - now).max() <= SAME:
            return
        held = step - self._last < self._course.hold
        room = self._room(held, min(self._turnover, decision.turnover))
        if isinstance(decision, Values) and not room.can_pay(decision.values, now, self._cost):
            return
        if self._spent(step):
            return
        if isinstance(decision, Target) and self._simple:
            after = room.toward(decision.shares, now)
        else:
            after = plan(decision, self._problem(held)).schedule[0]
        gate = self._gate if isinstance(decision, Values) else None
        if gate is not None and is_below_gate(gate.confidence(after - now), self._course.sure):
            return
        self._go(step, after)

    def _go(self, step: int, after: FloatArray) -> None:
        changed_now = after != self.now
        if changed_now.any():
            self._last[changed_now] = step
            self._changes.append(step)
            self.now = _frozen(after)

    def _room(self, held: np.ndarray[tuple[int], np.dtype[np.bool_]], turnover: float) -> Room:
        low = np.maximum(self._low, self.now - self._most)
        high = np.minimum(self._high, self.now + self._most)
        if held.any():
            low, high = np.where(held, self.now, low), np.where(held, self.now, high)
        return Room(low, high, turnover)

    def _spent(self, step: int) -> bool:
        """True where the budget of the last hour is used up."""
        budget, changes = self._course.per_hour, self._changes
        if budget is None:
            changes.clear()
            return False
        while changes and step - changes[0] >= self._hour - 1e-9:
            changes.popleft()
        return len(changes) >= budget

    def _problem(self, held: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> AllocationProblem:
        """The step from the present shares, with these on hold."""
        base, key = self._course.problem, held.tobytes()
        if held.any():
            if key not in self._problems:
                if len(self._problems) >= MOST_KEPT:
                    self._problems.clear()
                names = {name for name, stays in zip(base.names, held.tolist(), strict=True) if stays}
                limits = replace(base.limits, held=names | set(base.limits.held))
                self._problems[key] = replace(base, limits=limits)
            base = self._problems[key]
        return base.update(current=self.now, order=base.names)


def _frozen(shares: FloatArray) -> FloatArray:
    shares = shares.copy()
    shares.setflags(write=False)
    return shares
