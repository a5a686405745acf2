"""Packages import in the order that ARCHITECTURE.md lists, and libraries have one home: an AST walk over src."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.sources import ROOT, texts, trees

FILES = sorted(ROOT.rglob("*.py"))
PAGE = Path(__file__).resolve().parents[1] / "ARCHITECTURE.md"


def packages(page: str) -> list[str]:
    """The packages from the lowest to the highest, as the page lists them; "" is the root with the public names."""
    listed = re.search(r"^```text\n(errors .*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert listed, "ARCHITECTURE.md has no list of packages"
    lines = listed[1].splitlines()
    assert not [line for line in lines if line.startswith(" ")], (
        "packages only: a file's first line says what it is for"
    )
    names = [line.split()[0] for line in lines]
    return ["" if name == "reallot" else name for name in names]


ORDER = packages(PAGE.read_text(encoding="utf-8"))
HOMES = {
    "pulp": {"solvers.programs.pulp_cbc"},
    "scipy.optimize": {"solvers.programs.scipy_highs"},
    "highspy": {"solvers.programs.highs_library"},
    "httpx2": {"adapters.http", "service.client"},
    "psycopg": {"engine.ledger.postgres"},
    "lightgbm": {"policy.forecast.boosted"},
    "matplotlib": {"plots.paper"},
    "apprise": {"service.notify.ways"},
    "fastapi": {"service.app", "service.described", "service.read_routes"},
    "starlette": {"service.app", "service.stream"},
    "uvicorn": {"service.serving"},
    "prometheus_client": {"service.metrics"},
    "mcp": {"service.mcp_server"},
}
LATE = (
    "pandas",
    "narwhals",
    "scipy",
    "pulp",
    "highspy",
    "matplotlib",
    "httpx2",
    "psycopg",
    "lightgbm",
    "apprise",
    "mcp",
)
"""Never imported when a module is: only where they are used."""
LOWEST_LIBRARIES = {
    "errors": set(),
    "text": set(),
    "problem": {"numpy", "pandas", "narwhals", "pydantic", "pydantic_core"},
    "program": {"numpy", "scipy"},
    "formulation": {"numpy"},
}
"""Libraries that the lowest packages may use beside the standard one."""
ADAPTERS_MAY_IMPORT = ("errors", "engine.contracts", "adapters")
MOST_LINES = 380
"""Of a file, without its docstrings: these say units, shapes and examples, and are as long as they must be."""
MOST_ENTRIES = 20
"""Files and folders directly under the package."""
MOST_ORCHESTRATION_LINES = 1250
"""Without docstrings."""


@dataclass(frozen=True)
class Import:
    """`module` is absolute; `late` where it stands inside a function, `typing` under TYPE_CHECKING."""

    module: str
    late: bool
    typing: bool
    line: int


def code_lines(path: Path) -> int:
    """Lines of a file that do not belong to a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [each.body[0] for each in ast.walk(trees()[path]) if isinstance(each, documented) and each.body]
    said = [text for text in first if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)]
    return len(texts()[path].splitlines()) - sum((text.end_lineno or text.lineno) - text.lineno + 1 for text in said)


def name_of(path: Path) -> str:
    """Dotted name under the package: "problem.curve"; a package's own file by the package; "" for the root's."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path) -> list[Import]:
    """All imports of a file, one for each imported module."""
    inside = path.name == "__init__.py"
    package = [part for part in name_of(path).split(".") if part]
    package = package if inside else package[:-1]
    found: list[Import] = []

    def visit(node: ast.AST, late: bool, typing: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, late, typing, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            for alias in node.names:
                module = f"{base}.{alias.name}"
                known = module.removeprefix("reallot.") in MODULES or not base.startswith("reallot")
                found.append(Import(module if known else base, late, typing, node.lineno))
        late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        guarded = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):  # statements: expressions import nothing
            for child in getattr(node, part, ()):
                visit(child, late, typing or (guarded and part == "body"))

    visit(trees()[path], late=False, typing=False)
    return found


def _base(node: ast.ImportFrom, package: list[str]) -> str:
    if node.level == 0:
        return node.module or ""
    above = package[: len(package) - (node.level - 1)]
    return ".".join(["reallot", *above, *([node.module] if node.module else [])])


@cache
def all_imports() -> dict[str, list[Import]]:
    """The imports of every module, by its name."""
    return {name: imports(path) for name, path in MODULES.items()}


@pytest.fixture(scope="module", autouse=True)
def _read() -> None:
    """What all tests look at is no time of the first that looks."""
    all_imports()


def package(module: str) -> str:
    """The package of a module of ours as the page lists it: a single file at the top is one of its own."""
    return module if MODULES[module].name == "__init__.py" or "." not in module else module.rpartition(".")[0]


def ours(found: Import) -> str | None:
    """The imported module's name under the package; None for others'."""
    if found.module == "reallot":
        return ""
    return found.module.removeprefix("reallot.") if found.module.startswith("reallot.") else None


def everywhere() -> Iterator[tuple[str, Import]]:
    """(importing module, import), late ones and those for types included."""
    for name, found in all_imports().items():
        yield from ((name, each) for each in found)


def upward(edges: Iterable[tuple[str, str]], order: Sequence[str]) -> list[str]:
    """Of imports from package to package those that go up in the order, or leave it."""
    return [f"{one} -> {other}" for one, other in edges if order.index(other) > order.index(one)]


def test_the_walk_sees_the_package():
    known = {
        "errors",
        "problem.curve",
        "program.blocks",
        "formulation.moves",
        "orchestration.cycle",
        "allocation.allocate",
    }
    assert known <= set(MODULES)
    assert any(each.module == "highspy" and each.late for each in all_imports()["solvers.programs.highs_library"])
    assert any(each.module == "reallot.errors" and not each.late for each in all_imports()["problem.validation"])
    assert any(each.typing for each in all_imports()["problem.files"])


def test_the_page_lists_every_package_once_and_no_other():
    there = {package(name) for name in MODULES}
    assert len(ORDER) == len(set(ORDER))
    assert set(ORDER) == there


def test_an_upward_import_is_seen():
    assert upward([("b", "a"), ("a", "b")], ["a", "b"]) == ["a -> b"]


def test_no_module_imports_from_a_package_above():
    wrong = [
        f"{name} line {each.line}: {found[0]}"
        for name, each in everywhere()
        if name and (target := ours(each)) is not None
        if (found := upward([(package(name), package(target))], ORDER))
    ]
    assert not wrong, "\n".join(wrong)


def test_an_adapter_imports_the_contracts_and_the_errors_only():
    wrong = [
        f"{name} line {each.line} imports {target}"
        for name, each in everywhere()
        if package(name) == "adapters" and (target := ours(each)) is not None
        if package(target) not in ADAPTERS_MAY_IMPORT
    ]
    assert not wrong, "\n".join(wrong)


def test_few_things_lie_directly_in_the_package():
    entries = sorted(path.name for path in ROOT.iterdir() if path.name != "__pycache__")
    assert len(entries) <= MOST_ENTRIES, entries


def test_the_four_parts_and_the_cycle_are_thin():
    assert sum(code_lines(path) for path in (ROOT / "orchestration").rglob("*.py")) < MOST_ORCHESTRATION_LINES


def test_formulation_does_not_know_who_solves_it_and_solvers_do_not_know_the_formulation():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        for one, other in (("formulation", "solvers"), ("solvers", "formulation"))
        if name.split(".")[0] == one and (ours(each) or "").split(".")[0] == other
    ]
    assert not wrong, "\n".join(wrong)


def test_solvers_of_programs_see_no_problem():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        if package(name) == "solvers.programs" and (ours(each) or "").split(".")[0] == "problem"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_lowest_packages_import_numpy_and_the_standard_library_only():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        if (allowed := LOWEST_LIBRARIES.get(name.split(".")[0])) is not None
        and ours(each) is None
        and (top := each.module.split(".")[0]) not in sys.stdlib_module_names
        and top not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_the_program_takes_only_sparse_matrices_from_scipy():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        if name.startswith("program") and each.module.startswith("scipy") and not each.module.startswith("scipy.sparse")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", HOMES)
def test_each_library_has_one_home(library):
    users = {name for name, each in everywhere() if f"{each.module}.".startswith(f"{library}.")}
    assert users == HOMES[library]


def test_heavy_libraries_are_imported_where_they_are_used():
    wrong = [
        f"{name} line {each.line} imports {each.module} when it is imported itself"
        for name, each in everywhere()
        if not each.late and not each.typing and each.module.split(".")[0] in LATE
    ]
    assert not wrong, "\n".join(wrong)


def test_compiled_code_is_at_home_among_the_solvers():
    compiled = {name for name, each in everywhere() if each.module.split(".")[0] == "numba"}
    assert "solvers.numba.split" in compiled
    assert {package(name) for name in compiled} == {"solvers.numba"}


def test_pandas_stays_at_the_edges():
    inside = ORDER[: ORDER.index("allocation")]
    wrong = [
        f"{name} line {each.line}"
        for name, each in everywhere()
        if package(name) in inside and name not in ("problem.files", "problem.frames") and package(name) != "plots"
        if each.module.split(".")[0] == "pandas"
    ]
    assert not wrong, "\n".join(wrong)


def circle(graph: dict[str, set[str]]) -> str | None:
    """The first circle found, as "a -> b -> a", or None."""
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> str | None:
        if name in path:
            return " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return None
        found = next((seen for target in sorted(graph[name]) if (seen := walk(target, (*path, name)))), None)
        done.add(name)
        return found

    return next((found for name in sorted(graph) if (found := walk(name, ()))), None)


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == "b -> c -> b"
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_no_imports_go_in_circles():
    """Late imports and those for types count."""
    graph = {
        name: {target for each in found if (target := ours(each)) in MODULES and target != name}
        for name, found in all_imports().items()
    }
    assert circle(graph) is None


SAME_IDEA = {
    "allocate": "of one problem, and of a fleet",
    "alerts": "raised, and kept",
    "arrays": "of a problem, and of its horizon",
    "backends": "chosen, and tested",
    "base": "the port of policies, and that of forecasts",
    "batch": "many problems: public, exact and compiled",
    "exploration": "of a policy, in a backtest, and in the engine",
    "fees": "exact and compiled",
    "frames": "read for a problem, and for a fleet",
    "frontier": "worked out, and drawn",
    "limits": "of one problem, and of a fleet",
    "moves": "as rows of a program, and as they are told",
    "plan": "of the engine, of a fleet, and drawn",
    "prices": "worked out for a fleet, and drawn",
    "reliability": "worked out, and drawn",
    "report": "made, and printed",
    "result": "of a path, of a decision, and of a backtest",
    "risk": "as a record, and as rows of a program",
    "rules": "of a program that have prices, and of messages that are told",
    "run": "of a backtest; the command line has a file for each command",
    "schema": "of a configuration, and the command that prints it",
    "split": "exact and compiled",
    "validation": "of a problem, and of a reading",
}
"""Modules of one name in several packages, and the idea that they share."""


def twice(places: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Of (name, place) pairs the names with several places."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, place in places:
        found[name].append(place)
    return {name: where for name, where in found.items() if len(where) > 1}


def test_a_name_with_two_places_is_seen() -> None:
    assert twice([("a", "x"), ("b", "x"), ("a", "y")]) == {"a": ["x", "y"]}


def test_no_two_classes_have_one_name() -> None:
    classes = (
        (node.name.lstrip("_"), path.relative_to(ROOT).as_posix())  # a private one too is read beside the other
        for path, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    )
    assert twice(classes) == {}


def test_modules_of_one_name_share_an_idea_that_is_listed() -> None:
    modules = ((path.stem, path.relative_to(ROOT).as_posix()) for path in FILES if path.name != "__init__.py")
    found = twice(modules)
    assert {name: where for name, where in found.items() if name not in SAME_IDEA} == {}
    assert set(SAME_IDEA) <= set(found), "listed, and there is only one of them"


def test_a_file_is_about_one_idea_and_not_long():
    long = [path for path in FILES if len(texts()[path].splitlines()) >= MOST_LINES]  # with docstrings, or without
    lengths = {path.relative_to(ROOT).as_posix(): code_lines(path) for path in long}
    assert {name: lines for name, lines in lengths.items() if lines >= MOST_LINES} == {}


def test_a_file_says_in_its_first_line_why_it_exists():
    silent = [path for path, tree in trees().items() if texts()[path].strip() and not ast.get_docstring(tree)]
    assert not silent, silent


def test_importing_the_package_stays_light():
    heavy = ["scipy.optimize", "pandas", "pulp", "highspy", "pydantic", "matplotlib", "numba"]
    code = f"import sys, reallot; print([name for name in {heavy!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
