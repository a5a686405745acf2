"""Programs, control groups, and two adapters combined: what goes wrong has a kind, and nothing is left running."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from datetime import UTC, datetime, timedelta

import pytest

from reallot.adapters.cgroup import CgroupAdapter
from reallot.adapters.combined import CombinedAdapter
from reallot.adapters.command import CommandAdapter
from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError
from tests.adapters.test_conformance_of_adapters import group

START = datetime(2026, 1, 1, tzinfo=UTC)
CANARY = "canary-2342-secret"


def python(code, *more):
    return [sys.executable, "-S", "-c", code, *more]


def outcome(coroutine):
    try:
        return asyncio.run(coroutine)
    except ProtocolError as error:
        return error.kind


def read(code, **others):
    found = outcome(CommandAdapter("c", python(code), value="usd", **others).get_status())
    return found if isinstance(found, ErrorKind) else found.earnings_per_hour


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("print('{\"usd\": 0.25}')", 0.25),
        ('print(\'{"usd": "0.25"}\')', 0.25),
        ("print('{\"usd\": NaN}')", ErrorKind.SHAPE),
        ("print('{\"usd\": -1}')", -1.0),
        ("print('{\"usd\": null}')", ErrorKind.NEVER_REPORTED),
        ("print('{\"usd\": 0.2')", ErrorKind.SHAPE),
        ("print('x' * 3_000_000)", ErrorKind.SHAPE),
        ("import os; os.write(1, b'\\xff\\xfe')", ErrorKind.SHAPE),
        ("pass", ErrorKind.SHAPE),
        ("raise SystemExit(1)", ErrorKind.TRANSIENT),
        ("raise SystemExit(69)", ErrorKind.UNREACHABLE),
        ("raise SystemExit(77)", ErrorKind.AUTH),
        ("import os; os.kill(os.getpid(), 9)", ErrorKind.TRANSIENT),
    ],
)
def test_what_a_program_prints_is_a_number_or_an_error_with_a_kind(code, found):
    assert read(code) == found


def test_a_program_that_is_not_there_is_unreachable():
    assert outcome(CommandAdapter("c", ["/no/such/program"], value="usd").get_status()) is ErrorKind.UNREACHABLE


FOR_EVER = "import signal; signal.pause()"


def test_what_runs_too_long_is_killed_with_all_that_it_started(tmp_path):
    """What was started holds one end of a pipe: the other end is told when nobody does any more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = f"alive = open({str(pipe)!r}, 'w'); alive.write('.'); alive.flush(); {FOR_EVER}"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); {FOR_EVER}"
    ours = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def told() -> bool:
        return select.select([ours], [], [], 10.0)[0] == [ours]

    async def run():
        adapter = CommandAdapter("c", python(code), value="usd", timeout=timedelta(seconds=60))
        task = asyncio.ensure_future(adapter.get_status())
        assert await asyncio.to_thread(told) and os.read(ours, 8) == b"."
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        asyncio.run(run())
        assert told() and os.read(ours, 8) == b""
    finally:
        os.close(ours)
    assert read(FOR_EVER, timeout=timedelta(seconds=0.05)) is ErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    ("code", "kind"),
    [(0, None), (1, ErrorKind.UNKNOWN), (64, ErrorKind.REFUSED), (77, ErrorKind.REFUSED), (75, ErrorKind.TRANSIENT)],
)
def test_what_becomes_of_a_change_follows_from_the_code(code, kind):
    apply = python(f"raise SystemExit({code})", "{share}")
    adapter = CommandAdapter("c", python("pass"), value="usd", share="share", apply=apply)
    assert outcome(adapter.apply_allocation(0.5)) is kind


def test_a_change_that_does_not_end_is_unknown_and_one_that_cannot_start_is_refused():
    for apply, kind in (
        (python(FOR_EVER, "{share}"), ErrorKind.UNKNOWN),
        (["/no/such", "{share}"], ErrorKind.REFUSED),
    ):
        adapter = CommandAdapter(
            "c", python("pass"), value="usd", share="share", apply=apply, timeout=timedelta(seconds=0.05)
        )
        assert outcome(adapter.apply_allocation(0.5)) is kind


def test_arguments_are_never_taken_apart_by_a_shell(tmp_path):
    mark = tmp_path / "made"
    text = f"$(touch {mark}); touch {mark} | `touch {mark}`"
    code = "import json, sys; print(json.dumps(dict(usd=1.0, seen=sys.argv[1])))"
    assert outcome(CommandAdapter("c", python(code, text), value="usd").get_status()).earnings_per_hour == 1.0
    assert not mark.exists()


def test_only_named_variables_reach_the_program_and_none_a_message(monkeypatch):
    monkeypatch.setenv("GIVEN", CANARY)
    monkeypatch.setenv("KEPT", "another-canary")
    code = "import os, sys; print(sorted(os.environ), os.environ['GIVEN'], file=sys.stderr); sys.exit(1)"
    adapter = CommandAdapter("c", python(code), value="usd", env=["GIVEN"])
    with pytest.raises(ProtocolError) as caught:
        asyncio.run(adapter.get_status())
    told = f"{caught.value} {adapter!r}"
    assert "GIVEN" in told and "KEPT" not in told
    assert CANARY not in told and "***" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"read": "tool --json"}, "give a list"),
        ({"read": []}, "the program first"),
        ({"read": ["tool", 3]}, "list of texts"),
        ({"apply": ["tool", "--set"], "share": "share"}, "has no"),
        ({"apply": ["tool", "{share}"]}, "path of the share"),
        ({"value": "a..b"}, "no path"),
    ],
)
def test_a_command_is_set_up_soundly(arguments, words):
    with pytest.raises(ConfigurationError, match=words):
        CommandAdapter("c", **{"read": ["tool"], "value": "usd", **arguments})


def test_a_group_is_held_to_microseconds_of_cpu(tmp_path):
    folder, clock = group(tmp_path), ManualClock(START)
    adapter = CgroupAdapter("g", folder, cpus=3.0, clock=clock)
    assert asyncio.run(adapter.get_allocation()) == 1.0
    asyncio.run(adapter.apply_allocation(1 / 3))
    assert (folder / "cpu.max").read_text() == "100000 100000"
    asyncio.run(adapter.apply_allocation(0.123456789))
    assert asyncio.run(adapter.get_allocation()) == 0.123456789
    assert asyncio.run(CgroupAdapter("g", folder, cpus=3.0).get_allocation()) == pytest.approx(0.123456789, abs=1e-5)
    (folder / "cpu.max").write_text("150000 50000\n")
    assert asyncio.run(adapter.get_allocation()) == 1.0
    (folder / "cpu.max").write_text("30000 50000\n")
    assert asyncio.run(adapter.get_allocation()) == pytest.approx(0.2)


def test_share_zero_freezes_and_any_other_thaws(tmp_path):
    folder = group(tmp_path)
    adapter = CgroupAdapter("g", folder, cpus=2.0)
    asyncio.run(adapter.apply_allocation(0.0))
    assert ((folder / "cgroup.freeze").read_text(), asyncio.run(adapter.get_allocation())) == ("1", 0.0)
    asyncio.run(adapter.apply_allocation(0.5))
    assert ((folder / "cgroup.freeze").read_text(), asyncio.run(adapter.get_allocation())) == ("0", 0.5)


def test_where_nothing_freezes_the_least_share_is_the_kernels(tmp_path):
    adapter = CgroupAdapter("g", group(tmp_path, 1), cpus=2.0)
    assert adapter.capabilities().floor == 0.005
    assert outcome(adapter.apply_allocation(0.004)) is ErrorKind.REFUSED
    assert outcome(adapter.apply_allocation(0.005)) is None
    assert (tmp_path / "cpu.cfs_quota_us").read_text() == "1000"


def test_use_is_time_used_out_of_time_given(tmp_path):
    folder, clock = group(tmp_path), ManualClock(START)
    adapter = CgroupAdapter("g", folder, cpus=2.0, clock=clock)
    asyncio.run(adapter.apply_allocation(0.5))
    found = []
    for used in (1_000_000, 6_000_000, 99_000_000, 0):
        (folder / "cpu.stat").write_text(f"usage_usec {used}\n")
        found.append(asyncio.run(adapter.get_status()).utilization.cpu)
        clock.advance(10.0)
    assert found == [None, 0.5, 1.0, None]


def test_memory_is_held_to_whole_pages(tmp_path):
    folder = group(tmp_path)
    adapter = CgroupAdapter("g", folder, memory=10_000_000)
    asyncio.run(adapter.apply_allocation(0.5))
    assert (folder / "memory.high").read_text() == str(5_000_000 // 4096 * 4096)
    found = asyncio.run(adapter.get_status())
    assert (found.allocation, found.earnings_per_hour, found.error) == (0.5, None, ErrorKind.NEVER_REPORTED)
    assert found.utilization.memory == pytest.approx(4096 / 4_997_120)


@pytest.mark.parametrize("text", ["", "much 100000", "-5 100000", "100000 0", "1" * 30, "é"])
def test_a_limit_that_cannot_be_is_a_shape(tmp_path, text):
    (group(tmp_path) / "cpu.max").write_text(text)
    assert outcome(CgroupAdapter("g", tmp_path, cpus=1.0).get_allocation()) is ErrorKind.SHAPE


def test_a_group_that_is_not_there_is_unreachable_and_nothing_is_made(tmp_path):
    adapter = CgroupAdapter("g", tmp_path / "gone", cpus=1.0)
    assert outcome(adapter.get_status()) is ErrorKind.UNREACHABLE
    assert outcome(adapter.apply_allocation(0.5)) is ErrorKind.REFUSED
    assert not (tmp_path / "gone").exists()
    for wrong in ({}, {"cpus": 1.0, "memory": 1}, {"cpus": 0.0}, {"cpus": float("nan")}, {"memory": "1G"}):
        with pytest.raises(ConfigurationError):
            CgroupAdapter("g", tmp_path, **wrong)


def test_combined_earnings_come_from_one_and_the_share_from_the_other(tmp_path):
    can = Capabilities(acts=False, cadence=timedelta(hours=12), min_interval=timedelta(minutes=5))
    reader = SimulatedAdapter("s", 2.0, share=1.0, capabilities=can)
    adapter = CombinedAdapter("both", reader, CgroupAdapter("g", group(tmp_path), cpus=2.0))
    asyncio.run(adapter.apply_allocation(0.25))
    found = asyncio.run(adapter.get_status())
    assert (found.protocol, found.earnings_per_hour, found.allocation) == ("both", 2.0, 0.25)
    assert (adapter.capabilities().acts, adapter.capabilities().cadence) == (True, timedelta(hours=12))
    (tmp_path / "cpu.max").unlink()
    found = asyncio.run(adapter.get_status())
    assert (found.earnings_per_hour, found.allocation) == (2.0, None)
