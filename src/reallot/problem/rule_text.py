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


def parse(text: str) -> tuple[dict[str, float], Comparison, float]:
    """Weights by name, the relation and the bound of a text; raises InvalidInput with the place of the fault."""
    if not isinstance(text, str):
        raise InvalidInput(f"a rule is {brief(text)}; give LinearRule(...), or {EXAMPLE}")
    return _Reader(text).relation()


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


class _Reader:
    """Reads one relation from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.kind, self.word = "", ""
        self._next()

    def relation(self) -> tuple[dict[str, float], Comparison, float]:
        left = self._sum()
        if self.kind != "relation":
            raise self._fault("a relation is missing" if not self.word else f"{self.word!r} is not expected")
        if self.word in ("<", ">"):
            raise self._fault(f"{self.word!r} cannot be kept to the digit; write {self.word}=")
        found = Comparison("==" if self.word == "=" else self.word)
        self._next()
        right = self._sum()
        if self.kind == "relation":
            raise self._fault("there are two relations; give each as a rule of its own")
        if self.word:
            raise self._fault(f"{self.word!r} is not expected")
        weights = _plus(left, right, -1.0)
        if not weights[0]:
            raise self._fault("no protocol or group is named")
        return weights[0], found, 0.0 - weights[1]

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
