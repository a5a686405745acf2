"""The unit file, the image and compose: checked as far as that goes without a daemon. No image is built here."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from reallot.cli.beside import Beside
from tests.orchestration.played import Played
from tests.pair import PAIR

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ANALYZE = shutil.which("systemd-analyze")
KNOWN = "FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    if ANALYZE is None:
        pytest.skip("systemd-analyze is not on this machine")
    return subprocess.run([ANALYZE, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("dropin", [False, True])
def test_systemd_takes_the_unit(tmp_path: Path, dropin: bool):
    program = tmp_path / "reallot"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (DEPLOY / "reallot.service").read_text().replace("/usr/local/bin/reallot", str(program))
    (tmp_path / "reallot.service").write_text(text)
    if dropin:
        (tmp_path / "reallot.service.d").mkdir()
        shutil.copy(DEPLOY / "cgroup.conf", tmp_path / "reallot.service.d")
    answer = analyze("verify", tmp_path / "reallot.service")
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.slow
def test_the_unit_exposes_little():
    answer = analyze("security", "--offline=true", "--threshold=15", DEPLOY / "reallot.service")
    assert answer.returncode == 0, answer.stdout[-300:]
    found = re.search(r"Overall exposure level for reallot.service: ([0-9.]+)", answer.stdout)
    assert found is not None and float(found[1]) <= 1.5


def test_the_unit_waits_longer_than_a_move_takes_and_gives_up_on_a_bad_file():
    from reallot.engine.contracts.configs import ReallocationConfig

    text = (DEPLOY / "reallot.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) > ReallocationConfig().verify_timeout.total_seconds()
    assert not re.search(
        r"^ProcSubset=pid", text, re.MULTILINE
    )  # it would hide the boot id, by which rests are measured
    assert "RestartPreventExitStatus=2\n" in text and "Type=notify\n" in text


def test_systemd_is_told_once_that_it_is_ready_and_after_each_cycle_that_it_lives(tmp_path: Path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(path))
        there.settimeout(5.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "300000000")
        played = Played(PAIR, every="1h")
        beside = Beside.of(played.parts, print, simulated=False)
        beside.cycle(played.runner)
        beside.cycle(played.runner)
        beside.end()
        told = [there.recv(200).decode() for _ in range(3)]
        played.close()
    assert told == [f"READY=1\nWATCHDOG=1\nWATCHDOG_USEC={(3 * 3600 + 300) * 10**6}", "WATCHDOG=1", "STOPPING=1"]


def test_a_watchdog_that_is_gone_stops_nothing(monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "@reallot-nobody-is-there")
    played = Played(PAIR)
    beside = Beside.of(played.parts, print, simulated=False)
    beside.cycle(played.runner)
    beside.end()
    played.close()


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_is_well_formed_and_runs_as_nobody():
    found = instructions()
    assert {word for word, _ in found} <= set(KNOWN.split())
    last = [rest for word, rest in found if word == "USER"][-1]
    assert last == "10001:10001"
    stages = [i for i, (word, _) in enumerate(found) if word == "FROM"]
    assert len(stages) == 2 and not any(word == "COPY" for word, _ in found[stages[1] :])
    assert "reallot" in dict(found)["HEALTHCHECK"] and "health" in dict(found)["HEALTHCHECK"]
    assert all(part.count('"') % 2 == 0 for _, part in found)


def test_compose_publishes_to_this_machine_only_and_lets_a_move_end():
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["reallot"]
    assert service["ports"] == ["127.0.0.1:8420:8420"]
    assert service["volumes"][0] == "ledger:/var/lib/reallot"
    assert 'path = "/var/lib/reallot" under [ledger]' in (DEPLOY / "compose.yaml").read_text()
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert int(service["stop_grace_period"].removesuffix("s")) >= 150
    assert (DEPLOY / service["build"]["dockerfile"].removeprefix("deploy/")).is_file()
