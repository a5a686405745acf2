"""config.toml as a JSON schema, for editors and other programs; made of the models that read it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from .. import problem
from ..problem.protocol_tables import ProtocolTable
from ..text.durations import PATTERN, format_duration
from .adapter_settings import ADAPTERS
from .config import SPEC_KEYS, Sections
from .operation import OperatingRules

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_ENTRY = re.compile(r"(\w+(?:,\s*\w+)*)(?: {2,}(\S.*)|$)")
"""One key, or several, with its meaning in a second column; or alone, as in numpydoc, with it on the lines below."""
_NAMES = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Bounds as a schema calls them, where pydantic hands its own name on."""


def config_schema() -> Schema:
    """The schema of a whole file. What only a file as a whole can tell, such as a sum of shares, is left to the reader.

    >>> schema = config_schema()
    >>> schema["properties"]["coordinator"]["properties"]["every"]["default"]
    '1m'
    """
    schema = schema_of(Sections)
    adapters = [_adapter(kind) for kind in ADAPTERS]
    protocols = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"oneOf": [_protocol(adapter) for adapter in adapters]},
        "description": "One table for each protocol.",
    }
    schema["properties"] |= {"protocols": protocols}
    definitions = {f"actor_{kind}": adapter for kind, adapter in zip(ADAPTERS, adapters, strict=True)}
    return {
        "$schema": DIALECT,
        "title": "config.toml of reallot run",
        **schema,
        "required": ["protocols"],
        "$defs": definitions,
    }


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model and its bases say of each field, in two columns or as numpydoc's Parameters."""
    found: dict[str, str] = {}
    for base in reversed(documented(model).__mro__):
        keys: list[str] = []
        for line in (inspect.getdoc(base) or "").splitlines() if base.__module__.startswith("reallot") else []:
            if (entry := _ENTRY.match(line)) is not None:
                keys = [key for key in re.split(r",\s*", entry[1]) if key in model.model_fields]
                found |= dict.fromkeys(keys, entry[2] or "")
            elif line[:1].isspace():
                found |= {key: f"{found[key]} {line.strip()}".strip() for key in keys}
            else:
                keys = []
    return found


def documented(model: type[BaseModel]) -> type:
    """Who says what the keys of a table are: for one made of a record, the record."""
    found = getattr(problem, model.__name__, model)
    return found if isinstance(found, type) else model


def schema_of(model: type[BaseModel]) -> Schema:
    """The schema of one table, with every table inside of it written out."""
    whole = model.model_json_schema(schema_generator=_Generator)
    schema: Schema = _plain(whole, whole.get("$defs", {}), tables_in(model))
    return schema


class _Generator(GenerateJsonSchema):
    """Durations as a file writes them."""

    def timedelta_schema(self, schema: Any) -> Schema:
        return {"type": "string", "pattern": PATTERN}

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def tables_in(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Each table by its name: the model's own and those inside of it."""
    found = {model.__name__: model}
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            found |= tables_in(inner)
    return found


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for each in getattr(kind, "__args__", ()) for found in _models(each)]


def _plain(schema: Any, definitions: Mapping[str, Any], tables: Mapping[str, type[BaseModel]]) -> Any:
    """Without references and without titles; a table says what it is in one sentence, and what each of its keys is."""
    if isinstance(schema, list):
        return [_plain(each, definitions, tables) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions, tables)
    found = {_NAMES.get(key, key): value for key, value in schema.items() if key not in ("$defs", "title")}
    if isinstance(found.get("default"), dict) or found.get("default", "") is None:
        del found["default"]
    if "anyOf" in found:  # TOML has no null
        kinds = [each for each in found.pop("anyOf") if each != {"type": "null"}]
        found = ({"anyOf": kinds} if len(kinds) > 1 else kinds[0]) | found
    if "properties" in found:
        table = tables.get(schema.get("title", ""))
        said = meanings(table) if table is not None else {}
        if table is not None:
            found["description"] = (inspect.getdoc(documented(table)) or "").split("\n\n")[0]
        found["properties"] = {
            key: _plain(each, definitions, tables) | ({"description": said[key]} if key in said else {})
            for key, each in found["properties"].items()
        }
        return found
    return {key: _plain(value, definitions, tables) for key, value in found.items()}


def _adapter(kind: str) -> Schema:
    """The table of an adapter alone, as an actor has it."""
    schema = schema_of(ADAPTERS[kind])
    return {
        **schema,
        "properties": {"adapter": {"const": kind}, **schema.get("properties", {})},
        "required": ["adapter", *schema.get("required", [])],
        "additionalProperties": False,
    }


def _protocol(adapter: Schema) -> Schema:
    """The table of a protocol: its adapter, what is known of it, and what acts on it where that is another adapter."""
    known = schema_of(ProtocolTable)["properties"]
    operation = schema_of(OperatingRules)["properties"]
    actors = {
        "oneOf": [{"$ref": f"#/$defs/actor_{kind}"} for kind in ADAPTERS],
        "description": "What sets its share, where that is not what reads it: a table with an adapter of its own.",
    }
    spec = {key: known[key] for key in SPEC_KEYS if key not in adapter["properties"]}
    return {**adapter, "properties": {**adapter["properties"], **spec, **operation, "actor": actors}}
