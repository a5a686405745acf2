"""The same record in less memory: for those that are kept by the hundred thousand."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)
_given: dict[frozenset[str], set[str]] = {}


def slim(record: Model, before: BaseModel | None = None, **changes: Any) -> Model:
    """An equal record, but for `changes`; what is as in `before`, the record of the poll before, is held once.

    A record that was copied carries a table of its own fields, and a set of those that were given. Here all records of
    a kind share them. Nothing of it may be changed in place.

    >>> from reallot.engine.contracts.records import ResourceUtilization
    >>> used = ResourceUtilization(cpu=0.5)
    >>> slim(used) == used and slim(used).model_fields_set == {"cpu"}
    True
    >>> slim(used, disk=1.0).model_dump(exclude_unset=True)
    {'cpu': 0.5, 'disk': 1.0}
    """
    kept = type(record).__new__(type(record))
    put, known = object.__setattr__, {} if before is None else before.__dict__
    for name, value in (record.__dict__ | changes).items():
        other = known.get(name)
        equal = other is not value and type(other) is type(value) and other == value
        if equal and (type(value) is not dict or _alike(value, other)):
            value = other
        put(kept, name, value)
    given = record.model_fields_set | changes.keys()
    put(kept, "__pydantic_fields_set__", _given.setdefault(frozenset(given), given))
    put(kept, "__pydantic_extra__", None)
    put(kept, "__pydantic_private__", None)
    return kept


def _alike(value: dict[Any, Any], other: Any) -> bool:
    """True for equal tables where values are of equal types too: 1 is not True, nor 1.0."""
    return all(type(each) is type(other[key]) for key, each in value.items())
