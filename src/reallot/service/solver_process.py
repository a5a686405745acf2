"""Problems solved for callers, in a process of its own, which is ended where one takes too long."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from ..errors import Infeasible, InvalidInput, ReallotError
from .problems import Problem, problem_of

MOST_PROTOCOLS = 200
SECONDS, BEGINS, WAITS = 2.0, 30.0, 5.0
"""Seconds for one problem, for the process to begin, and to wait for the problem before."""


class SolverProcess:
    """One process that solves one problem after another. It begins at the first one. Blocking: never on a loop."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds, self._turn = seconds, Lock()
        self._process: Any = None
        self._pipe: Connection | None = None

    def solve(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The plan for a problem as it stands in a file; raises Problem."""
        names = table.get("protocols")
        if isinstance(names, Mapping) and len(names) > MOST_PROTOCOLS:
            raise Problem(422, "invalid", f"{len(names)} protocols; at most {MOST_PROTOCOLS} are solved here")
        if not self._turn.acquire(timeout=WAITS):
            raise Problem(503, "busy", "other problems are being solved", retry_after=self._seconds)
        try:
            return self._asked(dict(table))
        finally:
            self._turn.release()

    def _asked(self, table: dict[str, Any]) -> dict[str, Any]:
        try:
            pipe = self._ready()
            pipe.send((table, self._seconds))
            if not pipe.poll(self._seconds * 1.5):  # a search that is told to stop ends a little later
                self.close()
                told = f"no certified plan within {self._seconds:g} s; reallot solve has no such limit"
                raise Problem(503, "slow", told, retry_after=self._seconds)
            status, kind, said, more = pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise Problem(503, "busy", "the process that solves has ended: ask again", retry_after=1.0) from None
        if status == 200:
            return dict(json.loads(said))
        raise Problem(status, kind, said, **more)

    def _ready(self) -> Connection:
        """The pipe to the process, which has begun."""
        if self._pipe is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")  # a copy of this process would hold its locks for ever
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_solve_all, args=(theirs,), name="reallot-solver", daemon=True)
            self._process.start()
            theirs.close()
            if not self._pipe.poll(BEGINS):
                raise EOFError
            self._pipe.recv()
        return self._pipe

    def close(self) -> None:
        """Ends the process; the next problem begins another one."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
            self._process = self._pipe = None


def _solve_all(pipe: Connection) -> None:
    """What the process does: one answer for each problem, until the pipe is closed."""
    from ..allocation.allocate import allocate

    pipe.send("ready")
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            pipe.send(_answer(allocate, *pipe.recv()))


def _answer(allocate: Any, table: dict[str, Any], seconds: float) -> tuple[int, str, str, dict[str, Any]]:
    """A status, a kind, what is said, and more of it."""
    from ..problem.files import problem_from_dict

    try:
        plan = allocate(problem_from_dict(table), time_limit_seconds=seconds)
        return 200, "", plan.to_json(), {}
    except (InvalidInput, Infeasible) as error:
        problem = problem_of(error)
        return problem.status, problem.kind, problem.detail, problem.more
    except ReallotError as error:
        return 422, "unsolved", str(error), {}
    except Exception as error:  # a caller's numbers, or a fault of ours: the process goes on
        return 500, "bug", f"the solver failed: {type(error).__name__}", {}
