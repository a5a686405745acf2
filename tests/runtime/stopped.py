"""Running engines that are stopped: `python -m tests.runtime.stopped` forks one for each line it reads.

A job is JSON: the folder of the world, the arguments, and in which phase of the machine a signal comes, how many times.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from reallot.cli.main import main as reallot
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution import driver, state_machine
from reallot.engine.execution.move_events import NotYet

PUT_OFF = "put off"
"""Where a move waits for an effect, from one cycle to a later one."""


def signalled_in(phase: str, times: int, number: int) -> None:
    """From now on this process gets its signals when the machine first comes into that phase, or puts a move off."""
    phases = {PUT_OFF, *(state.value for state in MoveState)}
    assert phase in phases, f"there is no phase {phase!r}: no signal would ever come"
    step, left = driver.step, [times]

    def watched(state: state_machine.State, event: state_machine.Event, rules: Any) -> state_machine.Next:
        after, commands = step(state, event, rules)
        if phase == (PUT_OFF if isinstance(event, NotYet) else after.phase.value):
            while left[0]:
                left[0] -= 1
                os.kill(os.getpid(), number)
        return after, commands

    driver.step = watched


def run_of(job: dict[str, Any]) -> int:
    """`reallot run` with these arguments; its output goes to a file."""
    with (Path(job["folder"]) / "said").open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        sys.stdout = sys.stderr = said
        if job["phase"]:
            signalled_in(job["phase"], job["times"], job["signal"])
        return reallot(["run", *job["arguments"]])


def main() -> None:
    """One fork for each job; answers with the exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = run_of(json.loads(line))
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
