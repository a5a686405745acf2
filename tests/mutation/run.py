"""One mutant in a process of its own: forked when everything is imported and has passed once, then changed in place."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from .mutants import Mutant

SECONDS = 300
"""What runs longer has been killed: it hangs."""
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


@dataclass(frozen=True)
class Target:
    """A module, and the tests that must notice what is wrong with it, the quickest first."""

    module: str
    tests: tuple[str, ...]


def many(work: Iterable[tuple[Target, Mutant]], jobs: int) -> Iterator[tuple[Target, Mutant, int]]:
    """Each with how its process ended, in the order in which they end."""
    work = list(work)
    for tests in sorted({target.tests for target, _ in work}, key=len):
        if code := _tested(tests):
            raise RuntimeError(f"without any change the tests end with {code}")
    running: dict[int, tuple[Target, Mutant]] = {}
    for target, mutant in work:
        if len(running) >= jobs:
            yield _ended(running)
        running[_started(target, mutant)] = target, mutant
    while running:
        yield _ended(running)


def killed_by(code: int) -> bool:
    """True where tests failed, nothing could be imported, or it hung; 0 is a survivor; raises where nothing ran."""
    if code in (3, 4, 5):
        raise RuntimeError(f"pytest ended with {code}: the tests were not run")
    return code != 0


def _ended(running: dict[int, tuple[Target, Mutant]]) -> tuple[Target, Mutant, int]:
    child, status = os.wait()
    target, mutant = running.pop(child)
    return target, mutant, os.waitstatus_to_exitcode(status)


def _started(target: Target, mutant: Mutant) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 4
    try:
        signal.alarm(SECONDS)
        code = 1  # what cannot even be imported is dead
        changed_into(importlib.import_module(target.module), mutant.source())
        code = 4
        code = _tested(target.tests)
    finally:
        os._exit(code)


def _tested(tests: tuple[str, ...]) -> int:
    """How pytest ends; one file after the other, since most mutants are dead after the first."""
    with tempfile.TemporaryDirectory() as folder, _silence():
        for test in tests:
            if code := int(pytest.main([*OPTIONS, f"--basetemp={folder}/tests", test])):
                return code
    return 0


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


# changing a module in place: whoever has imported its functions and classes has the changed ones


def changed_into(module: ModuleType, source: str) -> None:
    """Every function, default and plain value of the module as in `source`."""
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update(__package__=module.__package__, __file__=module.__file__, __name__="mutant")
    sys.modules["mutant"] = fresh  # where dataclasses look their module up
    exec(compile(source, str(module.__file__), "exec"), fresh.__dict__)
    for name, new in vars(fresh).items():
        old = getattr(module, name, None)
        if not (callable(old) or isinstance(old, ModuleType) or name.startswith("__")):
            setattr(module, name, _of(module, new))
        elif isinstance(old, type) and old.__module__ == module.__name__:
            for member, value in vars(new).items():
                _change(module, vars(old).get(member), value)
        elif getattr(old, "__module__", "") == module.__name__:
            _change(module, old, new)


def _change(module: ModuleType, old: Any, new: Any) -> None:
    if hasattr(old, "cache_clear"):
        old.cache_clear()
    old, new = _function(old), _function(new)
    if old is None or new is None:
        return
    if new.__code__.co_filename == module.__file__:
        old.__code__ = new.__code__
    # of a dataclass only the defaults are its own
    old.__defaults__ = _of(module, new.__defaults__)
    old.__kwdefaults__ = new.__kwdefaults__


def _function(value: Any) -> FunctionType | None:
    for name in ("__wrapped__", "fget", "__func__", "func"):
        if isinstance(value, (property, classmethod, staticmethod, cached_property)) or hasattr(value, "cache_clear"):
            value = getattr(value, name, value)
    return value if isinstance(value, FunctionType) else None


def _of(module: ModuleType, value: Any) -> Any:
    """The same with the module's own classes of names, where there are new ones."""
    if isinstance(value, tuple):
        return tuple(_of(module, each) for each in value)
    if isinstance(value, Enum) and type(value).__module__ == "mutant":
        return getattr(module, type(value).__name__)[value.name]
    return value
