"""The scope that a route needs stands on its endpoint; a route without one is closed to all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .access import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Declares the scope of an endpoint."""

    def declared(endpoint: Endpoint) -> Endpoint:
        endpoint.scope = scope  # type: ignore[attr-defined]
        return endpoint

    return declared


def scope_of(routes: Iterable[Any], method: str, path: str) -> Scope | None:
    """What a method and a path need; None where no route has both, which wants a token and finds nothing."""
    for each in routes:
        regex, methods = getattr(each, "path_regex", None), getattr(each, "methods", None)
        if regex is not None and regex.match(path) and (methods is None or method in methods):
            found: Scope | None = getattr(getattr(each, "endpoint", None), "scope", None)
            return found
    return None
