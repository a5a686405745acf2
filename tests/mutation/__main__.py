"""`python -m tests.mutation [part of a name ...]`: every mutant against the tests that must kill it; for the night.

Ends with 1 where less than 90 % are killed, or one survives without a reason in survivors.toml, or one with a reason
is killed. `--jobs 2`; `--every 10` takes each tenth.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from pathlib import Path

from .mutants import Mutant, mutants_of
from .run import Target, killed_by, many

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "reallot"
ENOUGH = 0.9
PURE = (
    "tests/engine/execution/test_state_machine.py",
    "tests/engine/execution/test_state_machine_details.py",
    "tests/engine/execution/test_guards.py",
)
KEPT = (
    "tests/engine/ledger/test_journal_details.py",
    "tests/engine/execution/test_journal_thread.py",
    "tests/engine/ledger/test_recorded.py",
    "tests/engine/ledger/test_ledger.py",
    "tests/engine/execution/test_reallocation_engine.py",
)
TARGETS = (
    Target("reallot.engine.execution.state_machine", PURE),
    Target("reallot.engine.execution.guards", PURE),
    Target("reallot.engine.execution.journal_thread", KEPT),
    Target("reallot.engine.ledger.timestamps", KEPT),
    Target("reallot.engine.ledger.sqlite_journal", KEPT),
    Target("reallot.engine.ledger.journal_rows", KEPT),
)


def reasons() -> dict[str, str]:
    """Why each known survivor may live, by its name."""
    return {
        name: reason for reason, names in tomllib.loads((HERE / "survivors.toml").read_text()).items() for name in names
    }


def chosen(target: Target, parts: list[str]) -> list[Mutant]:
    found = mutants_of(SOURCE.joinpath(*target.module.split(".")[1:]).with_suffix(".py"))
    return [each for each in found if not parts or any(part in each.name for part in parts)]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*")
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--every", type=int, default=1)
    options = asked.parse_args()
    known, began = reasons(), time.monotonic()
    work = [(target, each) for target in TARGETS for each in chosen(target, options.parts)][:: options.every]
    alive, wrong = [], []
    for target, mutant, code in many(work, options.jobs):
        if not killed_by(code):
            alive.append(mutant.name)
            print(f"{'known ' if mutant.name in known else ''}survivor of {target.module}: {mutant.name}", flush=True)
        elif mutant.name in known:
            wrong.append(mutant.name)
            print(f"killed, though survivors.toml says why not: {mutant.name}", flush=True)
    share = 1.0 - len(alive) / max(1, len(work))
    print(f"{len(work)} mutants, {share:.1%} killed, {len(alive)} alive, in {time.monotonic() - began:.0f} s")
    return int(share < ENOUGH or bool(wrong) or any(name not in known for name in alive))


if __name__ == "__main__":
    sys.exit(main())
