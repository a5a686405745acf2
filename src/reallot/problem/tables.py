"""Problems from plain tables, as they stand in files: every key is a field of a record, and none is overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from ..errors import InvalidInput, near_miss
from . import AllocationProblem, CVaR, EarningsCurve, Group, Limits, LockIn, ProtocolSpec, RateUncertainty, Scenarios
from .validation import number

Record = TypeVar("Record")
Reader = Callable[[Any, str], Any]
"""From a plain value and the key it stands under to the value a record takes."""


def keys_of(kind: type) -> tuple[str, ...]:
    """The field names of a record."""
    return tuple(field.name for field in fields(kind))


PROTOCOL_KEYS = ("current", "rate", *(key for key in keys_of(ProtocolSpec) if key != "name"))
UNBOUNDED = "none"
"""How a file says `capacity=None`: TOML has no null."""


def problem_from_dict(data: Mapping[str, Any]) -> AllocationProblem:
    """The problem in a plain table, as it stands in a file; raises InvalidInput, naming key, place and near miss.

    Keys are the fields of AllocationProblem, Limits, ProtocolSpec and so on. A protocol's table also takes `current`
    (its share now, 0 where left out), and `rate` (USD/h, or one per period) where it has no `curve` (share, USD/h).

    >>> problem = problem_from_dict({"protocols": {"relay": {"rate": 2.1, "current": 1}, "compute": {"rate": 1.7}}})
    >>> problem.current
    {'relay': 1.0, 'compute': 0.0}
    """
    table = _table(data, "the problem")
    check_keys(table, keys_of(AllocationProblem), "")
    if "protocols" not in table:
        raise InvalidInput("protocols is missing; give at least one, as [protocols.NAME] with a rate or a curve")
    protocols = _table(table["protocols"], "protocols")
    specs = [protocol_from_table(name, _table(entry, f"protocols.{name}")) for name, entry in protocols.items()]
    current = {name: entry.get("current", 0.0) for name, entry in protocols.items()}
    if "current" in table:
        current |= _current(_table(table["current"], "current"), protocols)
    capacity = table.get("capacity", 1.0)
    return _record(
        AllocationProblem,
        {
            **table,
            "protocols": specs,
            "current": current,
            "capacity": None if capacity == UNBOUNDED else capacity,
        },
        "",
        {
            "limits": limits_from_table,
            "resources": _table,
            "rates": _lists,
            "scenarios": lambda value, where: _record(
                Scenarios, value, where, {"rates": _lists, "factors": _lists, "probabilities": _list}
            ),
            "risk": _risk,
        },
    )


def _record(kind: type[Record], value: Any, where: str, readers: Mapping[str, Reader]) -> Record:
    """A record of `kind` from a table whose keys are its fields; nested values pass through `readers` first."""
    table, known = _table(value, where), fields(kind)  # type: ignore[arg-type]
    check_keys(table, keys_of(kind), where)
    for field in known:
        if field.name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InvalidInput(f"{where}.{field.name} is missing")
    inner = f"{where}." if where else ""
    optional = {field.name for field in known if field.default is None}
    values = {
        key: readers[key](entry, inner + key) if key in readers and not (entry is None and key in optional) else entry
        for key, entry in table.items()
    }
    with _placed(where, keys_of(kind)):
        return kind(**values)


@contextmanager
def _placed(where: str, keys: Sequence[str]) -> Iterator[None]:
    """Puts the place in front of a record's own complaint: "limits.max_change is 'a'; it must be a number"."""
    try:
        yield
    except InvalidInput as error:
        message = str(error)
        joint = "" if not where else "." if message.split(" ", 1)[0] in keys else ": "
        raise InvalidInput(where + joint + message) from None


def limits_from_table(table: Any, where: str = "limits") -> Limits:
    """Limits from a plain table with their field names; raises InvalidInput."""
    return _record(Limits, table, where, {"held": _held, "groups": _groups})


def protocol_from_table(name: str, table: Mapping[str, Any]) -> ProtocolSpec:
    where = f"protocols.{name}"
    check_keys(table, PROTOCOL_KEYS, where)
    if ("rate" in table) == ("curve" in table):
        both = "both rate and curve are given" if "rate" in table else "neither rate nor curve is given"
        raise InvalidInput(f"{where}: {both}; give one of them")
    if "rate" in table:
        curve = _rate(table["rate"], f"{where}.rate")
    else:
        curve = _curve(table["curve"], f"{where}.curve")
    given = {key: value for key, value in table.items() if key not in ("rate", "curve", "current")}
    if given.get("lock_in") is not None and not isinstance(given["lock_in"], LockIn):
        given["lock_in"] = _record(LockIn, given["lock_in"], f"{where}.lock_in", {})
    if "uses" in given:
        given["uses"] = _table(given["uses"], f"{where}.uses")
    try:
        return ProtocolSpec(name, curve, **given)
    except InvalidInput as error:
        message = str(error).removeprefix(f"{name}: ")
    raise InvalidInput(f"{where}{'.' if message.split(' ', 1)[0] in PROTOCOL_KEYS else ': '}{message}")


def _rate(value: Any, where: str) -> EarningsCurve | tuple[EarningsCurve, ...]:
    """A flat curve, or one per period from a list of rates."""
    if isinstance(value, (list, tuple)):
        return tuple(EarningsCurve.flat(number(rate, f"{where} in period {t}")) for t, rate in enumerate(value))
    return EarningsCurve.flat(number(value, where))


def _curve(value: Any, where: str) -> EarningsCurve | tuple[EarningsCurve, ...]:
    """One curve from points, or one per period from a list of such (a bare number among them is a rate)."""
    if isinstance(value, (list, tuple)) and any(_is_nested(entry) for entry in value):
        return tuple(_one_curve(entry, f"{where} of period {t}") for t, entry in enumerate(value))
    return _one_curve(value, where)


def _one_curve(value: Any, where: str) -> EarningsCurve:
    if isinstance(value, EarningsCurve):
        return value
    if isinstance(value, Mapping):
        table = {"last_slope": 0.0, **value}
        return _record(EarningsCurve, table, where, {"shares": _list, "earnings": _list})
    if isinstance(value, (list, tuple)):
        if not value or not all(isinstance(point, (list, tuple)) for point in value):
            raise InvalidInput(f"{where} is {value!r}; give points, such as [[0, 0], [0.3, 0.9]] (share, USD per hour)")
        with _placed(where, ()):
            return EarningsCurve.through(value)
    return EarningsCurve.flat(number(value, where))


def _is_nested(entry: Any) -> bool:
    """True for what can only be a whole curve in a list, where a point would be two numbers."""
    if isinstance(entry, (EarningsCurve, Mapping)):
        return True
    return isinstance(entry, (list, tuple)) and any(isinstance(inner, (list, tuple)) for inner in entry)


def _current(given: Mapping[str, Any], protocols: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    for name in given:
        if "current" in protocols.get(name, {}):
            raise InvalidInput(f"current.{name} is given and so is protocols.{name}.current; give one of them")
    return given


def _held(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return value
    names = _list(value, where)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(f"{where} holds {name!r}; it must hold names")
    return names


def _groups(value: Any, where: str) -> tuple[Group, ...]:
    readers: dict[str, Reader] = {"name": _text_value, "members": _held}
    return tuple(_record(Group, entry, f"{where}[{i}]", readers) for i, entry in enumerate(_list(value, where)))


def _risk(value: Any, where: str) -> CVaR | RateUncertainty:
    """CVaR or RateUncertainty: the keys decide."""
    table = _table(value, where)
    check_keys(table, (*keys_of(CVaR), *keys_of(RateUncertainty)), where)
    is_tail, is_robust = (bool(set(table) & set(keys_of(kind))) for kind in (CVaR, RateUncertainty))
    if is_tail == is_robust:
        raise InvalidInput(f"{where}: give level and weight (CVaR), or radius and budget (RateUncertainty), not both")
    return _record(CVaR, table, where, {}) if is_tail else _record(RateUncertainty, table, where, {})


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is {value!r}; it must be a table of keys and values")
    for key in value:
        if not isinstance(key, str):
            raise InvalidInput(f"{where} has the key {key!r}; keys are names")
    return dict(value)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{where} is {value!r}; it must be a list")
    return list(value)


def _lists(value: Any, where: str) -> dict[str, list[Any]]:
    return {name: _list(entries, f"{where}.{name}") for name, entries in _table(value, where).items()}


def _text_value(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} is {value!r}; it must be a name")
    return value


def check_keys(table: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Raises InvalidInput for an unknown key: where it belongs if another table has it, else the near miss."""
    for key in table:
        if key not in keys:
            place = f"{where}: " if where else ""
            raise InvalidInput(f"{place}unknown key {key!r}; {_home(key, keys)}")


def _home(key: str, keys: Sequence[str]) -> str:
    places: list[tuple[str, Sequence[str]]] = [
        ("at the top of the file, before the first [table]", keys_of(AllocationProblem)),
        ("under [limits]", keys_of(Limits)),
        ("under [protocols.NAME]", PROTOCOL_KEYS),
    ]
    hint = near_miss(key, keys)
    if not hint.startswith("did you mean"):
        for place, known in places:
            if key in known and known != keys:
                return f"it belongs {place}"
    return hint
