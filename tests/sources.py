"""Our own files as text and as syntax trees: read when the first test asks, and only once for all tests that do."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

import reallot

ROOT = Path(reallot.__file__).parent


@cache
def texts() -> dict[Path, str]:
    """The text of every file of the package, in the order of paths."""
    return {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


@cache
def trees() -> dict[Path, ast.Module]:
    """The syntax tree of every file of the package."""
    gc.disable()  # half a million nodes that all stay: looking through them while they are made takes twice the time
    try:
        return {path: ast.parse(text) for path, text in texts().items()}
    finally:
        gc.enable()
