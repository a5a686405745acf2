"""reallot fleet solve: files, the table, JSON, CSV, prices, and hosts that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from reallot import InvalidInput
from reallot.allocation.fleet.fleet_files import read_fleet
from reallot.cli.main import main

TOML = """
horizon_hours = 24

[limits]
protocol_caps = {storj = 1.5}
turnover = 3

[host_limits]
max_change = 0.5

[hosts.attic]
size = 2
site = "home"

[hosts.attic.protocols.storj]
rate = 2.0

[hosts.attic.protocols.relay]
rate = 1.0
current = 1
uses = {power = 100}

[hosts.cellar.protocols]
storj = {rate = 3.0, max_share = 0.8}
relay = {rate = 1.0, current = 1}
shed = {curve = [[0, 0], [0.5, 1.0]]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.toml"
    file.write_text(TOML)
    return file


def test_a_toml_file_has_hosts_and_limits(path: Path) -> None:
    read = read_fleet(path)
    assert read.fleet.hosts == ("attic", "cellar") and read.fleet.protocols == ("storj", "relay", "shed")
    assert read.fleet.sizes.tolist() == [2.0, 1.0] and read.fleet.sites == {"attic": "home"}
    assert read.limits.protocol_caps == {"storj": 1.5} and read.fleet.table.uses["power"][0, 1] == 100.0
    assert read.fleet.problem("cellar")["shed"].curve.value(0.5) == 1.0  # type: ignore[union-attr]


def test_the_plan_is_told_with_prices_limits_and_moves(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "solve", str(path)]) == 0
    told = capsys.readouterr()
    assert "optimal: 2 hosts of 2 move, worth 36.00 USD more than staying" in told.out
    assert "protocol cap storj" in told.out and "binds" in told.out
    assert "attic" in told.out and told.err == ""


def test_json_has_all_moves_and_its_prices_begin_the_next_plan(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "solve", str(path), "--json"]) == 0
    text = capsys.readouterr().out
    plan = json.loads(text)
    assert plan["net_benefit"] == pytest.approx(36.0) and plan["unread"] == {}
    last = tmp_path / "last.json"
    last.write_text(text)
    assert main(["fleet", "solve", str(path), "--prices", str(last), "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "host,protocol,current,share,change" and len(rows) == 6


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_hosts_of_a_table_that_cannot_be_read_are_left_out_and_told(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame(
        {
            "host": ["attic", "attic", "cellar", "cellar"],
            "protocol": ["storj", "relay"] * 2,
            "rate": [2.0, 1.0, None, 1.0],
            "current": [0.0, 1.0, 0.0, 1.0],
            "size": [1.0, 1.0, 3.0, 3.0],
        }
    )
    table, limits = tmp_path / f"fleet.{suffix}", tmp_path / "limits.toml"
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow reads Parquet")
        frame.to_parquet(table, index=False)
    else:
        frame.to_csv(table, index=False)
    limits.write_text("horizon_hours = 24\n[limits]\nturnover = 0.5\n")
    assert main(["fleet", "solve", str(table), "--limits", str(limits)]) == 0
    told = capsys.readouterr().out
    assert "1 host could not be read and is left out:\n  cellar: rate of storj is nan" in told
    assert "1 host of 1 moves, worth 12.00 USD" in told


def test_parquet_without_its_reader_is_refused_with_a_way_out(tmp_path: Path) -> None:
    table = tmp_path / "fleet.parquet"
    table.write_bytes(b"PAR1")
    with pytest.raises(InvalidInput, match=r"needs the package pyarrow|cannot be read"):
        read_fleet(table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limit]\n", "unknown key 'limit'; did you mean 'limits'"),
        ("[limits]\nturnovr = 1\n[hosts.a.protocols.b]\nrate = 1\n", "limits: unknown key 'turnovr'; did you mean"),
        ("[hosts.a]\nsiez = 1\n", "hosts.a: unknown key 'siez'; did you mean 'size'"),
        ("[hosts.a]\n", "hosts.a has no protocols"),
        ("", "give either `table`"),
        ("table = 'none.csv'\n", "there is no file"),
        ("hosts = 3\n", "hosts is 3"),
        ("[hosts.a.protocols.b]\nrate = 'high'\n", "no host could be read"),
        ("[hosts.a.protocols.b]\nraet = 1\n", "unknown column 'raet'; did you mean 'rate'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_fleet(file)
    assert main(["fleet", "solve", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("options", [["--gap", "much"], ["--workers", "0"], ["--prices", "no.json"]])
def test_wrong_options_are_one_line(path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "solve", str(path), *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_infeasible_fleet_is_said_with_its_own_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text("[limits]\nprotocol_caps = {b = 0.5}\n[hosts.a.protocols.b]\nrate = 1\ncurrent = 1\n")
    assert main(["fleet", "solve", str(file)]) == 3
    assert "protocol cap b: 0.5 units are below the 1 that may not shrink" in capsys.readouterr().err
