"""What a configuration does where it says little, and how one cycle alone ends where something is wrong."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.engine.contracts.configs import Mode, ReallocationConfig
from reallot.errors import ConfigurationError
from reallot.runtime.adapter_settings import ADAPTERS
from reallot.runtime.config import SPEC_KEYS, Sections, config_from_text
from reallot.runtime.operation import OperatingRules
from reallot.runtime.schema import config_schema
from tests.pair import PAIR

TWO = "\n[optimizer]\nmin_improvement_threshold = 0.01\n" + PAIR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def once(capsys: pytest.CaptureFixture[str], path: Path, text: str, *options: str) -> tuple[int, str]:
    """Exit code of one cycle, and all that was written."""
    path.write_text(text)
    code = main(["run", str(path), "--once", *options])
    return code, "".join(capsys.readouterr())


# A mode


def test_without_a_mode_it_advises_and_says_how_to_let_it_act(capsys, path):
    code, told = once(capsys, path, TWO)
    assert code == 0
    assert "would move relay 0.60 -> 0.40" in told
    assert "  moved " not in told
    assert told.count('set mode = "automatic" or "confirm" under [reallocation], or give --mode') == 1


def test_with_a_mode_it_says_nothing_of_that(capsys, path):
    text = '[reallocation]\nmode = "automatic"\n' + TWO
    for code, told in (once(capsys, path, text), once(capsys, path, TWO, "--mode", "automatic")):
        assert code == 0
        assert "  moved relay" in told
        assert "set mode" not in told


def test_a_section_without_a_mode_advises_too():
    config = config_from_text('[reallocation]\nmin_hold_duration = "2h"\n' + TWO)
    assert config.reallocation == ReallocationConfig(mode=Mode.ADVISE, min_hold_duration=timedelta(hours=2))
    assert ReallocationConfig().mode is Mode.AUTOMATIC  # in Python nothing has changed


# One cycle alone


READ = """adapter = "command"\nread = ["echo", '{"usd": 1, "share": 0.7}']\nvalue = "usd"\nshare = "share"\n"""


def test_shares_above_capacity_end_one_cycle_with_a_status_and_are_told_once(capsys, path):
    code, told = once(capsys, path, f"[protocols.one]\n{READ}[protocols.two]\n{READ}")
    assert code == 3
    assert told.count("shares sum to 1.4") == 1
    code, told = once(capsys, path, TWO.replace("0.6", "0.9"))
    assert code == 2
    assert told.count("all shares together are 1.3") == 1


def test_a_ledger_that_cannot_be_used_ends_one_cycle_with_a_status_and_is_told_once(capsys, path):
    (path.parent / "books").write_text("a file in its place")
    code, told = once(capsys, path, TWO + '[ledger]\npath = "books"\n')
    assert code == 3
    assert told.count("cannot be used") == 1


@pytest.mark.parametrize("mode", ["observe", "advise", "confirm", "automatic"])
def test_a_ledger_that_halts_ends_one_cycle_with_a_status_and_says_what_to_do(capsys, path, mode):
    (path.parent / "books").mkdir()
    (path.parent / "books" / "journal.db").write_text("words" * 1000)
    code, told = once(capsys, path, TWO + '[ledger]\npath = "books"\n', "--mode", mode)
    assert code == 3
    assert "look at the shares, then: reallot resume" in told and "  moved " not in told


def test_a_pause_that_a_person_asked_for_is_no_trouble(capsys, path):
    text = TWO + '[ledger]\npath = "books"\n'
    assert once(capsys, path, text)[0] == 0
    assert main(["pause", "--ledger", str(path.parent / "books")]) == 0
    code, told = once(capsys, path, text, "--mode", "automatic")
    assert code == 0 and "paused, as a person asked" in told and "  moved " not in told


def test_a_missing_variable_ends_one_cycle_with_a_status_and_is_told_once(capsys, path, monkeypatch):
    keys = 'adapter = "http_json"\nurl = "http://127.0.0.1:9/x"\nvalue = "usd"\nbearer_env = "REALLOT_NO_TOKEN"\n'
    code, told = once(capsys, path, f"{TWO}[protocols.node]\n{keys}")
    assert code == 2
    assert told.count("[protocols.node] names REALLOT_NO_TOKEN") == 1
    assert "export REALLOT_NO_TOKEN=..." in told
    monkeypatch.setenv("REALLOT_NO_TOKEN", "a value")
    code, told = once(capsys, path, f"{TWO}[protocols.node]\n{keys}")
    assert (code, "REALLOT_NO_TOKEN" in told) == (0, False)


@pytest.mark.parametrize(
    "keys",
    [
        'adapter = "http_json"\nurl = "http://127.0.0.1:9"\nvalue = "v"\nheaders_env = { "X-Key" = "REALLOT_NONE" }',
        'adapter = "http_json"\nurl = "http://127.0.0.1:9"\nvalue = "v"\nbasic_env = ["REALLOT_NONE", "PATH"]',
        'adapter = "command"\nread = ["true"]\nvalue = "v"\nenv = ["REALLOT_NONE"]',
        'adapter = "mysterium"\nuser_env = "REALLOT_NONE"',
        'adapter = "prometheus"\nquery = "v"\nunit = "token"\n'
        'price = { url = "http://127.0.0.1:9", value = "v", bearer_env = "REALLOT_NONE" }',
        'adapter = "storj"\n[protocols.node.actor]\nadapter = "command"\nread = ["true"]\nvalue = "v"\n'
        'env = ["REALLOT_NONE"]',
    ],
)
def test_wherever_a_variable_is_named_it_is_missed(keys):
    config = config_from_text(f"[protocols.node]\n{keys}\n")
    assert config.missing_variables() == [("[protocols.node]", "REALLOT_NONE")]


def test_limits_that_no_plan_can_meet_end_one_cycle_with_a_status(capsys, path):
    code, told = once(capsys, path, TWO + '[limits]\nrules = ["relay >= 0.8", "compute >= 0.8"]\n')
    assert code == 3
    assert "limits are broken" in told


FLOORS = {
    # what is in the file; the status of `check`, and what it says
    "of two": (
        "[protocols.a]\n{sim}min_share = 0.7\n[protocols.b]\n{sim}min_share = 0.5\n",
        2,
        "take 1.20 together, and there is 1: lower min_share of a 0.70, b 0.50",
    ),
    "of one": ("[protocols.a]\n{sim}min_share = 1.2\n[protocols.b]\n{sim}", 2, "lower min_share of a 1.20"),
    "of one and a group": (
        "[protocols.a]\n{sim}[protocols.b]\n{sim}min_share = 0.5\n"
        '[[limits.groups]]\nname = "g"\nmembers = ["a"]\nmin_share = 0.7\n',
        2,
        "lower min_share of b 0.50, group g 0.70",
    ),
    "of groups": (
        "[protocols.a]\n{sim}[protocols.b]\n{sim}"
        '[[limits.groups]]\nname = "g"\nmembers = ["a"]\nmin_share = 0.7\n'
        '[[limits.groups]]\nname = "h"\nmembers = ["b"]\nmin_share = 0.5\n',
        2,
        "lower min_share of group g 0.70, group h 0.50",
    ),
    "of rules": (
        '[protocols.a]\n{sim}[protocols.b]\n{sim}[limits]\nrules = ["a >= 0.7", "b >= 0.6"]\n',
        3,
        "rule a >= 0.7",
    ),
    "beside one that is fixed": (
        '[protocols.a]\nadapter = "command"\nread = ["echo", \'{{"usd": 1}}\']\nvalue = "usd"\nshare = 0.7\n'
        "[protocols.b]\nadapter = 'simulated'\nrate = 1.0\nshare = 0.3\nmin_share = 0.5\n",
        3,
        "a 0.70 by held, b 0.50 by min_share",
    ),
    "of shares that are fixed": (
        "[protocols.a]\n{sim}share = 0.7\n[protocols.b]\n{sim}share = 0.7\n",
        2,
        "together are 1.4",
    ),
}


@pytest.mark.parametrize("case", FLOORS)
def test_floors_above_capacity_are_said_by_check_and_end_one_run_with_a_status(capsys, path, case):
    tables, code, words = FLOORS[case]
    sim = "adapter = 'simulated'\nrate = 1.0\n" + ("" if case == "of shares that are fixed" else "share = 0.5\n")
    path.write_text('[reallocation]\nmode = "automatic"\n' + tables.format(sim=sim))
    assert main(["check", str(path)]) == code
    said = capsys.readouterr()
    assert words in " ".join((said.out + said.err).split())
    assert main(["run", str(path), "--once"]) == code
    said = capsys.readouterr()
    assert code == 2 or "limits are broken, and no plan can mend that" in said.out


@pytest.mark.parametrize("when", ['hours = ["22:00-07:00"]', 'busy_command = ["true"]'])
def test_floors_that_do_not_hold_all_day_are_no_contradiction(when):
    floor = "adapter = 'simulated'\nrate = 1.0\nmin_share = 0.6\n"
    config_from_text(f"[protocols.a]\n{floor}{when}\n[protocols.b]\n{floor}")
    with pytest.raises(ConfigurationError, match=r"lower min_share of a 0\.60, b 0\.60"):
        config_from_text(f"[protocols.a]\n{floor}[protocols.b]\n{floor}")


def test_whole_percents_that_sum_above_capacity_are_taken_within_their_tolerance(capsys, path):
    tables = "".join(
        f"[protocols.{name}]\nadapter = 'simulated'\nrate = 1.0\nshare = {share}\n"
        for name, share in {"a": 0.34, "b": 0.34, "c": 0.33}.items()
    )
    path.write_text(tables)
    assert main(["check", str(path)]) == 2
    path.write_text("[reallocation]\nshare_tolerance = 0.005\n" + tables)
    assert main(["check", str(path)]) == 0 == main(["run", str(path), "--once"])
    capsys.readouterr()


# Lengths of time


@pytest.mark.parametrize(
    "text",
    [
        "[coordinator]\nevery = 60",
        "[reallocation]\nmin_hold_duration = 3600",
        "[reallocation]\nmin_hold_duration = 1.5",
        "[monitor]\nflat_line = '30'",
        "[protocols.node]\nadapter = 'storj'\ntimeout = 5",
        "[protocols.node]\nadapter = 'http_json'\nurl = 'http://127.0.0.1'\nvalue = 'v'\nseries = { window = 60 }",
        "[protocols.sim]\nadapter = 'simulated'\nrate = 1.0\noutages = [[60, 120]]",
    ],
)
def test_a_length_of_time_without_a_unit_is_refused_with_the_cure(text):
    with pytest.raises(ConfigurationError) as caught:
        config_from_text(text + TWO)
    assert "give a number with its unit, such as 90s, 5m, 1h30m, 24h or 7d" in str(caught.value)


def test_nothing_is_as_long_in_every_unit_and_python_still_counts_seconds():
    assert config_from_text("[monitor]\nmute = 0\n" + TWO).monitor.mute == timedelta(0)
    assert ReallocationConfig(min_hold_duration=3600).min_hold_duration == timedelta(hours=1)


# The words


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.floats(allow_nan=True),
        st.integers(-3, 3),
        st.sampled_from([10**30, True, False, "", "x", "-1h", "1h", "lower_case", "UPPER", "22:00-07:00"]),
        st.sampled_from([dt.datetime(2026, 1, 1), dt.date(2026, 1, 1), dt.time(1, 2)]),
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["kind", "url", "value", "adapter", "00:00", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
SCHEMA = config_schema()
NEEDED = {
    "simulated": {"rate": 1.0},
    "replay": {"file": "x.csv"},
    "http_json": {"url": "http://127.0.0.1", "value": "a"},
    "prometheus": {"query": "a"},
    "xmrig": {"url": "http://127.0.0.1", "usd_per_gigahash": 1.0, "threads": 2},
    "command": {"read": ["true"], "value": "a"},
    "cgroup": {"folder": "/x"},
}
FOREIGN = re.compile(
    r"(?i)input should|should be|should have|valid |constrained-|function-[abpw]|validat|pydantic|instance of|"
    r"timedelta|datetime|dict\b|\bstr\b|\bint\b|\bfloat\b|tuple|literal|NoneType|union|\[key\]|ctx|errors\.py"
)


def keys(table: Any) -> Iterator[str]:
    """Every key in a plain table."""
    if isinstance(table, dict):
        for key, value in table.items():
            yield key
            yield from keys(value)
    elif isinstance(table, list):
        for value in table:
            yield from keys(value)


@st.composite
def broken_tables(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration's table with one to three keys whose values are anything."""
    kind = draw(st.sampled_from(sorted(ADAPTERS)))
    protocol = {"adapter": kind, **NEEDED.get(kind, {})}
    table: dict[str, Any] = {"protocols": {"one": protocol}}
    own = [*ADAPTERS[kind].model_fields, *OperatingRules.model_fields, *SPEC_KEYS, "actor", "adapter", "unknown"]
    for _ in range(draw(st.integers(1, 3))):
        section = draw(st.sampled_from(["protocols", *Sections.model_fields]))
        if section == "protocols":
            protocol[draw(st.sampled_from(own))] = draw(JUNK)
            continue
        fields = getattr(Sections.model_fields[section].annotation, "model_fields", {}) or [
            "held",
            "groups",
            "max_change",
        ]
        where = table.setdefault(section, {})
        if isinstance(where, dict):
            where[draw(st.sampled_from([*fields, "unknown"]))] = draw(JUNK)
        if draw(st.booleans()) and draw(st.booleans()):
            table[section] = draw(JUNK)
    return table


def properties(schema: Any) -> Iterator[str]:
    """Every key that a schema knows."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for each in inner:
        yield from properties(each)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]


@pytest.mark.parametrize("value", ["2026-01-01", "[2026-01-01T10:00:00]", "[{ width = 10:00:00 }]"])
def test_a_time_where_none_belongs_is_shown_as_the_file_writes_it(value):
    with pytest.raises(ConfigurationError) as caught:
        config_from_text(f"[optimizer]\nmove_cost = {value}\n{TWO.replace('[optimizer]', '')}")
    assert not FOREIGN.search(str(caught.value)), str(caught.value)


KNOWN = {"NAME", *properties(SCHEMA)}


@given(table=broken_tables())
def test_whatever_is_wrong_is_said_in_our_words_at_places_that_the_file_has(table):
    real = tomllib.loads
    tomllib.loads = lambda text: table
    try:
        config_from_text("")
    except ConfigurationError as error:
        for line in error.faults:
            assert not FOREIGN.search(line), line
            place = re.match(r"\[([^\]]*)\] ?([^ :]*)", line)
            parts = re.split(r"[.\[\]]", f"{place[1]}.{place[2]}" if place else line.split(":")[0])
            assert all(part in KNOWN or part in keys(table) or part.isdigit() or not part for part in parts), line
    finally:
        tomllib.loads = real
