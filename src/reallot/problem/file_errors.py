"""What is wrong in a file, said one way: the place of the key, the value, the rule it breaks, the near miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from ..errors import InvalidInput, near_miss
from ..text.durations import RULE as DURATION
from .validation import brief

KeyPath = tuple[str | int, ...]
"""The keys that lead to a place in a file: ("limits", "groups", 0, "name")."""
Model = TypeVar("Model", bound=BaseModel)
MOST_FAULTS = 5
"""So many are told at once; of the others only how many they are."""
TABLE, LIST, TRUTH = "it must be a table of keys and values", "it must be a list", "it must be true or false"
_RULES = {
    "model_type": TABLE,
    "dict_type": TABLE,
    "list_type": LIST,
    "tuple_type": LIST,
    "bool_type": TRUTH,
    "string_type": "it must be a text",
    "time_delta_type": DURATION,
    "string_pattern_mismatch": "give the NAME of an environment variable (capitals, digits and _), "
    "not the secret itself",
}

_SAID_WELL = ("it must be greater ", "it must be less ", "it must be a finite ")
MOMENT = "it must be a moment with its zone, such as 2026-03-02T00:00:00Z"
OTHER = "it is of a kind that cannot stand here"
"""Where nothing better is known: the words of the library that checks are no help."""


def broken(rule: str, value: Any, part: str = "", *, whole: bool = False) -> PydanticCustomError:
    """For a validator to raise: `value` breaks a rule; `part` says where in its key ("in period 1").

    whole  the rule is a sentence of its own, to which the value adds nothing
    """
    return PydanticCustomError("broken", "{rule}", {"rule": rule, "value": value, "part": part, "whole": whole})


class FileError(InvalidInput):
    """What is wrong in a file, `faults` as a list for whoever says it in another form."""

    faults: Sequence[Fault] = ()

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> FileError:
        """With all of them in its text."""
        error = cls(told(fault.dotted() for fault in faults))
        error.faults = faults
        return error


def read(
    model: type[Model],
    table: Any,
    at: KeyPath = (),
    root: type[BaseModel] | None = None,
    *,
    strict: bool = False,
    context: Mapping[str, Any] | None = None,
) -> Model:
    """A plain table as `model` takes it; raises FileError, with places that begin `at` and near misses from `root`."""
    try:
        return model.model_validate(table, strict=strict, context=dict(context or {}))
    except ValidationError as error:
        raise FileError.of(_faults_of(error, model, at, root or model)) from None


def in_words(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong with the fields of one record."""
    return told(fault.dotted() for fault in _faults_of(error, model, (), model))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong at a place in a file.

    place  the keys that lead there, the last one named by what is wrong
    rule   in words; of a key that is unknown, the near miss
    value  as it stands; None where showing it says nothing
    kind   "value"; "key" for one that is unknown, "missing" for one that is not there, "record" for a sentence on the
           table as a whole, which begins with a key of it or not
    """

    place: KeyPath
    rule: str
    kind: Literal["value", "key", "missing", "record"] = "value"
    value: Any = None
    begins_with_key: bool = False

    def dotted(self) -> str:
        """limits.max_change is 'a'; it must be a number."""
        place = _path(self.place)
        if self.kind == "missing":
            return f"{place} is missing"
        if self.kind == "key":
            table = _path(self.place[:-1])
            return f"{table}{': ' if table else ''}unknown key {self.place[-1]!r}; {self.rule}"
        if self.kind == "record":
            return f"{place}{'' if not place else '.' if self.begins_with_key else ': '}{self.rule}"
        return f"{place or 'the problem'} is {brief(self.value)}; {self.rule}"

    def bracketed(self, clean: Callable[[str], str]) -> str:
        """[limits] max_change: it must be a number. No value is shown, and every name goes through `clean`."""
        depth = 2 + (self.place[2:3] == ("actor",)) if self.place[:1] == ("protocols",) else 1
        table, key = self.place[:depth], self.place[depth:]
        if not key and self.kind == "key":
            return f"{clean(str(self.place[-1]))}: unknown key; {self.rule}"
        head = f"[{'.'.join(clean(str(part)) for part in table)}]"
        name = f" {clean(_path(key))}" if key else ""
        if self.kind == "record":
            return f"{head}{name} {clean(self.rule)}" if self.begins_with_key else f"{head}{name}: {clean(self.rule)}"
        rule = {"missing": "it is missing", "key": f"unknown key; {self.rule}"}.get(self.kind, self.rule)
        return f"{head}{name}: {rule}"


def _faults_of(error: ValidationError, model: type[BaseModel], at: KeyPath, root: type[BaseModel]) -> list[Fault]:
    """What pydantic found wrong, in our words.

    A key that is missing is left out where another of its table is unknown: that is the one, misspelt. So is "it must
    be a text" where what is inside of it is wrong in another way: a union was meant that way.
    """
    found: dict[KeyPath, Fault] = {}
    for each in error.errors(include_url=False):
        place, table, kind = _walk(model, each["loc"])
        if isinstance(within := each.get("ctx", {}).get("error"), FileError):
            found |= {(*place, *each.place): replace(each, place=(*at, *place, *each.place)) for each in within.faults}
            continue
        if place not in found or each["type"] not in _RULES:
            found[place] = _fault(dict(each), (*at, *place), table, kind, root)
    inner = {place[:length] for place in found for length in range(len(place))}
    unknown = {fault.place[:-1] for fault in found.values() if fault.kind == "key"}
    return [
        fault
        for place, fault in found.items()
        if place not in inner and (fault.kind != "missing" or fault.place[:-1] not in unknown)
    ]


def record_fault(place: KeyPath, message: str, table: type[BaseModel] | None = None) -> Fault:
    """A record's own complaint about a table; records begin with the key where it is about one."""
    begins_with_key = table is not None and message.split(" ", 1)[0] in table.model_fields
    return Fault(place, message, "record", begins_with_key=begins_with_key)


def one_of(value: Any, options: Sequence[str]) -> str:
    """The rule for a value that is to be one of a few, with the near miss."""
    hint = near_miss(value, options) if isinstance(value, str) else ""
    return f"it must be one of {', '.join(options)}{f'; {hint}' if hint.startswith('did you mean') else ''}"


def told(faults: Iterable[str]) -> str:
    """The first few of several, in one line."""
    lines = list(faults)
    rest = len(lines) - MOST_FAULTS
    return "; ".join(lines[:MOST_FAULTS] + ([f"and {rest} more"] if rest > 0 else []))


def hint_for(key: str, known: Iterable[str], root: type[BaseModel]) -> str:
    """The near miss among `known`, else the table of `root` that has this key, else what is known."""
    names = list(known)
    hint = near_miss(key, names)
    if hint.startswith("did you mean"):
        return hint
    if key in root.model_fields:
        return "it belongs at the top of the file, before the first [table]"
    for name, field in root.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None and key in inner.model_fields and list(inner.model_fields) != names:
            return f"it belongs under [{name}{'.NAME' if _is_by_name(field.annotation) else ''}]"
    return hint


def _fault(error: Mapping[str, Any], place: KeyPath, table: type[BaseModel], kind: Any, root: type[BaseModel]) -> Fault:
    rule, value, context = error["msg"], error["input"], error.get("ctx", {})
    match error["type"]:
        case "missing":
            return Fault(place, "", "missing")
        case "extra_forbidden":
            return Fault(place, hint_for(str(place[-1]), table.model_fields, root), "key")
        case "invalid_key":
            return Fault(place, "keys are names", "key")
        case "value_error":
            return record_fault(place, str(context["error"]), _model_in(kind))
        case "broken":
            place = (*place[:-1], f"{place[-1]}{context['part']}") if context["part"] else place
            return Fault(place, context["rule"], "record" if context["whole"] else "value", context["value"])
        case "enum" | "literal_error" | "is_instance_of" if options := _options(kind):
            rule = one_of(value, options)
        case "too_short":
            rule = "it must not be empty" if context.get("min_length") == 1 else "it has too few entries"
        case name if name.startswith(("float_", "int_")):
            what = "number" if name.startswith("float") or not isinstance(value, float) else "whole number"
            slip = {str: ", without quotes", bool: ", not true or false"}.get(type(value), "")
            rule = f"it must be a {what}{slip}"
        case name if name.startswith("date"):
            rule = MOMENT
        case name if name in _RULES:
            rule = _RULES[name]
        case _:
            rule = rule[:1].lower() + rule[1:].replace("nput should be", "t must be")
            rule = rule if rule.startswith(_SAID_WELL) else OTHER
    return Fault(place, rule, value=value)


def _walk(model: type[BaseModel], parts: KeyPath) -> tuple[KeyPath, type[BaseModel], Any]:
    """A place without pydantic's branches of unions; the table that holds its last key; what that key may be."""
    place: list[str | int] = []
    table, left = model, list(parts)
    kind: Any = model
    while left:
        part = left.pop(0)
        place.append(part)
        if part not in table.model_fields or not isinstance(part, str):
            kind = Any
            continue
        kind = table.model_fields[part].annotation
        if _is_by_name(kind) and left:
            place.append(left.pop(0))
            kind = get_args(kind)[1]
        if len(_branches(kind)) > 1 and left:
            left.pop(0)
        if left and (inner := _model_in(kind)) is not None:
            table = inner
    return tuple(place), table, kind


def _branches(kind: Any) -> list[Any]:
    """What a union is of, without None; else nothing."""
    return [each for each in get_args(kind) if each is not NoneType] if get_origin(kind) in (Union, UnionType) else []


def _is_by_name(kind: Any) -> bool:
    return get_origin(kind) is dict


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The table that an annotation names, inside of unions, lists and tables by name too."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for each in get_args(kind) if (found := _model_in(each)) is not None), None)


def _options(kind: Any) -> list[str]:
    """The values that an annotation allows, where it lists them."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    if get_origin(kind) is Literal:
        return [str(each) for each in get_args(kind)]
    return [option for branch in _branches(kind) for option in _options(branch)]


def _path(place: KeyPath) -> str:
    """limits.groups[0].members."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
