"""A problem as HTML: a row per protocol with what it was given, and the rules that hold for all."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..text.html_tables import result_as_html
from ..text.numbers import count
from .short_repr import is_default, short

IN_THE_TABLE = ("protocols", "current", "limits")
"""Fields of a problem that are not told in a sentence of their own."""


def problem_as_html(problem: Any) -> str:
    """An AllocationProblem for notebooks: fields at their default are left out."""
    specs = problem.specs
    given = [
        field.name
        for field in fields(specs[0])
        if field.name not in ("name", "curve") and not all(is_default(spec, field) for spec in specs)
    ]
    rows = [
        [spec.name, problem.current[spec.name], _cell(spec.curve), *(_cell(getattr(spec, name)) for name in given)]
        for spec in specs
    ]
    records = ((problem, IN_THE_TABLE), (problem.limits, ()))
    rules = [
        f"{field.name}: {short(getattr(record, field.name))}"
        for record, told in records
        for field in fields(record)
        if field.name not in told and not is_default(record, field)
    ]
    periods = "" if problem.periods == 1 else f" in {problem.periods} periods"
    title = f"{count(len(specs), 'protocol')} over {problem.horizon_hours:g} h{periods}"
    head = ["protocol", "today", "rate (USD/h per share)", *given]
    return result_as_html(title, head, rows, sentences=rules, about="fields at their default are left out")


def _cell(value: Any) -> Any:
    """A number as it is, a flat curve as its rate, anything else in short."""
    if getattr(value, "is_flat", False):
        return value.last_slope
    return value if value is None or isinstance(value, int | float) else short(value)
