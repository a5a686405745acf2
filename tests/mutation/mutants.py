"""Small wrong changes to a module, one at a time: a suite that looks at what it runs notices each.

Comparisons, conditions, arithmetic, numbers, names in quotes, branches, cases, arguments, calls, results and the words
of SQL. Not changed: annotations, documentation, raised messages, formatted texts, sentences for people, and
the words of an enumeration.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CALLED = {"max": "min", "min": "max", "any": "all", "all": "any"}
WORDS = 3
"""A text with so many spaces is a sentence for people."""
TYPES = ("TypeVar", "ParamSpec")
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|REPLACE|WHERE|FROM)\b")
IN_SQL = (
    (" DESC", ""),
    (" >= ", " > "),
    (" > ", " >= "),
    (" <> ", " = "),
    (" = ", " <> "),
    (" AND ", " OR "),
    ("NOT IN", "IN"),
    ("NOT EXISTS", "EXISTS"),
    ("max(", "min("),
    ("OR REPLACE", "OR IGNORE"),
    ("OR IGNORE", "OR REPLACE"),
    ("IS NULL", "IS NOT NULL"),
    ("coalesce(asked, ?)", "?"),
    ("'move'", "'repair'"),
    ("'confirmed'", "'sent'"),
    ("'refused'", "'sent'"),
    ("'committed'", "'halted'"),
    ("'rolled_back'", "'halted'"),
    ("'planned', ", ""),
    (", 'discarded'", ""),
    (" LIMIT 1", " LIMIT 0"),
)


Change = Callable[[Any], str]
"""Changes a node in place, and returns how it reads then."""


@dataclass(frozen=True)
class Mutant:
    """One change, the `number`-th of its file; `name` stays the same as long as the lines around it do."""

    name: str
    path: Path
    number: int

    def source(self) -> str:
        """The whole module with it."""
        tree = ast.parse(self.path.read_text())
        _, node, change = list(_changes(tree))[self.number]
        change(node)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    counted, found = Counter[str](), []
    for number, (where, node, change) in enumerate(_changes(ast.parse(path.read_text()))):
        name = f"{path.stem}.{where}: {_short(node)} -> {change(copy.deepcopy(node))}"
        counted[name] += 1
        found.append(Mutant(f"{name} ({counted[name]})" if counted[name] > 1 else name, path, number))
    return found


def _short(node: ast.AST) -> str:
    if isinstance(node, ast.match_case):
        return f"case {ast.unparse(node.pattern)}" + (f" if {ast.unparse(node.guard)}" if node.guard else "")
    text = ast.unparse(node).splitlines()[0]
    return text if len(text) <= 100 else f"{text[:97]}..."


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, Change]]:
    """(function, node, what to do to its twin) for every change that can be made."""
    for where, node in _nodes(tree, "module"):
        for change in _changes_at(node):
            yield where, node, change


def _nodes(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    """Nodes in order, without annotations, documentation and the words of messages."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(node, (*DEFINED, ast.Module)):
            children = [each for each in children if not _is_text(each)]
        for child in children:
            if not isinstance(child, ast.AST) or _is_message(node, child) or _is_enumeration(child):
                continue
            inside = child.name if isinstance(child, DEFINED) else ""
            place = f"{where}.{inside}".removeprefix("module.") if inside else where
            yield place, child
            yield from _nodes(child, place)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_enumeration(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases)


def _is_message(parent: ast.AST, child: ast.AST) -> bool:
    """The text of an error, the name of a type variable, or a formatted text that is no SQL."""
    if isinstance(parent, ast.Raise) or (isinstance(parent, ast.Call) and ast.unparse(parent.func) in TYPES):
        return True
    return isinstance(child, ast.JoinedStr) and not SQL.search(ast.unparse(child))


def _changes_at(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            for number, operator in enumerate(node.ops):
                yield _compares(number, COMPARED[type(operator)])
        case ast.BoolOp():
            yield _set(op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield _replaced_by("operand")
        case ast.BinOp() if type(node.op) in COUNTED:
            yield _set(op=COUNTED[type(node.op)]())
        case ast.Constant(value=bool()):
            yield _set(value=not node.value)
        case ast.Constant(value=int() | float()):
            yield _set(value=node.value + 1)
        case ast.Constant(value=str()) if SQL.search(node.value):
            yield from _in_sql(node.value)
        case ast.Constant(value=str()) if node.value and node.value.count(" ") < WORDS:
            yield _set(value=f"{node.value}XX")
        case ast.If() | ast.IfExp():
            yield _negated
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield _set(value=ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield _set(value=ast.Constant(None))
        case ast.comprehension() if node.ifs:
            yield _set(ifs=[])
        case ast.match_case():
            yield from _in_case(node)
        case ast.Tuple(ctx=ast.Load()) if any(isinstance(each, ast.Starred) for each in node.elts):
            for number in range(len(node.elts)):
                yield _without("elts", number)
        case ast.Call():
            yield from _in_call(node)


def _in_call(node: ast.Call) -> Iterator[Change]:
    if isinstance(node.func, ast.Name) and node.func.id in CALLED:
        yield _calls(CALLED[node.func.id])
    if isinstance(node.func, ast.Name) and node.func.id in ("reversed", "sorted") and not node.keywords:
        yield _argument_alone
    for number, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield _without("keywords", number)


def _in_case(node: ast.match_case) -> Iterator[Change]:
    if node.guard is not None:
        yield _set(guard=None)
    for pattern in ast.walk(node.pattern):
        if isinstance(pattern, ast.MatchOr):
            for number in range(len(pattern.patterns)):
                yield _without_alternative(number)
    if not isinstance(node.pattern, ast.MatchAs):
        yield _set(guard=ast.Constant(False))


def _in_sql(text: str) -> Iterator[Change]:
    for old, new in IN_SQL:
        for number in range(text.count(old)):
            parts = text.split(old)
            changed = old.join(parts[: number + 1]) + new + old.join(parts[number + 1 :])
            yield _sql(changed, f"{old.strip()} -> {new.strip()} #{number + 1}")


# what is done to a node


def _set(**fields: object) -> Change:
    def change(node: Any) -> str:
        for name, value in fields.items():
            setattr(node, name, value)
        return _short(node)

    return change


def _sql(text: str, said: str) -> Change:
    def change(node: Any) -> str:
        node.value = text
        return said

    return change


def _compares(number: int, operator: type[ast.cmpop]) -> Change:
    def change(node: Any) -> str:
        node.ops[number] = operator()
        return _short(node)

    return change


def _replaced_by(field: str) -> Change:
    def change(node: Any) -> str:
        inner = getattr(node, field)
        node.op, node.operand = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not(), inner
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), inner)
        return _short(node)

    return change


def _negated(node: Any) -> str:
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return f"not {_short(node.test.operand)}"


def _calls(name: str) -> Change:
    def change(node: Any) -> str:
        node.func = ast.Name(name, ast.Load())
        return _short(node)

    return change


def _argument_alone(node: Any) -> str:
    node.func = ast.Name("tuple", ast.Load())
    return _short(node)


def _without(field: str, number: int) -> Change:
    def change(node: Any) -> str:
        taken = getattr(node, field).pop(number)
        return f"without {_short(taken.value if isinstance(taken, ast.keyword) else taken)}"

    return change


def _without_alternative(number: int) -> Change:
    def change(node: Any) -> str:
        for pattern in ast.walk(node.pattern):
            if isinstance(pattern, ast.MatchOr):
                pattern.patterns.pop(number)
                break
        return _short(node)

    return change
