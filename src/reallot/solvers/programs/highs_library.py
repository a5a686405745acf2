"""The library highspy: the only place that imports it, and releases that are refused; a forked child's first search."""

from __future__ import annotations

import os
import sys
from typing import Any

from ...errors import SolverFailed

OLDEST = (1, 13)
"""Older releases cannot change the limits of many rows at once."""
WRONG = {(1, 14): "its presolve loses optima of mixed-integer programs and certifies what is left"}
"""Releases, major and minor, that give wrong answers, each with what is wrong."""


def library() -> Any:
    """The module highspy; raises SolverFailed where the installed release is refused."""
    import highspy

    version = (highspy.HIGHS_VERSION_MAJOR, highspy.HIGHS_VERSION_MINOR, highspy.HIGHS_VERSION_PATCH)
    reason = why_refused(version)
    if reason is not None:
        raise SolverFailed(reason)
    return highspy


def why_refused(version: tuple[int, int, int]) -> str | None:
    """Why a release of HiGHS is not used, in words; None for one that may be."""
    release, name = version[:2], ".".join(map(str, version))
    if release >= OLDEST and release not in WRONG:
        return None
    wrong = WRONG.get(release, f"releases before {OLDEST[0]}.{OLDEST[1]} lack changeRowsBounds")
    return f"highspy {name} is not used: {wrong}; run pip install 'highspy>=1.15', or choose solver='scipy'"


def _forget_threads() -> None:
    """HiGHS believes that the parent's threads are still there: its first search would wait for them for ever."""
    loaded = sys.modules.get("highspy")
    if loaded is not None:
        loaded.Highs.resetGlobalScheduler(False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
