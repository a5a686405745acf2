"""reallot confirm and reallot resume: what a person asks of an engine that runs in another process."""

from __future__ import annotations

import argparse

from ..errors import ReallocationError
from ..ledger.requests import CONFIRM, RESUME, Requests
from ..terminal import shown
from .ledgers import reading


def confirm(options: argparse.Namespace) -> int:
    """Says yes to the plan that waits."""
    with reading(options.ledger) as books:
        waiting = books.journal.waiting()
    if waiting is None or waiting.plan_id != options.plan:
        instead = f"; {shown(waiting.plan_id)} does" if waiting is not None else "; none does"
        raise ReallocationError(f"plan {shown(options.plan)} does not wait for a confirmation{instead}", by="confirm")
    if not waiting.confirmed:
        Requests(options.ledger).post(CONFIRM, waiting.plan_id)
    print(f"Confirmed: {shown(waiting.plan_id)} is carried out in the next cycle, if it still fits the world by then.")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Lets an engine move again that halted."""
    with reading(options.ledger) as books:
        halted, frozen = books.journal.halted(), books.journal.frozen()
    if not halted and not frozen:
        raise ReallocationError(f"{options.ledger}: nothing is halted", by="nothing to do")
    Requests(options.ledger).post(RESUME)
    names = f" ({', '.join(shown(name) for name in sorted(frozen))} frozen)" if frozen else ""
    print(f"Moves are allowed again from the next cycle on. It had halted{names}: {shown(halted)}")
    return 0
