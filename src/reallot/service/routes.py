"""The scope that a route needs, and its time, stand on its endpoint; a route without a scope is closed to all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .access import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(scope: Scope, *, seconds: float = 0.0) -> Callable[[Endpoint], Endpoint]:
    """Declares the scope of an endpoint, and how long its answer may take where that is longer than others."""

    def declared(endpoint: Endpoint) -> Endpoint:
        endpoint.scope, endpoint.seconds = scope, seconds  # type: ignore[attr-defined]
        return endpoint

    return declared


def scope_of(routes: Iterable[Any], method: str, path: str) -> Scope | None:
    """What a method and a path need; None where no route has both, which wants a token and finds nothing."""
    found: Scope | None = getattr(_endpoint(routes, method, path), "scope", None)
    return found


def seconds_of(routes: Iterable[Any], method: str, path: str) -> float:
    """Seconds that an answer may take where its endpoint says so; 0 elsewhere."""
    return float(getattr(_endpoint(routes, method, path), "seconds", 0.0))


def _endpoint(routes: Iterable[Any], method: str, path: str) -> object:
    for each in routes:
        regex, methods = getattr(each, "path_regex", None), getattr(each, "methods", None)
        if regex is not None and regex.match(path) and (methods is None or method in methods):
            return getattr(each, "endpoint", None)
    return None
