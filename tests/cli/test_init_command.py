"""reallot init: a starter that advises, asks nothing but this machine, and runs as it stands."""

from __future__ import annotations

import itertools
import os
import socket
import tomllib
from pathlib import Path

import pytest

from reallot.cli import init as init_module
from reallot.cli.init import SERVICES, Service, answers, starter
from reallot.cli.main import main
from reallot.engine.contracts.configs import Mode
from reallot.runtime.config import config_from_text
from tests.adapters.server import Answer
from tests.cli.test_check_command import served


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for: what runs on the machine of a test is no matter."""
    monkeypatch.setattr(init_module, "SERVICES", ())


@pytest.mark.slow
def test_the_starter_passes_its_own_check_and_runs(alone, capsys, tmp_path):
    path = tmp_path / "config.toml"
    for arguments in (["init", path], ["check", path], ["run", path, "--once"], ["status", path]):
        assert main([str(each) for each in arguments]) == 0, arguments
    out = capsys.readouterr().out
    assert f"Next: reallot check {path}" in out
    assert "would move first" in out
    assert "  moved " not in out


def test_without_a_name_it_is_config_toml_in_the_folder_where_one_stands(alone, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert tomllib.loads(Path("config.toml").read_text())["reallocation"]["mode"] == "advise"


def test_a_file_that_is_there_stays_as_it_is(alone, capsys, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("mine")
    assert main(["init", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "give another name" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="folders of other systems have other rights")
def test_where_it_cannot_be_written_it_says_so(alone, capsys, tmp_path):
    assert main(["init", str(tmp_path / "none" / "config.toml")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(len(SERVICES) + 1))
def test_whatever_is_found_the_starter_can_be_read_and_only_advises(number):
    for found in itertools.combinations(SERVICES, number):
        text = starter("config.toml", found)
        config = config_from_text(text)
        assert config.reallocation.mode is Mode.ADVISE
        assert {each.name for each in found if each.works} <= set(config.protocols)
        assert all(f"http://127.0.0.1:{each.port}" in text for each in found)
        assert all("#" in line for line in text.splitlines() if line.startswith(("min_", "max_", "mode", "every")))
    every = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# [", "# ad", "# ur")))
    assert set(tomllib.loads(every)["protocols"]) >= {"disk", "gpu", "cpu"}


def test_a_service_is_known_by_what_it_answers_and_not_by_its_port():
    node = {"nodeID": "1x", "satellites": []}
    for answer, known in [(node, True), ({"other": 1}, False), ([1], False), (Answer("<html>"), False), (None, False)]:
        with served(lambda request, answer=answer: answer) as server:
            assert (
                answers(Service("storj", "storj", int(server.url.rpartition(":")[2]), "/api/sno/", "nodeID")) is known
            )


def test_a_port_where_nobody_listens_is_nothing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not answers(Service("storj", "storj", free.getsockname()[1], "/", "nodeID"))


def test_only_this_machine_is_asked(monkeypatch, tmp_path):
    asked = []

    def connect(address, *_, **__):
        asked.append(address[0])
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert main(["init", str(tmp_path / "config.toml")]) == 0
    assert len(asked) == len(SERVICES)
    assert set(asked) == {"127.0.0.1"}


def test_a_name_that_could_not_be_run_is_refused_with_one_that_can(alone, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine.txt"]) == 2
    assert "reallot init mine.toml" in capsys.readouterr().err
    assert main(["init", "mine.toml"]) == 0
