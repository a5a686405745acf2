"""Docstrings: the examples run, and every public name has what a reader and numpydoc look for."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import pkgutil
import re
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reallot
from reallot.engine.contracts.values import Record

MODULES = ["reallot", *(each.name for each in pkgutil.walk_packages(reallot.__path__, "reallot."))]
MODULES.remove("reallot.__main__")


def has_examples(module: str) -> bool:
    """True where a docstring of the file may have an example: nothing is imported to find out."""
    path = Path(reallot.__file__).parent.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ">>>" in path.read_text(encoding="utf-8")


OPTIONAL = ("numba", "httpx2", "psycopg")
"""What only extras bring: modules that cannot do without it are looked at where it is installed."""
ABOUT_PARAMETERS = {"PR01", "PR02", "PR03", "PR07", "PR10"}
CHECKS = ABOUT_PARAMETERS | {
    *("GL06", "GL07", "GL08", "GL09", "RT01", "RT03", "YD01", "SS01", "SS02", "SS03", "SS04"),
}
"""Sections known and in order, every parameter and result described, a summary that is a sentence.

PR04, a parameter's type, is left out: types stand in the annotations and are not repeated.
"""


def imported(module: str) -> ModuleType:
    """The module; skips where what it needs is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed: {module} belongs to an extra")


@pytest.mark.parametrize("module", [name for name in MODULES if has_examples(name)])
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


def own_members(value: type) -> dict[str, Any]:
    """Public methods and properties that stand in the class itself, by name."""
    kinds = (property, cached_property, classmethod, staticmethod)
    return {
        name: getattr(value, name)
        for name, member in vars(value).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds))
    }


def public() -> dict[str, Any]:
    """Every public name, those of `reallot.plots` and all their methods and properties, by dotted name."""
    found: dict[str, Any] = {name: getattr(reallot, name) for name in reallot.__all__}
    plots = found.pop("plots")
    found |= {f"plots.{name}": getattr(plots, name) for name in plots.__all__}
    for name, value in list(found.items()):
        if inspect.isclass(value):
            found |= {f"{name}.{key}": member for key, member in own_members(value).items()}
    return found


PUBLIC = public()


def has_own_constructor(value: type) -> bool:
    """False for enumerations and ports, which nobody calls, and for exceptions that take what every exception takes."""
    if issubclass(value, BaseException):
        return "__init__" in vars(value)
    return not issubclass(value, Enum) and not getattr(value, "_is_protocol", False)


def is_called_by_users(name: str) -> bool:
    """False for methods, errors, and records of the engine that cannot be made without arguments: it makes them."""
    value = PUBLIC[name]
    if "." in name.removeprefix("plots."):
        return False
    if inspect.isclass(value) and issubclass(value, Record):
        return not any(field.is_required() for field in value.model_fields.values())
    return not inspect.isclass(value) or (has_own_constructor(value) and not issubclass(value, BaseException))


def missing(name: str) -> list[str]:
    """What numpydoc would have in the docstring of a public name, and is not there."""
    docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is not installed: extra `docs`")
    from numpydoc.validate import validate

    value, checks = PUBLIC[name], set(CHECKS)
    if inspect.isclass(value) and not has_own_constructor(value):
        checks -= ABOUT_PARAMETERS
    if is_called_by_users(name):
        checks.add("EX01")
    errors = validate(docscrape.get_doc_object(value))["errors"]
    found = [f"{name} {code}: {text}" for code, text in errors if code in checks]
    if re.search(r"\w --+", inspect.getdoc(value) or ""):
        found.append(f"{name}: a heading and its line were joined to the text")
    return found


@pytest.mark.parametrize("name", sorted({name.split(".")[0] for name in PUBLIC}))
def test_every_public_name_has_what_numpydoc_looks_for(name):
    """Of a class, its methods and properties too."""
    found = [text for each in PUBLIC if each.split(".")[0] == name for text in missing(each)]
    assert not found, "\n".join(found)


def test_the_checks_find_what_is_missing():
    docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is not installed: extra `docs`")
    from numpydoc.validate import validate

    def halved(share: float, unit: str) -> float:
        """Give half of a share

        Parameters
        ----------
        share
        """
        return share / 2.0

    found = {code for code, _ in validate(docscrape.get_doc_object(halved))["errors"]}
    assert {"SS03", "PR01", "PR07", "RT01", "EX01"} <= found


def test_every_example_can_be_typed_as_it_stands():
    """It imports all that it uses, public names from `reallot`: a reader has nothing else."""
    wrong = {}
    for name, value in PUBLIC.items():
        examples = doctest.DocTestParser().get_examples(inspect.getdoc(value) or "")
        known, used = set(dir(builtins)), set()
        for node in ast.walk(ast.parse("".join(each.source for each in examples))):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else known).add(node.id)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                known |= {each.asname or each.name for each in node.names}
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                known.add(node.name)
            elif isinstance(node, (ast.arg, ast.ExceptHandler)):
                known.add(str(getattr(node, "arg", None) or getattr(node, "name", None)))
        if used - known:
            wrong[name] = sorted(used - known)
    assert not wrong, wrong


def test_public_names_are_sorted_and_real():
    assert list(reallot.__all__) == sorted(set(reallot.__all__))
    assert all(hasattr(reallot, name) for name in reallot.__all__)
