"""Whatever stands in a problem file, the command line answers 0, 2 or 3 in words: never a traceback.

4 is right as well where numbers are too far apart for a solver that counts in doubles; only then, and in words.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.problem.files import problem_to_dict
from tests.problem.test_files import written_as_toml
from tests.strategies import KINDS, problems

NUMBERS = st.one_of(
    st.floats(0.0, 2.0),
    st.integers(-2, 3),
    st.sampled_from([-1e-9, 1e-12, 1e-7, 1e5, 1e9, 1e20, 1e300, -1e300, 10**400]),
)
JUNK = st.one_of(
    NUMBERS,
    st.none(),
    st.booleans(),
    st.text(max_size=4),
    st.lists(NUMBERS, max_size=3),
    st.lists(st.lists(NUMBERS, max_size=3), max_size=3),
    st.dictionaries(st.sampled_from(["relay", "storage", "cpu", "", "share"]), NUMBERS, max_size=2),
)
KEYS = st.sampled_from(
    ["periods", "capacity", "limits", "rate", "curve", "uses", "held", "step", "max_change", "groups", "risk", "x"]
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a plain value."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@st.composite
def broken_tables(draw: st.DrawFn) -> dict[str, Any]:
    """A problem's table with up to three values replaced, taken away or added."""
    table = problem_to_dict(draw(problems(draw(st.sampled_from(sorted(KINDS))), sizes=(1, 3))))
    for _ in range(draw(st.integers(0, 3))):
        container, key = draw(st.sampled_from(list(places(table))))
        how = draw(st.sampled_from(["replace", "nudge", "remove", "add"]))
        if how == "nudge":
            container[key] = draw(NUMBERS)
        elif how == "remove":
            del container[key]
        elif how == "add" and isinstance(container, dict):
            container[draw(KEYS)] = draw(JUNK)
        else:
            container[key] = draw(JUNK)
        if not table:
            break
    return table


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def is_far_apart(table: Any) -> bool:
    """True where a number is huge, or smaller than what solvers tell from zero."""
    numbers = [container[key] for container, key in places(table)]
    return any(isinstance(n, int | float) and n != 0 and not 1e-6 < abs(n) < 1e8 for n in numbers)


def check(path: str, *options: str, may_fail: bool = False) -> None:
    """The answer of `reallot solve` has the right form for its exit code."""
    code, out, err = run("solve", path, *options)
    assert code in (0, 2, 3) or (may_fail and code == 4), err
    assert err.count("\n") == (0 if code == 0 else 1)
    if "--json" in options:
        answer = json.loads(out, parse_constant=pytest.fail)
        assert answer["status"] == {0: "optimal", 2: "invalid", 3: "infeasible", 4: "failed"}[code]
    else:
        assert bool(out) == (code == 0)


def without_none(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, dict):
        return {key: without_none(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [without_none(entry) for entry in value if entry is not None]
    return value


@pytest.mark.slow
@given(table=broken_tables(), options=st.sampled_from([(), ("--json",)]))
def test_any_table_in_json_gets_an_answer(
    tmp_path_factory: pytest.TempPathFactory, table: Any, options: tuple[str, ...]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(table))
    check(str(path), *options, may_fail=is_far_apart(table))


@pytest.mark.slow
@given(table=broken_tables(), options=st.sampled_from([(), ("--json",)]))
def test_any_table_in_toml_gets_an_answer(
    tmp_path_factory: pytest.TempPathFactory, table: Any, options: tuple[str, ...]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(written_as_toml(without_none(table)))
    check(str(path), *options, may_fail=is_far_apart(table))


@given(content=st.binary(max_size=60), suffix=st.sampled_from([".toml", ".json", "", ".txt"]))
def test_any_bytes_in_a_file_get_an_answer(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"bytes{suffix}"
    path.write_bytes(content)
    check(str(path), "--json")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_in_a_file_may_be_infinite_or_missing(tmp_path: Any, number: float) -> None:
    text = str(number).replace("nan", "NaN").replace("inf", "Infinity")
    for key in ("rate", "current", "move_cost", "max_share", "step"):
        path = tmp_path / "problem.json"
        entry = {"rate": "1", "current": "1"} | {key: text}
        inner = ", ".join(f'"{name}": {value}' for name, value in entry.items())
        path.write_text(f'{{"protocols": {{"relay": {{{inner}}}}}}}')
        code, _, err = run("solve", str(path))
        assert code == 2
        assert key in err


# The commands around a running engine

SOUND = """
[coordinator]
every = "5m"
[protocols.relay]
adapter = "simulated"
share = 0.5
rate = 1.0
[protocols.storage]
adapter = "simulated"
share = 0.5
curve = [[0, 0], [0.5, 1.0]]
"""
SETTINGS = st.sampled_from(
    [
        "every",
        "share",
        "rate",
        "noise",
        "outages",
        "changes",
        "adapter",
        "mode",
        "held",
        "max_share",
        "late",
        "x",
        "step",
    ]
)


@st.composite
def broken_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration with up to three values replaced, taken away or added."""
    table: dict[str, Any] = tomllib.loads(SOUND)
    for _ in range(draw(st.integers(0, 3))):
        container, key = draw(st.sampled_from(list(places(table))))
        how = draw(st.sampled_from(["replace", "remove", "add", "section"]))
        if how == "remove":
            del container[key]
        elif how == "add" and isinstance(container, dict):
            container[draw(SETTINGS)] = draw(JUNK)
        elif how == "section":
            name = draw(st.sampled_from(["optimizer", "reallocation", "monitor", "limits", "ledger", "simulation"]))
            table[name] = draw(st.one_of(JUNK, st.dictionaries(SETTINGS, JUNK, max_size=2)))
        else:
            container[key] = draw(JUNK)
        if not table:
            break
    return table


@pytest.mark.slow
@given(table=broken_configs(), options=st.sampled_from([("--once",), ("--json-log",), ("--mode", "advise")]))
def test_any_configuration_gets_an_answer(
    tmp_path_factory: pytest.TempPathFactory, table: Any, options: tuple[str, ...]
) -> None:
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(written_as_toml(without_none(table)))
    if isinstance(table.get("ledger"), dict):
        options = (*options, "--ledger", str(tmp_path_factory.getbasetemp() / "books"))
    code, out, err = run("run", str(path), "--simulate", "10m", *options)
    assert code in (0, 2, 3), err
    assert err.count("\n") == (1 if code == 2 else 0), err
    assert bool(out) == (code != 2)
    assert "Traceback" not in out + err


@given(content=st.binary(max_size=60))
def test_any_bytes_in_a_configuration_get_an_answer(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes-config.toml"
    path.write_bytes(content)
    code, out, err = run("run", str(path), "--once", "--simulate", "1m")
    assert (code, out, err.count("\n")) == (2, "", 1)


@given(
    content=st.binary(max_size=200),
    command=st.sampled_from(
        [("report",), ("report", "--json"), ("history",), ("explain", "LAST"), ("confirm", "x"), ("resume",)]
    ),
)
def test_any_bytes_in_a_ledger_get_an_answer(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, command: tuple[str, ...]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "broken-books"
    folder.mkdir(exist_ok=True)
    for name in ("journal.db", "history.db"):
        (folder / name).write_bytes(content)
    code, out, err = run(*command, "--ledger", str(folder))
    assert code in (2, 3)
    assert err.count("\n") == 1
    assert json.loads(out)["message"] in err if "--json" in command else out == ""
