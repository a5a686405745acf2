"""Docstrings: the examples run, and every public name says what it gives."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import reallot

MODULES = ["reallot", *(each.name for each in pkgutil.walk_packages(reallot.__path__, "reallot."))]
MODULES.remove("reallot.__main__")


OPTIONAL = ("numba", "httpx2", "psycopg")
"""What only extras bring: modules that cannot do without it are looked at where it is installed."""


def imported(module: str) -> ModuleType:
    """The module; skips where what it needs is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed: {module} belongs to an extra")


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(module):
    found = imported(module)
    if module.startswith("reallot.plots."):
        pytest.importorskip("matplotlib", reason="its examples draw: extra `plot`")
    assert doctest.testmod(found).failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(name) for name in MODULES if name.startswith("reallot.allocation.")]
    examples = [test for module in modules for test in finder.find(module) if test.examples]
    assert len(examples) >= 5


@pytest.mark.parametrize("name", reallot.__all__)
def test_every_public_name_says_what_it_gives(name):
    value = getattr(reallot, name)
    text = inspect.getdoc(value)
    assert text and not text.startswith(f"{name}("), f"{name} has no docstring of its own"
    if inspect.isclass(value):
        missing = [
            key
            for key, member in vars(value).items()
            if not key.startswith("_")
            and (callable(member) or isinstance(member, (property, classmethod, staticmethod)))
            and not inspect.getdoc(member)
        ]
        assert not missing, f"{name}: {', '.join(missing)} say nothing"


def test_public_names_are_sorted_and_real():
    assert list(reallot.__all__) == sorted(set(reallot.__all__))
    assert all(hasattr(reallot, name) for name in reallot.__all__)
