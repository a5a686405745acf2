"""Keys that say what a number means and when a protocol may run: each with values that are taken, and that are not."""

from __future__ import annotations

import pytest

from reallot.errors import ConfigurationError
from reallot.runtime.config import config_from_text
from reallot.runtime.schema import config_schema

HEAD = "[power]\nusd_per_kwh = 0.3\n[protocols.miner]\n"
READERS = {
    "http_json": 'url = "http://127.0.0.1:8080/summary"\nvalue = "usd_per_hour"\n',
    "prometheus": 'query = "usd_per_hour"\n',
    "command": 'read = ["./earnings"]\nvalue = "usd_per_hour"\n',
}
PRICE = '{ url = "http://127.0.0.1:8081/token", value = "usd" }'
KEYS = {
    "quote": (['"pool.usd_per_hour"'], ['""', '" "', "3"]),
    "zero": (['"no answer"', '"number"'], ['"no"', "0", "true"]),
    "healthy": (['"ok"'], ['""', "true"]),
    "demand": (['"wanted_share"'], ['""', "0.5"]),
    "price": (["0.3", PRICE], ["-1", '"0.3"', "inf", '{ value = "usd" }', PRICE.replace('"usd"', '""')]),
    "watts": (["350", "0.5"], ["-1", '"350"', "inf", "true"]),
    "hours": (['["22:00-07:00"]', '["00:00-24:00"]'], ["[]", '"22:00-07:00"', '["22-07"]', '["07:00-07:00"]']),
    "busy_command": (['["./someone-plays"]'], ["[]", '[""]', '"./someone-plays"', "[1]"]),
    "settle": (['"5m"', '"0s"'], ["5", '"5"', '"-5m"']),
}


@pytest.mark.parametrize("adapter", READERS)
@pytest.mark.parametrize("key", KEYS)
def test_what_a_key_may_say_is_taken_and_all_else_is_refused_by_its_name(adapter: str, key: str):
    good, bad = KEYS[key]
    table = f'{HEAD}adapter = "{adapter}"\n{READERS[adapter]}'
    for value in good:
        assert config_from_text(f"{table}{key} = {value}").protocols["miner"]
    for value in bad:
        with pytest.raises(ConfigurationError, match=rf"^config\.toml: \[protocols\.miner\] {key}"):
            config_from_text(f"{table}{key} = {value}")


def test_the_schema_has_them_with_their_meaning():
    tables = {
        each["properties"]["adapter"]["const"]: each["properties"]
        for each in config_schema()["properties"]["protocols"]["additionalProperties"]["oneOf"]
    }
    for adapter in READERS:
        assert all(tables[adapter][key]["description"] for key in KEYS)
