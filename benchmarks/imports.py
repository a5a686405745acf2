"""CPU seconds that an import takes on top of the bare interpreter, in fresh processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

STATEMENTS = ("import numpy", "import reallot", "import reallot.cli.main")


@dataclass(frozen=True)
class ImportTiming:
    """Median CPU seconds (user and system, all threads) on top of the interpreter.

    cpu         as it comes: numpy's linear algebra library starts a thread per core, which spins for a while
    one_thread  with OPENBLAS_NUM_THREADS=1, so without that spinning
    """

    statement: str
    cpu: float
    one_thread: float


def measure(repeats: int) -> list[ImportTiming]:
    """Imports of numpy, of the library and of the command line; the bytecode is compiled before the clock starts."""
    result = []
    for statement in STATEMENTS:
        times = []
        for threads in (None, "1"):
            _cpu(statement, threads)
            pairs = [(_cpu("pass", threads), _cpu(statement, threads)) for _ in range(repeats)]
            times.append(median(loaded - bare for bare, loaded in pairs))
        result.append(ImportTiming(statement, times[0], times[1]))
    return result


def _cpu(statement: str, threads: str | None) -> float:
    """CPU seconds of one fresh interpreter that runs `statement`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if threads is not None:
        environment["OPENBLAS_NUM_THREADS"] = threads
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
