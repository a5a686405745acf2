"""Standard output belongs to whoever calls us: what C libraries print while they solve does not reach it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

STDOUT, STDERR = 1, 2
_lock = threading.Lock()
_state = {"inside": 0, "kept": -1}


@contextmanager
def quiet() -> Iterator[None]:
    """While this lasts, the descriptor of standard output leads nowhere, for the whole process.

    It leads to standard error where other threads run, whose lines are not ours to drop. Threads may be inside at the
    same time; the last one out restores it.
    """
    with _lock:
        if not _state["inside"]:
            _state["kept"] = _turned()
        _state["inside"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["inside"] -= 1
            if not _state["inside"] and _state["kept"] >= 0:
                _flush()
                os.dup2(_state["kept"], STDOUT)
                os.close(_state["kept"])


def _turned() -> int:
    """Turns standard output away; returns what it was, -1 where there is none."""
    kept = -1
    with suppress(OSError):
        kept = os.dup(STDOUT)
        _flush()
        if threading.active_count() > 1:
            os.dup2(STDERR, STDOUT)
        else:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STDOUT)
            os.close(nowhere)
    return kept


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None if os.name == "posix" else "ucrtbase")


def _flush() -> None:
    """Writes out what C's own buffers hold, where it belongs by now."""
    with suppress(OSError, AttributeError, TypeError):
        _c_library().fflush(None)
