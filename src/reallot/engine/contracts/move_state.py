"""The life of a move: one vocabulary for the state machine, the journal, verdicts, decisions and events.

`FOLLOWS` is the only table of transitions. The state machine checks each of its steps against it, the journal each of
its writes, and a page of the docs is made from it.
"""

from __future__ import annotations

from enum import StrEnum


class MoveState(StrEnum):
    """Where a move stands, or how it ended.

    RECONCILING   the journal and the world are read; nothing in memory is trusted
    IDLE          a plan may begin
    WAITING       a plan waits for a person's confirmation
    PLANNED       the plan and its steps are in the journal; no call was made
    APPLYING      a protocol is asked for its new share
    VERIFYING     that share is read back, in later cycles too where that takes its time
    COMMITTED     every share was read back
    HOLDING       a protocol rests after a change
    ROLLING_BACK  shares return to what they were
    ROLLED_BACK   every share is again what it was
    HALTED        nothing moves until a person resumes
    DISCARDED     the plan ended before any call

    Verdicts on a plan only:

    ADVISED        shown to a person, not carried out
    BLOCKED        a guard said no
    DECLINED       the plan is not worth its move
    NOTHING_TO_DO  every share is already what the plan says
    REPEATED       the plan was carried out or tried before
    SETTLING       a rollback waits for a call that may still take effect
    OUTDATED       the plan starts from other shares than those in force
    EXPIRED        the plan, or its wait for a person, lasted too long
    """

    RECONCILING = "reconciling"
    IDLE = "idle"
    WAITING = "waiting"
    PLANNED = "planned"
    APPLYING = "applying"
    VERIFYING = "verifying"
    COMMITTED = "committed"
    HOLDING = "holding"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    HALTED = "halted"
    DISCARDED = "discarded"
    ADVISED = "advised"
    BLOCKED = "blocked"
    DECLINED = "declined"
    NOTHING_TO_DO = "nothing_to_do"
    REPEATED = "repeated"
    SETTLING = "settling"
    OUTDATED = "outdated"
    EXPIRED = "expired"

    @classmethod
    def _missing_(cls, value: object) -> MoveState | None:
        """Words in journals of older versions that are read as they are."""
        word = str(value).replace(" ", "_")
        return cls.APPLYING if word == "confirming" else cls._value2member_map_.get(word)  # type: ignore[return-value]

    @property
    def words(self) -> str:
        """For a sentence: "rolling back"."""
        return self.value.replace("_", " ")


FOLLOWS: dict[MoveState, tuple[MoveState, ...]] = {
    MoveState.RECONCILING: (
        MoveState.IDLE,
        MoveState.WAITING,
        MoveState.VERIFYING,
        MoveState.HOLDING,
        MoveState.ROLLING_BACK,
        MoveState.HALTED,
    ),
    MoveState.IDLE: (MoveState.WAITING, MoveState.PLANNED),
    MoveState.WAITING: (MoveState.IDLE,),
    MoveState.PLANNED: (MoveState.APPLYING, MoveState.ROLLING_BACK, MoveState.DISCARDED, MoveState.HALTED),
    MoveState.APPLYING: (MoveState.VERIFYING, MoveState.ROLLING_BACK, MoveState.HALTED),
    MoveState.VERIFYING: (MoveState.APPLYING, MoveState.COMMITTED, MoveState.ROLLING_BACK, MoveState.HALTED),
    MoveState.COMMITTED: (MoveState.HOLDING, MoveState.IDLE),
    MoveState.HOLDING: (MoveState.IDLE, MoveState.WAITING, MoveState.PLANNED),
    MoveState.ROLLING_BACK: (MoveState.ROLLED_BACK, MoveState.HALTED),
    MoveState.ROLLED_BACK: (MoveState.HOLDING, MoveState.IDLE),
    MoveState.HALTED: (MoveState.RECONCILING,),
    MoveState.DISCARDED: (MoveState.IDLE, MoveState.HOLDING),
}
"""The states that may come next. A start, or a new cycle, leads from every state to RECONCILING."""

RECORDED = (
    MoveState.PLANNED,
    MoveState.APPLYING,
    MoveState.COMMITTED,
    MoveState.ROLLING_BACK,
    MoveState.ROLLED_BACK,
    MoveState.HALTED,
    MoveState.DISCARDED,
)
"""States that the journal keeps of an operation. VERIFYING is not: a read share proves it, or its step says so."""
ENDED = (MoveState.COMMITTED, MoveState.ROLLED_BACK, MoveState.HALTED, MoveState.DISCARDED)
"""Recorded states after which an operation changes no more."""
OPEN = tuple(state for state in RECORDED if state not in ENDED)
"""Recorded states in which something is still to be done."""
RECORD_FOLLOWS = {
    state: tuple(
        each
        for each in RECORDED
        if each in FOLLOWS[state]
        or any(each in FOLLOWS[hidden] for hidden in FOLLOWS[state] if hidden not in RECORDED and each is not state)
    )
    for state in OPEN
}
"""The journal's transitions: those of `FOLLOWS`, also through a state that is not recorded."""
PASSED = (MoveState.PLANNED, MoveState.COMMITTED, MoveState.ROLLED_BACK, MoveState.DISCARDED)
"""States in which the state machine does not stop: the journal writes them on its way to the next state."""
MAY_FOLLOW = {
    state: {state, MoveState.RECONCILING, *FOLLOWS.get(state, ())}.union(
        *(FOLLOWS[passed] for passed in FOLLOWS.get(state, ()) if passed in PASSED)
    )
    for state in MoveState
}
"""The states to which one event may lead the state machine: those of `FOLLOWS`, also through a state of `PASSED`."""
