"""Feeds events to the machine and its commands to the executor, until nothing is left to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..contracts.move_state import MoveState
from ..contracts.records import AllocationPlan, ChangeKind
from ..ledger.journal import Decision, Operation
from .executor import Executor
from .guards import Blocked, end_of_hold
from .leftover import balance
from .move_events import (
    Ask,
    Balance,
    Begin,
    BeginRollback,
    Command,
    Commit,
    Discard,
    EndRollback,
    Event,
    Halt,
    LookLater,
    ReadBack,
    ReadWorld,
    RollBack,
    Send,
    Wait,
)
from .preconditions import Proposal
from .reconcile import UNSETTLED, reconcile
from .share_rollback import roll_back
from .state_machine import State, step

KEPT = (
    MoveState.COMMITTED,
    MoveState.ROLLED_BACK,
    MoveState.SETTLING,
    MoveState.HALTED,
    MoveState.WAITING,
    MoveState.OUTDATED,
    MoveState.EXPIRED,
)
"""Ends that the journal keeps as decisions; a plan that only came too early is not one."""


@dataclass(frozen=True)
class Report:
    """How a plan ended.

    verdict    COMMITTED, REPEATED, NOTHING_TO_DO, BLOCKED, WAITING, ROLLED_BACK, SETTLING or HALTED
    operation  its number in the journal; of a repeated plan, that of the first time
    by, until  the guard that said no, and when it may be tried again
    shares     in force at the end, where not all was taken as it was planned; None where it was
    """

    plan_id: str
    verdict: MoveState
    operation: int | None = None
    reason: str = ""
    by: str = ""
    until: datetime | None = None
    shares: Mapping[str, float] | None = None


class Driver:
    """One entry into the engine.

    state             where the machine stands
    plan, proposal    what is to be carried out, once examined
    report            how it ended, once it did; of a plan of an earlier cycle too, where this entry went on with it
    rolled_back       True where something was rolled back on the way
    """

    def __init__(self, executor: Executor, state: State, repair: bool) -> None:
        self.executor, self.state, self._repair = executor, state, repair
        self.plan: AllocationPlan | None = None
        self.proposal: Proposal | None = None
        self.report: Report | None = None
        self.rolled_back, self._partial = False, ""

    async def feed(self, event: Event) -> None:
        """Every event and what follows from it; raises DataError where the journal cannot be written."""
        following: Event | None = event
        while following is not None:
            self.state, commands = step(self.state, following, self.executor.rules)
            following = None
            for command in commands:
                following = await self._carry_out(command)

    async def _carry_out(self, command: Command) -> Event | None:  # noqa: C901  one case for each command
        executor = self.executor
        match command:
            case ReadWorld():
                return await reconcile(executor, self._repair)
            case Begin():
                assert self.proposal is not None  # the machine begins only what was proposed
                changes = self.proposal.changes
                await executor.begin(self.proposal.plan_id, self.proposal.before, self.proposal.after, changes)
            case Send(change):
                return await executor.send(change)
            case ReadBack(change):
                last = self.state.index == len(self.state.changes) - 1
                return await executor.read_back(change, last, end_of_hold(executor.now(), executor.rules))
            case LookLater(reason, until):
                self._ends(MoveState.VERIFYING, reason, MoveState.VERIFYING, until)
            case Balance(partial):
                self._partial = "; ".join(reason for _, reason in partial)
                names = [name for name, _ in partial]
                return await balance(executor, names, self._partial, end_of_hold(executor.now(), executor.rules))
            case Commit():
                taken = executor.in_force() if self._partial else None
                self._ends(MoveState.COMMITTED, self._partial, shares=taken)
                decision = self._decision()
                if self.plan is None:
                    decision = await executor.books.decision(executor.opened, MoveState.COMMITTED, self._partial)
                if taken is None and executor.trimmed:
                    taken = executor.reached()
                await executor.advance(MoveState.COMMITTED, self._partial, decision=decision, shares=taken)
            case BeginRollback(reason):
                await executor.advance(MoveState.ROLLING_BACK, reason)
            case RollBack(change, number):
                return await roll_back(executor, change, number)
            case EndRollback():
                await self._end_rollback()
            case Wait(reason):
                await executor.alert(UNSETTLED, f"what was begun cannot be ended yet: {reason}", 0.8)
                self._ends(MoveState.SETTLING, reason, MoveState.SETTLING, self.state.until)
                await self._decide()
            case Halt(changes, reason):
                self._ends(MoveState.HALTED, reason, MoveState.HALTED)
                await executor.halt(changes, reason, await self._decision_on_operation(MoveState.HALTED, reason))
            case Ask(until):
                await self._ask(until)
            case Discard(blocked):
                await self._discard(blocked)
        return None

    async def _end_rollback(self) -> None:
        operation = self.executor.operation
        reason = operation.reason if operation is not None else ""
        self._ends(MoveState.ROLLED_BACK, reason, MoveState.ROLLED_BACK)
        decision = await self._decision_on_operation(MoveState.ROLLED_BACK, reason)
        await self.executor.advance(MoveState.ROLLED_BACK, decision=decision)
        await self.executor.recovered(UNSETTLED)
        self.rolled_back = True

    async def _ask(self, until: datetime) -> None:
        plan, proposal = self.plan, self.proposal
        assert plan is not None and proposal is not None
        books, executor = self.executor.books, self.executor
        await executor.write(books.journal.wait_for, plan.id, plan.model_dump_json(), books.stamp())
        moves = ", ".join(f"{each.protocol} {each.before:.4f} -> {each.after:.4f}" for each in proposal.changes)
        reason = f"plan {plan.id} waits for a confirmation until {until:%H:%M} UTC: {moves}"
        await executor.alert(f"confirm-{plan.id}", reason, 0.6)
        self._ends(MoveState.WAITING, reason, "confirmation", until)
        await self._decide()

    async def _discard(self, blocked: Blocked) -> None:
        verdict = MoveState.NOTHING_TO_DO if blocked.by == MoveState.NOTHING_TO_DO else MoveState.BLOCKED
        self._ends(verdict, blocked.reason, blocked.by, blocked.until)
        await self._decide()

    def _ends(
        self,
        verdict: MoveState,
        reason: str = "",
        by: str = "",
        until: datetime | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """The report of a plan that came to an end, or is looked for: this entry's, or one that it went on with."""
        operation = self.executor.operation
        if self.plan is not None:
            number = operation.id if operation is not None else None
            self.report = Report(self.plan.id, verdict, number, reason, by, until, shares)
        elif operation is not None and operation.kind is ChangeKind.MOVE:
            self.report = Report(operation.plan_id, verdict, operation.id, reason, by, until, shares)

    def _decision(self) -> Decision | None:
        """What the journal keeps of the report; None where that is nothing."""
        plan, report = self.plan, self.report
        if plan is None or report is None:
            return None
        name = report.by if report.verdict is MoveState.BLOCKED else report.verdict
        if name not in KEPT:
            return None
        return Decision(plan.id, self.executor.now(), MoveState(name), report.reason, plan.model_dump_json(), "")

    async def _decision_on_operation(self, verdict: MoveState, reason: str) -> Decision | None:
        """The decision on this entry's plan, or on the one that an earlier process began."""
        if self.plan is not None or self.executor.operation is None:
            return self._decision()
        return await self.executor.books.decision(self.executor.opened, verdict, reason)

    async def _decide(self) -> None:
        """Writes the decision down where no operation ends with it."""
        if (found := self._decision()) is not None:
            decide = self.executor.books.journal.decide
            await self.executor.write(decide, found.plan_id, found.at, found.verdict, found.reason, found.plan)


def repeated(first: Operation) -> Report:
    """The same plan again is what it was the first time."""
    if first.state is MoveState.COMMITTED:
        reason = f"plan {first.plan_id} was carried out before, as operation {first.id}"
        return Report(first.plan_id, MoveState.REPEATED, first.id, reason)
    reason = (
        f"plan {first.plan_id} was tried before, as operation {first.id}, and is {first.state.words}: {first.reason}"
    )
    return Report(first.plan_id, MoveState.REPEATED, first.id, reason, MoveState.REPEATED)
