"""Relations between shares as text, "relay <= 2 * compute": read into weights and a bound, and written from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from ..errors import InvalidInput
from .validation import brief

NAME = r"[^\W\d][\w./:@]*(?:-[\w./:@]+)*"
"""A name without quotes: a minus belongs to it where no blank stands around it."""
TOKEN = re.compile(
    rf"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>{NAME})"
    r"|(?P<quoted>'[^']+'|\"[^\"]+\"|`[^`]+`)|(?P<relation><=|>=|==|=|<|>)|(?P<sign>[-+*/()]))"
)
EXAMPLE = 'write sums of names times numbers around one <=, >= or ==, such as "relay <= 2 * compute"'


class Comparison(Enum):
    """What stands between the two sides of a relation."""

    AT_MOST = "<="
    AT_LEAST = ">="
    EQUALS = "=="


Sum = tuple[dict[str, float], float]
"""Weights by name, and a number beside them."""


Relation = tuple[dict[str, float], float | None, float | None]
"""Weights by name, and the smallest and largest weighted sum; None where there is none."""


def parse(text: str) -> Relation:
    """The relation of a text; raises InvalidInput with the place of the fault."""
    if not isinstance(text, str):
        raise InvalidInput(f"a rule is {brief(text)}; give LinearRule(...), or {EXAMPLE}")
    return _RelationParser(text).relation()


def as_text(weights: Mapping[str, float], low: float | None, high: float | None, digits: int = 6) -> str:
    """A weighted sum between two bounds as a text, numbers with so many significant digits."""
    parts: list[str] = []
    for name, weight in weights.items():
        if weight:
            sign = ("- " if weight < 0.0 else "+ ") if parts else ("-" if weight < 0.0 else "")
            size = "" if abs(weight) == 1.0 else f"{abs(weight):.{digits}g} "
            parts.append(f"{sign}{size}{name if re.fullmatch(NAME, name) else repr(name)}")
    total = " ".join(parts)
    if low is not None and low == high:
        return f"{total} == {low:.{digits}g}"
    if low is None or high is None:
        return f"{total} >= {low:.{digits}g}" if high is None else f"{total} <= {high:.{digits}g}"
    return f"{low:.{digits}g} <= {total} <= {high:.{digits}g}"


class _RelationParser:
    """Reads one relation from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.kind, self.word = "", ""
        self._next()

    def relation(self) -> Relation:
        left, found, right = self._sum(), self._comparison(), self._sum()
        if self.kind == "relation":
            return self._between(left, found, right)
        weights, number = _plus(left, right, -1.0)
        self._end(weights)
        bound = 0.0 - number
        return weights, None if found is Comparison.AT_MOST else bound, None if found is Comparison.AT_LEAST else bound

    def _between(self, first: Sum, found: Comparison, middle: Sum) -> Relation:
        """A sum between two numbers, with one relation on each side of it."""
        again, last = self._comparison(), self._sum()
        if again is not found or found is Comparison.EQUALS or first[0] or last[0] or self.kind == "relation":
            raise self._fault("there are two relations, and no sum between two numbers; give each as a rule of its own")
        self._end(middle[0])
        low, high = (first, last) if found is Comparison.AT_MOST else (last, first)
        return middle[0], low[1] - middle[1], high[1] - middle[1]

    def _end(self, weights: Mapping[str, float]) -> None:
        if self.word:
            raise self._fault(f"{self.word!r} is not expected")
        if not weights:
            raise self._fault("no protocol or group is named")

    def _comparison(self) -> Comparison:
        if self.kind != "relation":
            raise self._fault("a relation is missing" if not self.word else f"{self.word!r} is not expected")
        if self.word in ("<", ">"):
            raise self._fault(f"{self.word!r} cannot be kept to the digit; write {self.word}=")
        found = Comparison("==" if self.word == "=" else self.word)
        self._next()
        return found

    def _next(self) -> None:
        if not self.text[self.place :].strip():
            self.kind, self.word = "end", ""
            return
        match = TOKEN.match(self.text, self.place)
        if match is None:
            raise self._fault(f"{self.text[self.place :].strip()[0]!r} cannot be read; put unusual names in quotes")
        self.place = match.end()
        self.kind = str(match.lastgroup)
        self.word = match.group(self.kind)

    def _fault(self, what: str) -> InvalidInput:
        return InvalidInput(f"rule {self.text!r}: {what}; {EXAMPLE}")

    def _sum(self) -> Sum:
        result = self._product()
        while self.word in ("+", "-") and self.kind == "sign":
            sign = 1.0 if self.word == "+" else -1.0
            self._next()
            result = _plus(result, self._product(), sign)
        return result

    def _product(self) -> Sum:
        result = self._factor()
        while self.word in ("*", "/") or self.kind in ("name", "quoted") or self.word == "(":
            divides = self.word == "/"
            if self.word in ("*", "/"):
                self._next()
            other = self._factor()
            if divides and (other[0] or other[1] == 0.0):
                raise self._fault("a share cannot be divided by a share or by 0; multiply the other side")
            if result[0] and other[0]:
                raise self._fault("shares are multiplied by each other; a rule is linear")
            if divides:
                other = ({}, 1.0 / other[1])
            weights, factor = (result, other[1]) if result[0] else (other, result[1])
            result = _plus(({}, 0.0), weights, factor)
        return result

    def _factor(self) -> Sum:
        kind, word = self.kind, self.word
        if word in ("-", "+"):
            self._next()
            return _plus(({}, 0.0), self._factor(), -1.0 if word == "-" else 1.0)
        if word == "(":
            self._next()
            inner = self._sum()
            if self.word != ")":
                raise self._fault("a closing parenthesis is missing")
            self._next()
            return inner
        if kind not in ("number", "name", "quoted"):
            raise self._fault(f"a name or number is missing before {word!r}" if word else "a name or number is missing")
        self._next()
        if kind == "number":
            return {}, float(word)
        return {word if kind == "name" else word[1:-1]: 1.0}, 0.0


def _plus(one: Sum, other: Sum, factor: float) -> Sum:
    """one + factor * other."""
    weights = dict(one[0])
    for name, weight in other[0].items():
        weights[name] = weights.get(name, 0.0) + factor * weight
    return weights, one[1] + factor * other[1]
