"""A regret budget: how much a policy may move, so that it never falls far below never moving; with the proven law."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..problem.validation import number
from .base import Confident, Decision, FloatArray, Observation, Policy, Target, Terms, decided
from .last_reading import LastReading, known

FLOOR_MOVES, FLOOR_PART = 3.0, 0.1
"""The way home is kept affordable above this floor: three full moves, and 10 % of what never moving earned."""
PART_OF_GAINS, PART_OF_NEVER = 0.5, 0.03
"""What may be spent: a third of the floor's moves, half of the gains over never moving, 3 % of what that earned."""
HOME = 1e-9
"""Shares that are so far from those of the start are home."""


class Books:
    """Books of one portfolio against never moving, in USD; the fees of every changed share are in them.

    start   (n,) shares before the first step: home
    gained  earned so far, less what `start` would have earned
    spent   paid for moves so far
    never   the most that never moving had earned at any time so far; at least 0
    earned  what never moving has earned so far
    fees    of a step that changes all shares
    most    what may be lost besides a part of what never moving earned; as a parameter, None is three full moves
    goes_home  True from the step when too little was left until the shares are home
    """

    def __init__(self, terms: Terms, start: FloatArray, most: float | None = None) -> None:
        self.start = start
        self.gained = self.spent = self.never = 0.0
        self._cost, self.fees = terms.move_cost, terms.move_fee * terms.size
        self._fee, self._hours = terms.move_fee, terms.step_hours
        self.most = FLOOR_MOVES * self.full_move if most is None else most
        self.earned, self.goes_home = 0.0, False

    @property
    def full_move(self) -> float:
        """What a step costs that moves everything and pays every fee (USD)."""
        return self._cost + self.fees

    @property
    def floor(self) -> float:
        """What is left after the way home must not fall below this (USD); it never rises."""
        return -(self.most + FLOOR_PART * self.never)

    def left(self, shares: FloatArray) -> float:
        """What would be left of the gains after the way home (USD)."""
        away = shares - self.start
        fees = self._fee * float(np.count_nonzero(np.abs(away) > HOME))
        return self.gained - self.spent - self._cost * _moved(away) - fees

    def is_homeward(self, shares: FloatArray) -> bool:
        """True from the step when too little is left until the shares are home."""
        self.goes_home |= self.left(shares) < self.floor
        self.goes_home &= _moved(shares - self.start) > HOME
        return self.goes_home

    def room(self, shares: FloatArray) -> float:
        """The largest part of the capacity that a step may move.

        A step that moves m pays the cost c m, and the way home gets longer by m at most: it may cost c m more. Its fees
        are at most those of all alternatives, there and back.
        """
        allowed = self.most / FLOOR_MOVES + PART_OF_GAINS * max(self.gained, 0.0) + PART_OF_NEVER * self.never
        spend, back = allowed - self.spent - self.fees, self.left(shares) - self.floor - 2.0 * self.fees
        if self._cost == 0.0:
            return 1.0 if min(spend, back) >= 0.0 else 0.0
        return min(max(min(spend / self._cost, back / (2.0 * self._cost)), 0.0), 1.0)

    def earn(self, shares: FloatArray, rates: FloatArray) -> None:
        """What the shares earned in a step at these rates (USD/h per unit of share)."""
        self.gained += self._hours * float(rates @ (shares - self.start))
        self.earned += self._hours * float(rates @ self.start)
        self.never = max(self.never, self.earned)

    def changed(self, change: FloatArray) -> None:
        """A step changed shares by (n,)."""
        self.spent += self._cost * _moved(change) + self._fee * float(np.count_nonzero(change))


class RegretBudget:
    """Any policy, insured: what it spent and did not earn back bounds what it may spend next.

    With c the cost of a full move (USD, all fees in it), G the gains over never moving, S what moves have cost, N the
    most that never moving has earned so far, A what the way home would cost, and home the shares at the first step:

    - A step may spend at most c + G / 2 + 0.03 N - S, and only so much that G - S - A stays above -(3 c + 0.1 N).
    - Where G - S - A falls below that, all steps go home, until the shares are there.

    `least_net_gain` is the law that follows, whatever the rates were and whatever the policy took them to be. Where
    moving is free there is no budget. The wrapper costs nothing where the policy earns what it spends: it is insurance,
    and no way to earn more.

    Parameters
    ----------
    policy
        The policy whose steps are bounded; it is asked at every step.
    most
        What may be lost against never moving (USD), besides 10 % of what never moving earned. None is the cost of three
        full moves; 3 c above is this number, and c its third.
    name
        Name in results; None is the policy's, followed by "insured".

    Raises
    ------
    InvalidInput
        Where `most` is no number of at least 0, or the policy's answer is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from reallot import RegretBudget, Setting, Target, backtest
    >>> class Restless:
    ...     name = "restless"
    ...     def decide(self, observation):
    ...         return Target(np.roll(observation.shares, 1))
    >>> times = pd.date_range("2026-01-01", periods=100, freq="h", tz="UTC")
    >>> rates = pd.DataFrame({"relay": 1.0, "compute": 1.0}, index=times)
    >>> setting = Setting(start={"relay": 1.0, "compute": 0.0}, cost_usd=1.0)
    >>> found = backtest(rates, [Restless(), RegretBudget(Restless())], setting)
    >>> found.to_frame()["net"].round(1).to_dict()
    {'optimum': 100.0, 'never': 100.0, 'restless': 80.2, 'restless, insured': 96.9}
    """

    def __init__(self, policy: Policy, most: float | None = None, name: str | None = None) -> None:
        self.policy = policy
        self.most = None if most is None else number(most, "most (USD)", 0.0)
        self.name = f"{policy.name}, insured" if name is None else name
        self.books: Books | None = None
        self._seen = LastReading(quotes=False)
        self._shares = np.zeros(0)

    def decide(self, observation: Observation) -> Decision:
        """The policy's answer with the turnover that the budget allows; or the way home.

        Parameters
        ----------
        observation
            What is known now.

        Returns
        -------
        Target, Values or None
            None where the policy stays. Where nothing may be spent, an answer of turnover 0.
        """
        terms, shares = observation.terms, observation.shares
        answer = decided(self.policy.decide(observation), terms, self.policy.name)
        rates = known(self._seen.take(observation))
        if self.books is None:
            self.books = Books(terms, shares, self.most)
        else:
            self.books.changed(shares - self._shares)
        self._shares = shares
        if rates is not None:
            self.books.earn(shares, rates)
        if self.books.full_move == 0.0:
            return answer
        if self.books.is_homeward(shares):
            return Target(self.books.start)
        return None if answer is None else replace(answer, turnover=min(answer.turnover, self.books.room(shares)))

    def confidence(self, change: ArrayLike) -> float | None:
        """What the policy says of a change of shares.

        Parameters
        ----------
        change
            (n,) change of shares.

        Returns
        -------
        float or None
            P(the change earns back its cost within `judged_over(change)` hours); None where the policy cannot say.
        """
        return self.policy.confidence(change) if isinstance(self.policy, Confident) else None

    def judged_over(self, change: ArrayLike) -> float | None:
        """Hours for which the policy's confidence holds.

        Parameters
        ----------
        change
            (n,) change of shares.

        Returns
        -------
        float or None
            Hours; None where the policy cannot say.
        """
        return self.policy.judged_over(change) if isinstance(self.policy, Confident) else None


def least_net_gain(books: Books, worst_step: float, turnover: float) -> float:
    """No less than this (USD) is gained over never moving, costs taken off, after every step: the law.

    worst_step  the most (USD) by which any one alternative earned less in a step than the shares of the start did
    turnover    what every step on the way home can surely move, as a share of capacity

        gained - spent >= floor - worst_step * (1 + sum over j >= 1 of max(0, 1 - j turnover)) - fees * (steps - 1)

    Proof. Let W be what is left after the way home, `Books.left`.

    1. A step that moves m <= room costs c m and its fees. The way home gets longer by m at most, and touches no more
       than all alternatives: W falls by at most 2 c m + 2 n fee, and stays at or above the floor.
    2. A step homeward of m costs c m and brings the shares m nearer, so the costs leave W as it is. It pays the fee of
       each alternative that it does not bring home once more: n fee a step at most, in all steps but the last.
    3. The earnings of a step change W by hours * rates @ (shares - start). That is at least -worst_step * a, where a,
       at most 1, is the part of the capacity that is away. On the way home a falls by at least `turnover` a step.
    4. The floor never rises, as N never falls.

    So W passes below the floor only by the earnings of one step, at most worst_step. From then on it goes home, and
    loses at most what 2 and 3 allow. At home nothing is gained or lost, and nothing moves before W is at or above
    the floor again: room is 0. The next time starts from 1. The net gain is W and what the way home costs, so at
    least W.

    The law is of readings: what is read wrongly, or later than a step after it was earned, is outside it. So are holds,
    a budget of moves an hour and held or drained alternatives: each step for which they delay the way home may lose
    worst_step once more.
    """
    turnover = number(turnover, "turnover", HOME, 1.0)
    steps = math.ceil(1.0 / turnover - HOME)
    way = math.fsum(max(0.0, 1.0 - j * turnover) for j in range(1, steps + 1))
    return books.floor - worst_step * (1.0 + way) - books.fees * (steps - 1)


def _moved(change: FloatArray) -> float:
    return float(np.abs(change).sum()) / 2.0
