"""The floors and the homes of libraries: an AST walk over src, and what a fresh interpreter loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import reallot

ROOT = Path(reallot.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

FLOORS = {
    "errors": 0,
    "problem": 1,
    "program": 2,
    "formulation": 3,
    "solvers": 3,
    "backtest": 5,
    "orchestration": 5,
    "adapters": 5,
    "ledger": 5,
    "commands": 6,
    "cli": 7,
    "__main__": 7,
}
"""What is not named stands on floor 4: allocate, allocation, pricing, explain, conflict, files and their helpers."""
MIDDLE = 4
HOMES = {
    "pulp": {"solvers.pulp_cbc"},
    "scipy.optimize": {"solvers.scipy_highs"},
    "highspy": {"solvers.highs"},
    "httpx2": {"adapters.http"},
    "sqlalchemy": {"ledger.postgres"},
    "psycopg": {"ledger.postgres"},
    "lightgbm": {"forecast.boosted"},
    "matplotlib": {"plots.paper"},
}
LATE = ("pandas", "scipy", "pulp", "highspy", "matplotlib", "httpx2", "sqlalchemy", "psycopg", "lightgbm")
"""Never imported when a module is: only where they are used."""
LOWER_FLOORS = {"errors": set(), "problem": {"numpy"}, "program": {"numpy", "scipy"}, "formulation": {"numpy"}}
"""Libraries that the lower floors may use beside the standard one."""
DOORS = {("allocation", "pricing"), ("allocation", "reasons"), ("program.linear_program", "program.show")}
"""Records whose properties are worked out elsewhere, on demand: `plan.prices`, `plan.reasons`, `program.show()`."""
MOST_LINES = 400


@dataclass(frozen=True)
class Import:
    """`module` is absolute; `late` where it stands inside a function, `typing` under TYPE_CHECKING."""

    module: str
    late: bool
    typing: bool
    line: int


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
        late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        guarded = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            body = guarded and child in node.body
            visit(child, late, typing or body)

    visit(ast.parse(path.read_text()), late=False, typing=False)
    return found


def _base(node: ast.ImportFrom, package: list[str]) -> str:
    if node.level == 0:
        return node.module or ""
    above = package[: len(package) - (node.level - 1)]
    return ".".join(["reallot", *above, *([node.module] if node.module else [])])


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def floor(module: str) -> int:
    """Floor of a module of ours, by its first part."""
    return FLOORS.get(module.split(".")[0], MIDDLE)


def ours(found: Import) -> str | None:
    """The imported module's name under the package; None for others'."""
    if found.module == "reallot":
        return ""
    return found.module.removeprefix("reallot.") if found.module.startswith("reallot.") else None


def everywhere() -> Iterator[tuple[str, Import]]:
    """(importing module, import) without those that only the type checker sees."""
    for name, found in IMPORTS.items():
        yield from ((name, each) for each in found if not each.typing)


def test_the_walk_sees_the_package():
    assert {"errors", "problem.curve", "program.blocks", "formulation.moves", "solvers.exact", "allocate"} <= set(
        MODULES
    )
    assert any(each.module == "highspy" and each.late for each in IMPORTS["solvers.highs"])
    assert any(each.module == "reallot.errors" and not each.late for each in IMPORTS["problem.check"])
    assert any(each.typing for each in IMPORTS["problem.arrays"])


def test_no_module_imports_from_a_floor_above():
    wrong = [
        f"{name} (floor {floor(name)}) line {each.line} imports {each.module} (floor {floor(target)})"
        for name, each in everywhere()
        if name and (target := ours(each)) is not None and (target == "" or floor(target) > floor(name))
        if not (target == "" and floor(name) == 7)
    ]
    assert not wrong, "\n".join(wrong)


def test_formulation_does_not_know_who_solves_it_and_solvers_do_not_know_the_formulation():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        for one, other in (("formulation", "solvers"), ("solvers", "formulation"))
        if name.split(".")[0] == one
        and (ours(each) or "").split(".")[0] == other
        # the conformance suite is no backend: it hands formulated problems to one
        and name != "solvers.conformance"
    ]
    assert not wrong, "\n".join(wrong)


def test_solvers_of_programs_see_no_problem():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        if name in ("solvers.highs", "solvers.scipy_highs", "solvers.pulp_cbc", "solvers.slopes")
        and (ours(each) or "").split(".")[0] == "problem"
    ]
    assert not wrong, "\n".join(wrong)


def test_lower_floors_import_numpy_and_the_standard_library_only():
    wrong = [
        f"{name} line {each.line} imports {each.module}"
        for name, each in everywhere()
        if (allowed := LOWER_FLOORS.get(name.split(".")[0])) is not None
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
        if not each.late and each.module.split(".")[0] in LATE
    ]
    assert not wrong, "\n".join(wrong)


def test_compiled_code_is_at_home_among_the_solvers():
    compiled = {name for name, each in everywhere() if each.module.split(".")[0] == "numba"}
    assert "solvers.compiled_kernels" in compiled
    assert {floor(name) for name in compiled} == {FLOORS["solvers"]}


def test_pandas_stays_at_the_edges():
    wrong = [
        f"{name} line {each.line}"
        for name, each in everywhere()
        if floor(name) < MIDDLE and each.module.split(".")[0] == "pandas"
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


def graph_of(late: bool) -> dict[str, set[str]]:
    """Who imports whom; `late` counts imports inside functions too.

    A module's own package imports it to pass its names on: that is no circle of ideas.
    """
    graph = {}
    for name, found in IMPORTS.items():
        seen = {ours(each) for each in found if not each.typing and (late or not each.late)}
        graph[name] = {target for target in seen if target in MODULES} - {name, name.rpartition(".")[0], ""}
    return graph


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == "b -> c -> b"
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_no_imports_go_in_circles():
    assert circle(graph_of(late=False)) is None


def test_only_a_record_that_works_out_its_own_properties_asks_a_module_above():
    graph = graph_of(late=True)
    for record, worker in DOORS:
        assert worker in graph[record], f"{record} no longer needs the door to {worker}"
        graph[record].discard(worker)
    assert circle(graph) is None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_about_one_idea_and_not_long(path):
    assert len(path.read_text().splitlines()) < MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_in_its_first_line_why_it_exists(path):
    assert ast.get_docstring(ast.parse(path.read_text())) or not path.read_text().strip()


def test_importing_the_package_stays_light():
    heavy = ["scipy.optimize", "pandas", "pulp", "highspy", "pydantic", "matplotlib", "numba"]
    code = f"import sys, reallot; print([name for name in {heavy!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
