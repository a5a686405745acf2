"""Probing: any policy, and beside it a few small shares for an hour where nothing is held, to see what they earn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..problem.validation import number, whole
from .base import Decision, FloatArray, Observation, Policy, Target, Terms, Values, decided
from .decision_step import SAME, Room
from .exploration import expected_improvement
from .last_reading import known
from .reading_age import Staleness
from .shadow_portfolios import exchange

PROBE = 0.01
"""Share of a probe, where none is given."""
AHEAD_HOURS, AHEAD_STEPS = 4.0, 4.0
"""What is found out is worth knowing for so long: the longer of the two, unless values say how far they look."""
CLOSE = 1e-9


@dataclass
class Probe:
    """A share lent to `place`, from `giver`; `began` is the step since which it is in force, or None."""

    place: int
    giver: int
    began: int | None = None


class Probing:
    """A policy's decisions, with up to `count` probes of `share` for `hours` each beside them.

    policy  any policy; it decides over the shares without those lent to probes
    share   of each probe, as a fraction of capacity: the smallest that can be used
    hours   for which a probe stays
    count   of probes at once

    Where every alternative can hold half a percent, floors do the same without a move (`explore.py`); probes are for
    shares that cannot be so small. Probed is what is not read now and may be worth most: with V what the policy says a
    unit of share is worth (else newest readings over AHEAD_HOURS), c the cost of a unit moved, and s the deviation of V
    from the age of its newest reading and from what readings did, over as many hours as V differ more than rates do,

        EI = s (phi(z) + z Phi(z)),  z = (V - max V - c) / s

    and a probe begins where EI > share * (2 c + gap) + fees: the way there and back, and what it is expected to earn
    less meanwhile. The bonus is never on a whole share. Afterwards the share goes back, unless the policy itself wants
    it there by then. Values become a target while there are probes.
    """

    def __init__(self, policy: Policy, share: float = PROBE, hours: float = 1.0, count: int = 2) -> None:
        self.name = f"{policy.name}, probing"
        self._policy = policy
        self._share, self._hours = number(share, "share", 1e-9, 1.0), number(hours, "hours", 1e-9)
        self._count = whole(count, "count", 0)
        self._probes: list[Probe] = []
        self._stale: Staleness | None = None
        self._lent = self._before = np.zeros(0)
        self._asked: tuple[FloatArray, FloatArray] | None = None
        self._changed = np.zeros(0, dtype=int)

    @property
    def probed(self) -> tuple[int, ...]:
        """Places of the alternatives that are probed now, or asked for."""
        return tuple(probe.place for probe in self._probes)

    def decide(self, observation: Observation) -> Decision:
        """The policy's answer; a target while shares are lent."""
        terms = observation.terms
        if self._stale is None:
            self._stale = Staleness(terms.size)
            self._lent, self._before = np.zeros(terms.size), observation.shares
            self._changed = np.full(terms.size, -(10**9))
        self._stale.take(observation.rates)
        self._settle(observation)
        base = observation.shares - self._lent
        answer = decided(self._policy.decide(replace(observation, shares=base)), terms, self._policy.name)
        self._begin(observation, base, answer, self._stale)
        if not self._probes and not self._lent.any():
            self._asked = None
            return answer
        room = self._room(observation, base)
        after = _stepped(answer, base, room, terms)
        lent = self._overlay(after, room.low)
        self._asked = (lent, after + lent)
        return Target(after + lent)

    def _settle(self, observation: Observation) -> None:
        """What became of the target asked for; probes that are over, or were refused, end."""
        now, step, terms = observation.shares, observation.step, observation.terms
        self._changed = np.where(now != self._before, step - 1, self._changed)
        if self._asked is not None:
            lent, target = self._asked
            way = target - self._before
            length = float(way @ way)
            done = min(max(float((now - self._before) @ way) / length, 0.0), 1.0) if length > SAME**2 else 1.0
            self._lent = _possible(self._lent + done * (lent - self._lent), now)
        self._before = now
        lasts = max(1, math.ceil(self._hours / terms.step_hours - CLOSE))
        held, kept = self._held(observation), []
        for probe in self._probes:
            if probe.began is None and now[probe.place] >= self._share - CLOSE:
                probe.began = step - 1
            waits = held[probe.place] or held[probe.giver]  # it could not go back now
            if probe.began is not None and (step - probe.began < lasts or waits):
                kept.append(probe)
        self._probes = kept

    def _held(self, observation: Observation) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(n,) what may not change now."""
        terms = observation.terms
        steps = math.ceil(terms.hold_hours / terms.step_hours - CLOSE)
        held = observation.step - self._changed < steps
        return np.asarray(held | np.isin(terms.names, list(terms.limits.held)))

    def _begin(self, observation: Observation, base: FloatArray, answer: Decision, stale: Staleness) -> None:
        """Probes begin where they are expected to pay, best first."""
        rates = known(stale.rates)
        if rates is None or len(self._probes) >= self._count:
            return
        terms, held = observation.terms, self._held(observation)
        low, high = bounds(terms)
        lasting = max(AHEAD_HOURS, AHEAD_STEPS * terms.step_hours)
        values = rates * lasting
        if isinstance(answer, Values):
            values, lasting = answer.values, answer.hours if math.isfinite(answer.hours) else lasting
            lasting = max(lasting, _reach(values, rates))
        free = ~held
        for probe in self._probes:
            free[[probe.place, probe.giver]] = False
        spare = np.where(free, base - low, 0.0)
        behind = values.max() - values + terms.move_cost
        gains = expected_improvement(behind, lasting * stale.deviations())
        for place in np.argsort(-gains, kind="stable").tolist():
            giver = int(np.argmax(spare))
            more = self._share - base[place]
            if len(self._probes) >= self._count or gains[place] <= 0.0 or spare[giver] < more:
                return
            unseen = more > CLOSE and np.isnan(observation.rates[place])
            if not free[place] or place == giver or not unseen or high[place] < self._share:
                continue
            gap = self._hours * max(float(rates[giver] - rates[place]), 0.0)
            if gains[place] > self._share * (2.0 * terms.move_cost + gap) + 4.0 * terms.move_fee:
                self._probes.append(Probe(place, giver))
                free[place] = False
                spare[giver] -= more
                spare[place] = 0.0

    def _room(self, observation: Observation, base: FloatArray) -> Room:
        """How far the policy's own shares may go in this step, beside what begins and ends of probes."""
        terms, held = observation.terms, self._held(observation)
        low, high = bounds(terms)
        change = terms.limits.max_change
        if isinstance(change, dict):
            most = np.array([change.get(name, 1.0) for name in terms.names])
        else:
            most = np.full(terms.size, change if isinstance(change, float) else 1.0)
        low, high = np.maximum(low, base - most), np.minimum(high, base + most)
        low, high = np.where(held, base, np.minimum(low, base)), np.where(held, base, np.maximum(high, base))
        turnover = terms.limits.max_turnover if isinstance(terms.limits.max_turnover, float) else 1.0
        used = float(np.abs(self._overlay(base, low) - self._lent).sum()) / 2.0
        return Room(low, high, max(turnover - used, 0.0))

    def _overlay(self, base: FloatArray, low: FloatArray) -> FloatArray:
        """(n,) what is lent, in sum 0: each probed alternative is brought to the share of a probe."""
        lent, least = np.zeros(base.size), np.minimum(low, base)
        for probe in self._probes:
            more = max(self._share - base[probe.place], 0.0)
            spare = base + lent - least
            spare[[each.place for each in self._probes]] = 0.0
            if spare[probe.giver] < more - SAME:
                probe.giver = int(np.argmax(spare))
            more = min(more, float(spare[probe.giver]))
            lent[probe.place] += more
            lent[probe.giver] -= more
        return lent


def _reach(values: FloatArray, rates: FloatArray) -> float:
    """Hours of what rates differ by that values differ by: what a rule that sums up its whole past looks ahead."""
    apart = float(rates.std())
    return float(values.std()) / apart if apart > 0.0 else 0.0


def bounds(terms: Terms) -> tuple[FloatArray, FloatArray]:
    """(n,) least and largest shares."""
    low = np.array(terms.low) if terms.low else np.zeros(terms.size)
    return low, np.array(terms.high) if terms.high else np.ones(terms.size)


def _possible(lent: FloatArray, now: FloatArray) -> FloatArray:
    """(n,) what is lent, never more than is held there; what is too small to tell from nothing is nothing."""
    taken, given = np.minimum(np.maximum(lent, 0.0), now), np.maximum(-lent, 0.0)
    taken[taken < SAME] = 0.0
    total = float(given.sum())
    result: FloatArray = taken - given * (float(taken.sum()) / total) if total > SAME else np.zeros(lent.size)
    return result


def _stepped(answer: Decision, base: FloatArray, room: Room, terms: Terms) -> FloatArray:
    """(n,) the policy's own shares after the step that its answer asks for."""
    if answer is None:
        return base
    room = replace(room, turnover=min(room.turnover, answer.turnover))
    if isinstance(answer, Target):
        return room.toward(answer.shares * (float(base.sum()) / float(answer.shares.sum())), base)
    change = exchange(answer.values, base - room.low, room.high - base, terms.move_cost, room.turnover)
    cost = terms.move_cost * float(np.abs(change).sum()) / 2.0 + terms.move_fee * float(np.count_nonzero(change))
    if terms.move_fee and float(answer.values @ change) <= cost:
        return base
    return base + change
