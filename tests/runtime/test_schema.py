"""The JSON schema of config.toml: it takes what the reader takes, and refuses what the reader refuses."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.problem.tables import ProtocolTable
from reallot.runtime.adapter_settings import ADAPTERS
from reallot.runtime.config import SPEC_KEYS, Sections
from reallot.runtime.operation import OperatingRules
from reallot.runtime.schema import config_schema

jsonschema = pytest.importorskip("jsonschema", reason="it comes with the notebooks' libraries")
SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ROOT = Path(__file__).resolve().parents[2]
FULL = """
[coordinator]
every = "90s"
[optimizer]
curves = "robust"
[reallocation]
mode = "confirm"
min_hold_duration = "1h30m"
[limits]
held = ["relay"]
max_change = { compute = 0.1 }
groups = [{ name = "both", members = ["relay", "compute"], max_share = 0.9 }]
[protocols.relay]
adapter = "simulated"
curve = [[0.0, 0.0], [0.5, 1.0]]
changes = [["2h", 0.5]]
[protocols.compute]
adapter = "command"
read = ["./earnings"]
value = "usd"
min_share = 0.1
series = { kind = "counter", window = "6h" }
[protocols.compute.actor]
adapter = "cgroup"
folder = "/sys/fs/cgroup/it"
cpus = 2.0
"""


def faults(table: Any) -> list[str]:
    as_json = json.loads(json.dumps(table, default=lambda moment: moment.isoformat()))  # as editors see a moment
    return [error.message for error in VALIDATOR.iter_errors(as_json)]


@pytest.mark.slow
def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_shipped_and_shown_is_valid():
    shipped = (ROOT / "src/reallot/cli/cases/ten_protocols.toml").read_text()
    page = (ROOT / "docs/guides/running_an_engine.md").read_text()
    shown = [block.split("```", 1)[0] for block in page.split("```toml\n")[1:]]
    for text in (FULL, shipped, *(each for each in shown if "[protocols" in each)):
        assert faults(tomllib.loads(text)) == []


def test_every_section_adapter_and_key_is_in_it():
    for section, field in Sections.model_fields.items():
        table = SCHEMA["properties"][section]
        assert set(table["properties"]) == set(getattr(field.annotation, "model_fields", table["properties"]))
    tables = {each["properties"]["adapter"]["const"]: each for each in protocols()}
    assert set(tables) == set(ADAPTERS)
    for name, model in ADAPTERS.items():
        assert set(tables[name]["properties"]) == {
            "adapter",
            "actor",
            *SPEC_KEYS,
            *OperatingRules.model_fields,
            *model.model_fields,
        }
        assert set(tables[name]["required"]) == {"adapter"} | {
            key for key, field in model.model_fields.items() if field.is_required()
        }


def protocols() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = SCHEMA["properties"]["protocols"]["additionalProperties"]["oneOf"]
    return found


@pytest.mark.parametrize(
    "broken",
    [
        '[optimizer]\nhorizon = 24\n[protocols.a]\nadapter = "storj"',
        '[coordinator]\nevery = 60\n[protocols.a]\nadapter = "storj"',
        '[coordinator]\nevery = "60"\n[protocols.a]\nadapter = "storj"',
        '[reallocation]\nmode = "auto"\n[protocols.a]\nadapter = "storj"',
        '[protocols.a]\nadapter = "stroj"',
        '[protocols.a]\nadapter = "http_json"\nurl = "http://127.0.0.1"',
        '[protocols.a]\nadapter = "storj"\nshare = 1.5',
        '[protocols.a]\nadapter = "storj"\n[protocols.a.actor]\nadapter = "cgroup"',
        '[power]\nusd_per_kwh = "0.3"\n[protocols.a]\nadapter = "storj"',
        '[protocols.a]\nadapter = "storj"\nwatts = -1',
        "[ledger]\npath = 'x'",
    ],
)
def test_what_the_reader_refuses_is_not_valid(broken):
    assert faults(tomllib.loads(broken))


def keys_without_a_meaning(schema: Any, place: str = "") -> list[str]:
    """Keys, `adapter` aside, of a table and all inside of it that no description stands beside."""
    if isinstance(schema, list):
        return [key for each in schema for key in keys_without_a_meaning(each, place)]
    if not isinstance(schema, dict):
        return []
    keys = {f"{place}.{key}": each for key, each in schema.get("properties", {}).items() if key != "adapter"}
    inner = [key for name, each in keys.items() for key in keys_without_a_meaning(each, name)]
    rest = [key for name in schema if name != "properties" for key in keys_without_a_meaning(schema[name], place)]
    return [*(name for name, each in keys.items() if not each.get("description")), *inner, *rest]


def test_every_key_of_every_table_has_a_meaning():
    assert keys_without_a_meaning({"properties": {"a": {"properties": {"b": {}}, "description": "a"}}}) == [".a.b"]
    assert keys_without_a_meaning([*SCHEMA["properties"].values(), SCHEMA["$defs"]]) == []


def test_every_key_says_its_unit_or_meaning_where_the_docstrings_do():
    keys = SCHEMA["properties"]["optimizer"]["properties"]
    assert keys["min_improvement_threshold"]["description"] == "USD per hour"
    assert "half of the sum" in SCHEMA["properties"]["limits"]["properties"]["max_turnover"]["description"]
    assert "actor" not in ProtocolTable.model_fields


@pytest.mark.slow
@settings(max_examples=15)
@given(st.data())
def test_a_key_that_is_taken_away_or_misspelt_is_seen(data):
    table = copy.deepcopy(tomllib.loads(FULL))
    names = data.draw(st.sampled_from([("coordinator",), ("optimizer",), ("reallocation",), ("protocols", "compute")]))
    inner = table
    for name in names:
        inner = inner[name]
    key = data.draw(st.sampled_from(sorted(inner)))
    inner[key + "s"] = inner.pop(key)
    assert faults(table)


def test_the_command_prints_it(capsys):
    assert main(["config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
