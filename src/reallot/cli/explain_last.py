"""reallot explain LAST: a decision out of the ledger, and made again from its exact inputs."""

from __future__ import annotations

import argparse
import json
import sys

from ..allocation.explain import explain
from ..allocation.time_budget import PATIENT
from ..engine.contracts.move_state import MoveState
from ..engine.ledger.journal import Decision
from ..errors import ReallocationError
from ..runtime.decision_replay import ReplayedDecision, replay
from ..text.numbers import shown
from .config_file import ledger_of
from .ledger_reader import reading
from .plan_text import plan_text
from .screen import Screen

SAME, OTHER = 0, 4
MOST = 100_000


def last(options: argparse.Namespace) -> int:
    """Prints the last decision that was kept with its inputs, or that of one plan; 4 where another plan comes out."""
    folder = ledger_of(options)
    with reading(folder) as books:
        decisions = books.journal.decisions(MOST)
    kept = [each for each in decisions if each.inputs and options.plan in (None, each.plan_id)]
    if not kept:
        which = "no decision" if options.plan is None else f"no decision on a plan {shown(options.plan)}"
        raise ReallocationError(f"{folder}: there is {which} with its inputs yet", by=MoveState.NOTHING_TO_DO)
    chosen = kept[0]
    ends = [each for each in reversed(decisions) if each.plan_id == chosen.plan_id and not each.inputs]
    again = replay(chosen)
    print(_json(chosen, ends, again) if options.json else _text(chosen, ends, again))
    return OTHER if again.differences else SAME


def _text(chosen: Decision, ends: list[Decision], again: ReplayedDecision) -> str:
    parts = [f"Plan {shown(chosen.plan_id)}, {chosen.verdict.words} at {chosen.at:%Y-%m-%d %H:%M:%S} UTC."]
    if again.plan.conflict:
        parts[0] += f"\nLimits are broken, and no plan could mend that: {shown(again.plan.conflict)}."
    for each in ends:
        why = f": {shown(each.reason)}" if each.reason else ""
        parts[0] += f"\n{each.verdict.words.capitalize()} at {each.at:%Y-%m-%d %H:%M:%S} UTC{why}."
    if again.allocation is not None:
        told = explain(again.allocation, budget_seconds=PATIENT)
        parts += [plan_text(again.allocation, Screen.of(sys.stdout)), str(told)]
    if again.plan.confidence is not None:
        parts.append(f"Confidence {again.plan.confidence:.2f}: the chance that its net benefit is above 0.")
    parts.append(_verdict(again))
    return "\n\n".join(parts)


def _verdict(again: ReplayedDecision) -> str:
    if not again.differences:
        return "Decided again from the inputs that were kept: the same plan."
    return "Decided again from the inputs that were kept, something differs: " + "; ".join(again.differences) + "."


def _json(chosen: Decision, ends: list[Decision], again: ReplayedDecision) -> str:
    told = {
        "plan_id": chosen.plan_id,
        "verdicts": [each.verdict for each in (chosen, *ends)],
        "plan": json.loads(chosen.plan),
        "inputs": json.loads(chosen.inputs),
        "same": not again.differences,
        "differences": list(again.differences),
    }
    return json.dumps(told, indent=2)
