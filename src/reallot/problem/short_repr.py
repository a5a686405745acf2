"""Records shown as the call that makes them: without what is at its default, and with long parts cut."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from reprlib import Repr
from typing import Any

MOST = 6
"""Entries of a tuple, a table or a set that are shown."""


def short(record: object) -> str:
    """The record in a few lines; for people: two records may be shown alike."""
    return _SHORT.repr(record)


def is_default(record: Any, field: Field[Any]) -> bool:
    """True where a field of the record has the value that it has if nothing is given."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return default is not MISSING and bool(getattr(record, field.name) == default)


class _Short(Repr):
    """reprlib's, which cuts long parts, for dataclasses as well; a flat curve inside a record is its rate."""

    def repr_Protocols(self, x: Any, level: int) -> str:  # noqa: N802  reprlib finds it by the name of the class
        return self.repr_tuple(x, level)

    def repr_instance(self, x: Any, level: int) -> str:
        if not is_dataclass(x):
            return repr(x)
        if level < self.maxlevel and getattr(x, "is_flat", False):
            return repr(vars(x)["last_slope"])
        given = [field.name for field in fields(x) if not is_default(x, field)]
        parts = [f"{name}={self.repr1(getattr(x, name), level - 1)}" for name in given]
        return f"{type(x).__name__}({', '.join(parts)})"


_SHORT = _Short()
_SHORT.maxlevel = 10
_SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxfrozenset = MOST
_SHORT.maxstring = 60
