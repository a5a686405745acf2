"""allocate() the whole way, from the record to its reasons, against one linprog call."""

from __future__ import annotations

from .peers import PEERS
from .race import Row, race
from .step import Step, allocations

SIZES = (20, 1000)
VARIANTS = 4
SEED = 11


def measure(smoke: bool, repeats: int) -> list[Row]:
    """linprog has its arrays already, and nothing is checked or explained there."""
    rows = []
    for size in SIZES[:1] if smoke else SIZES:
        step = Step.of(size, VARIANTS, seed=SEED)
        theirs = [peer.contender(step) for peer in PEERS if peer.package == "scipy"]
        rows += race("whole", f"n = {size:,}", allocations(step), theirs, variants=VARIANTS, repeats=repeats)
    return rows
