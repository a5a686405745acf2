"""Feeds events to the machine and its commands to the carrier, until nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..contracts.records import AllocationPlan, ChangeKind
from ..ledger.journal import OperationState
from .executor import Carrier, end_of_hold
from .guards import Blocked
from .preconditions import Proposal
from .reconcile import UNSETTLED, reconcile
from .state_machine import (
    Ask,
    Begin,
    Command,
    Commit,
    Discard,
    Event,
    FinishBack,
    Freeze,
    ReadBack,
    ReadWorld,
    Restore,
    Send,
    StartBack,
    State,
    Wait,
    step,
)

KEPT = ("committed", "rolled back", "settling", "halted", "waiting", "outdated", "expired")
"""Ends that the journal keeps as decisions; a plan that only came too early is not one."""


@dataclass(frozen=True)
class Report:
    """How a plan ended.

    verdict    "committed", "repeated", "nothing to do", "blocked", "waiting", "rolled back", "settling" or "halted"
    operation  its number in the journal; of a repeated plan, that of the first time
    by, until  the guard that said no, and when it may be tried again
    """

    plan_id: str
    verdict: str
    operation: int | None = None
    reason: str = ""
    by: str = ""
    until: datetime | None = None


class Driver:
    """One entry into the engine.

    state             where the machine stands
    plan, proposal    what is to be carried out, once examined
    report            how it ended, once it did
    put_back          True where something was put back on the way
    """

    def __init__(self, carrier: Carrier, state: State, repair: bool) -> None:
        self.carrier, self.state, self._repair = carrier, state, repair
        self.plan: AllocationPlan | None = None
        self.proposal: Proposal | None = None
        self.report: Report | None = None
        self.put_back = False

    async def feed(self, event: Event) -> None:
        """Every event and what follows from it; raises DataError where the journal cannot be written."""
        following: Event | None = event
        while following is not None:
            self.state, commands = step(self.state, following, self.carrier.rules)
            following = None
            for command in commands:
                following = await self._carry_out(command)

    async def _carry_out(self, command: Command) -> Event | None:
        carrier = self.carrier
        match command:
            case ReadWorld():
                return await reconcile(carrier, self._repair)
            case Begin():
                await self._begin()
            case Send(change):
                return await carrier.send(change)
            case ReadBack(change):
                last = self.state.index == len(self.state.changes) - 1
                return await carrier.read_back(change, last, end_of_hold(carrier.now(), carrier.rules))
            case Commit():
                await carrier.advance(OperationState.COMMITTED)
                await self._ends("committed")
            case StartBack(reason):
                await carrier.advance(OperationState.ROLLING_BACK, reason)
            case Restore(change, number):
                return await carrier.restore(change, number)
            case FinishBack():
                await self._finish_back()
            case Wait(reason):
                await carrier.alert(UNSETTLED, f"what was begun cannot be ended yet: {reason}", 0.8)
                await self._ends("settling", reason, "settling", self.state.until)
            case Freeze(changes, reason):
                await carrier.freeze(changes, reason)
                await self._ends("halted", reason, "halted")
            case Ask(until):
                await self._ask(until)
            case Discard(blocked):
                await self._discard(blocked)
        return None

    async def _begin(self) -> None:
        plan, proposal = self._planned()
        await self.carrier.begin(plan.id, ChangeKind.MOVE, proposal.before, proposal.after, proposal.changes)

    async def _finish_back(self) -> None:
        operation = self.carrier.operation
        reason = operation.reason if operation is not None else ""
        await self.carrier.advance(OperationState.ROLLED_BACK)
        await self.carrier.books.ask(self.carrier.books.journal.recovered, UNSETTLED, self.carrier.now())
        self.put_back = True
        await self._ends("rolled back", reason, "rolled back")

    async def _ask(self, until: datetime) -> None:
        plan, proposal = self._planned()
        books, carrier = self.carrier.books, self.carrier
        await books.ask(books.journal.wait_for, plan.id, plan.model_dump_json(), books.stamp())
        moves = ", ".join(f"{each.protocol} {each.before:.4f} -> {each.after:.4f}" for each in proposal.changes)
        reason = f"plan {plan.id} waits for a confirmation until {until:%H:%M} UTC: {moves}"
        await carrier.alert(f"confirm-{plan.id}", reason, 0.6)
        await self._ends("waiting", reason, "confirmation", until)

    async def _discard(self, blocked: Blocked) -> None:
        verdict = "nothing to do" if blocked.by == "nothing to do" else "blocked"
        await self._ends(verdict, blocked.reason, blocked.by, blocked.until)

    async def _ends(self, verdict: str, reason: str = "", by: str = "", until: datetime | None = None) -> None:
        """The report, and the decision in the journal where the plan came to an end."""
        if self.plan is None:
            return
        operation = self.carrier.operation.id if self.carrier.operation is not None else None
        self.report = Report(self.plan.id, verdict, operation, reason, by, until)
        name = by if verdict == "blocked" else verdict
        if name in KEPT:
            books = self.carrier.books
            await books.ask(
                books.journal.decide, self.plan.id, self.carrier.now(), name, reason, self.plan.model_dump_json()
            )

    def _planned(self) -> tuple[AllocationPlan, Proposal]:
        assert self.plan is not None and self.proposal is not None  # the machine begins only what was proposed
        return self.plan, self.proposal
