"""The API as OpenAPI 3.1: every answer that says no is a problem, and every path names the scope that it needs."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .problems import MEDIA
from .routes import scope_of

ANY = {"type": "object"}
ANSWERS = {
    400: "it cannot be read as it is, or a key is missing",
    401: "a token is needed",
    403: "the token may not do this, or a page of another origin asks",
    404: "there is nothing of this name",
    413: "the body is too large",
    415: "the body is no JSON",
    421: "this server is not known by that name",
    422: "a value breaks a rule; `errors` names its place",
    429: "too often; Retry-After says when again",
    503: "it cannot be answered now; Retry-After says when again",
}
ACTIONS = {
    409: "a guard says no: `by`, `until`",
    412: "it was decided on something that is not so any more",
    428: "If-Match is missing",
}
ENGINE = {409: ACTIONS[409], 502: "a protocol refused", 504: "a protocol did not answer"}
WITH_ENGINE = ("/v1/plans/{plan_id}/preview", "/v1/estimates")
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "a stable name"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what, with numbers, and a way out"},
        "instance": {"type": "string", "description": "the request's id, as in the server's log"},
        "by": {"type": "string", "description": "the guard that said no"},
        "until": {"type": ["string", "null"], "format": "date-time"},
        "retry_after": {"type": "integer", "description": "seconds"},
        "near": {"type": "string", "description": "the nearest name that is known"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "conflict": {"type": "object"},
    },
}
LISTED = {
    "type": "object",
    "required": ["items", "next"],
    "properties": {"items": {"type": "array", "items": ANY}, "next": {"type": ["string", "null"]}},
}
STATES = ["queued", "running", "done", "refused", "expired"]
ACTION = {
    "type": "object",
    "required": ["id", "kind", "state", "at", "actor", "via", "key"],
    "properties": {
        "id": {"type": "string"},
        "kind": {"type": "string"},
        "state": {"type": "string", "enum": STATES},
        "at": {"type": "string", "format": "date-time"},
        "operation": {"type": ["integer", "null"]},
        "problem": {"type": ["object", "null"]},
    },
}
TEXTS = {"/metrics": "text/plain", "/v1/stream/events": "text/event-stream"}
LISTS = ("protocols", "opportunities", "metrics", "plans", "changes", "alerts", "events", "actions")


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application; the same for the same routes."""
    found = get_openapi(
        title="reallot",
        version="1",
        description="A running engine: what it knows, and what it may be asked for.",
        routes=app.routes,
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {"Problem": PROBLEM, "List": LISTED, "Row": ACTION}
    found["components"]["responses"] = {
        str(code): {"description": text, "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for code, text in {**ANSWERS, **ACTIONS, **ENGINE}.items()
    }
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation, scope_of(app.routes, method.upper(), path) or "act")
    return found


def _complete(path: str, method: str, operation: dict[str, Any], scope: str) -> None:
    """Answers, scope and keys of one operation."""
    operation["security"] = [] if scope == "none" else [{"token": []}]
    operation["x-scope"] = scope
    answers = operation["responses"]
    good = [code for code in answers if code.startswith("2") and code != "204"]
    for code in good:
        media = TEXTS.get(path, "application/json")
        answers[code]["content"] = {media: {"schema": {"type": "string"} if path in TEXTS else _shape(path, method)}}
    if method == "post" and path == "/v1/actions":
        answers["200"] = {**answers["202"], "description": "the first action of this key"}
    if any(each["name"] == "If-None-Match" for each in operation.get("parameters", ())):
        answers["304"] = {"description": "the caller has it already"}
    refusals = dict(ANSWERS)
    if path == "/v1/actions" and method == "post":
        refusals |= ACTIONS
    if path in WITH_ENGINE:
        refusals |= ENGINE
    answers |= {str(code): {"$ref": f"#/components/responses/{code}"} for code in refusals}
    if path == "/healthz":
        answers["503"] = {"description": "no fresh cycle", "content": {"application/json": {"schema": ANY}}}
    for each in operation.get("parameters", ()):
        if each["name"] == "Idempotency-Key":
            each["required"] = True
            each["schema"] = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}


def _shape(path: str, method: str) -> dict[str, Any]:
    """The schema of an answer."""
    if path == "/v1/actions/{number}" or (path == "/v1/actions" and method == "post"):
        return {"$ref": "#/components/schemas/Row"}
    is_list = method == "get" and path.removeprefix("/v1/") in LISTS
    return {"$ref": "#/components/schemas/List"} if is_list else ANY
