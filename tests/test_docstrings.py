"""Docstrings: the examples run, and every public name says what it gives."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import reallot

MODULES = ["reallot", *(each.name for each in pkgutil.walk_packages(reallot.__path__, "reallot."))]
MODULES.remove("reallot.__main__")


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder()
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
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
