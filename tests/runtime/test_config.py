"""config.toml: what it says reaches the parts; what is wrong is said with the file, the key and the rule."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reallot.adapters.combined import CombinedAdapter
from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.prometheus import PrometheusAdapter
from reallot.adapters.replay import ReplayAdapter
from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.configs import Mode, MonitorConfig, OptimizerConfig, ReallocationConfig
from reallot.errors import ConfigurationError
from reallot.runtime.adapter_settings import ADAPTERS
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text, read_config

ONE = '[protocols.relay]\nadapter = "simulated"\nrate = 2.0\n'
CANARY = "canary-4711-secret"


def wrong(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        config_from_text(text, "mine.toml")
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
    return message


def test_what_is_left_out_is_the_records_own_default():
    config = config_from_text(ONE)
    assert config.optimizer == OptimizerConfig()
    assert config.reallocation == ReallocationConfig(mode=Mode.ADVISE)  # nothing is moved before somebody says so
    assert config.monitor == MonitorConfig()
    assert config.coordinator.every == timedelta(minutes=1)
    assert config.ledger_folder is None


def test_every_section_reaches_its_part():
    text = """
    [coordinator]
    every = "90s"
    max_history_size = 7
    [optimizer]
    min_improvement_threshold = 0.01
    max_allocation_change = 0.1
    plan_lifetime = "2m"
    [reallocation]
    min_hold_duration = "30m"
    mode = "confirm"
    auto_rollback = false
    [monitor]
    connection_timeout = "10m"
    drop_percent = 20.0
    [limits]
    held = ["relay"]
    max_turnover = 0.3
    [ledger]
    path = "books"
    """
    config = config_from_text(text + ONE, folder=Path("/srv"))
    assert config.coordinator.every == timedelta(seconds=90)
    assert config.coordinator.max_history_size == 7
    assert config.optimizer.min_improvement_threshold == 0.01
    assert config.optimizer.plan_lifetime == timedelta(minutes=2)
    assert config.reallocation.min_hold_duration == timedelta(minutes=30)
    assert config.reallocation.mode is Mode.CONFIRM
    assert not config.reallocation.auto_rollback
    assert config.monitor.connection_timeout == timedelta(minutes=10)
    assert config.limits.held == {"relay"}
    assert config.limits.max_turnover == 0.3
    assert config.ledger_folder == Path("/srv/books")


def test_power_has_a_price_by_the_clock_on_the_wall_and_watts_of_a_full_share():
    text = """
    [power]
    usd_per_kwh = { "07:00" = 0.28, "22:30" = 0.12 }
    time_zone = "Europe/Berlin"
    [protocols.disk]
    adapter = "storj"
    watts = 500
    """
    power = config_from_text(text + ONE).power_cost
    assert power is not None
    winter, summer = datetime(2026, 1, 5, 5, 59, tzinfo=UTC), datetime(2026, 7, 5, 5, 59, tzinfo=UTC)
    assert (power.rate("disk", winter), power.rate("disk", summer)) == (0.06, 0.14)
    assert power.rate("disk", winter + timedelta(minutes=1)) == 0.14
    assert power.rate("disk", datetime(2026, 1, 5, 21, 30, tzinfo=UTC)) == 0.06
    assert power.rate("relay", winter) == 0.0
    flat = config_from_text(text.replace('{ "07:00" = 0.28, "22:30" = 0.12 }', "0.3") + ONE).power_cost
    assert flat is not None and flat.rate("disk", winter) == flat.rate("disk", summer) == 0.15
    assert config_from_text(ONE).power_cost is None


def test_a_simulated_protocol_earns_by_its_curve_and_by_what_changes():
    text = """
    [simulation]
    start = 2026-03-02T00:00:00Z
    [protocols.relay]
    adapter = "simulated"
    share = 0.5
    curve = [[0, 0], [0.5, 1.0]]
    changes = [["2h", 3.0]]
    outages = [["5h", "6h"]]
    decrease_floor = 0.1
    step = 0.25
    late = "30s"
    """
    parts = build(config_from_text(text), simulate=True)
    relay = parts.coordinator.adapters["relay"]
    assert isinstance(relay, SimulatedAdapter)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    assert parts.clock.now() == start
    assert relay.earns(0.25, start) == 0.5
    assert relay.earns(0.25, start + timedelta(hours=2)) == 1.5
    assert relay.outages == [(start + timedelta(hours=5), start + timedelta(hours=6))]
    can = relay.capabilities()
    assert (can.floor, can.step, can.delay) == (0.1, 0.25, timedelta(seconds=30))


def test_a_day_swings_about_its_mean():
    parts = build(config_from_text(ONE + 'daily = 0.5\npeak = "18h"\n'), simulate=True)
    relay, midnight = parts.coordinator.adapters["relay"], datetime(2026, 1, 1, tzinfo=UTC)
    assert [relay.earns(1.0, midnight + timedelta(hours=h)) for h in (18, 6, 0)] == pytest.approx([3.0, 1.0, 2.0])


def test_every_adapter_can_be_configured(tmp_path: Path):
    (tmp_path / "rates.csv").write_text("time,relay\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,2\n")
    own = {
        "simulated": "rate = 1",
        "replay": 'file = "rates.csv"\ncolumn = "relay"',
        "http_json": 'url = "http://127.0.0.1:1/pay"\nvalue = "month.cents"\nunit = "cent"\nbearer_env = "NODE_TOKEN"\n'
        'zero = "no answer"\n'
        'series = { kind = "counter", resets = "month", window = "6h" }',
        "prometheus": 'query = "sum(x)"\nbasic_env = ["NODE_USER", "NODE_PASSWORD"]',
        "storj": "share = 0.2",
        "mysterium": "price_usd = 0.2",
        "xmrig": 'url = "http://127.0.0.1:1"\nusd_per_gigahash = 0.02\nthreads = 4',
        "command": 'read = ["/bin/true"]\nvalue = "usd"',
        "cgroup": 'folder = "/sys/fs/cgroup/x"\ncpus = 4',
    }
    assert set(own) == set(ADAPTERS)
    tables = [f'[protocols.{name}]\nadapter = "{name}"\n{keys}\n' for name, keys in own.items()]
    path = tmp_path / "config.toml"
    path.write_text("".join(tables))
    parts = build(read_config(path))
    found = parts.coordinator.adapters
    assert list(found) == list(own)
    assert isinstance(found["replay"], ReplayAdapter)
    assert isinstance(found["http_json"], HttpJsonAdapter)
    assert found["http_json"].series.window == timedelta(hours=6)
    assert found["http_json"].series.zero == "no answer"
    assert isinstance(found["prometheus"], PrometheusAdapter)


def test_one_adapter_may_read_and_another_act():
    text = """
    [protocols.disk]
    adapter = "storj"
    max_share = 0.5
    [protocols.disk.actor]
    adapter = "cgroup"
    folder = "/sys/fs/cgroup/disk"
    memory = 1000000
    """
    disk = build(config_from_text(text)).coordinator.adapters["disk"]
    assert isinstance(disk, CombinedAdapter)
    assert disk.capabilities().acts


WATTS = '[power]\nusd_per_kwh = 0.3\n[protocols.a]\nadapter = "storj"\nwatts = 1e12'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[optimizer]\nhorizon = 24", ["[optimizer] horizon: unknown key", "did you mean 'horizon_hours'?"]),
        ("[optimzer]\nhorizon_hours = 24", ["optimzer: unknown key", "did you mean 'optimizer'?"]),
        ("min_hold_duration = 3600", ["min_hold_duration: unknown key", "it belongs under [reallocation]"]),
        ("[optimizer]\nhorizon_hours = 0", ["[optimizer] horizon_hours: it must be greater than 0"]),
        ("[optimizer]\nhorizon_hours = nan", ["[optimizer] horizon_hours: it must be a finite number"]),
        ("[optimizer]\nhorizon_hours = '24'", ["[optimizer] horizon_hours: it must be a number, without quotes"]),
        ("[optimizer]\nhorizon_hours = true", ["[optimizer] horizon_hours: it must be a number, not true or false"]),
        ("[optimizer]\nanalysis_window_hours = 1.5", ["[optimizer] analysis_window_hours: it must be a whole number"]),
        ("[optimizer]\nmax_allocation_change = 20", ["[optimizer] max_allocation_change: it must be less"]),
        ("[reallocation]\nmin_hold_duration = '1 hours'", ["[reallocation] min_hold_duration: give a number with its"]),
        ("[reallocation]\nmin_hold_duration = -5", ["[reallocation] min_hold_duration: give a number with its unit"]),
        ("[reallocation]\nmode = 'automtic'", ["[reallocation] mode: it must be one of", "did you mean 'automatic'?"]),
        ("[reallocation]\nauto_rollback = 'yes'", ["[reallocation] auto_rollback: it must be true or false"]),
        ("[reallocation]\nmax_per_hour = -1", ["[reallocation] max_per_hour: it must be greater than or equal to 0"]),
        ("[monitor]\nneeded = 3", ["[monitor] needed: it must not be more than out_of"]),
        ("[coordinator]\nevery = 0", ["[coordinator] every: it must be more than 0"]),
        ("[coordinator]\nmax_history_size = 0", ["[coordinator] max_history_size: it must be greater"]),
        ("[coordinator]\nmost_jump = 1.0", ["[coordinator] most_jump: it must be greater than 1"]),
        ("[simulation]\nstart = 2026-01-01", ["[simulation] start:"]),
        ("[limits]\nmax_chang = 0.1", ["[limits] max_chang: unknown key", "did you mean 'max_change'?"]),
        ("[limits]\nheld = ['rely']", ["[limits] held: there is no protocol 'rely'; did you mean 'relay'?"]),
        ("[limits]\nmax_change = -1", ["[limits] max_change is -1; it must be"]),
        ("[optimizer]\nidle_rate = 1e10", ["[optimizer] idle_rate: it must be less"]),
        ("[power]\nusd_per_kwh = '0.3'", ["[power] usd_per_kwh: give USD per kWh as a number"]),
        ("[power]\nusd_per_kwh = {}", ["[power] usd_per_kwh: prices by the time of day are written {"]),
        ("[power]\nusd_per_kwh = { '7:00' = 0.3 }", ["[power] usd_per_kwh: prices by the time of day are written {"]),
        ("[power]\nusd_per_kwh = { '24:00' = 0.3 }", ["[power] usd_per_kwh: prices by the time of day are written {"]),
        ("[power]\nusd_per_kwh = inf", ["[power] usd_per_kwh: give USD per kWh as a number"]),
        ("[power]\nusd_per_kwh = 28", ["[power] usd_per_kwh: 28 USD per kWh is more", "(20)", "write 0.28"]),
        ("[power]\nusd_per_kwh = -1e9", ["[power] usd_per_kwh: -1e+09 USD per kWh is more than power ever costs"]),
        ("[power]\nusd_per_kwh = { '07:00' = 31.5 }", ["31.5 USD per kWh from 07:00 on is more", "write 0.315"]),
        (WATTS, ["[protocols.a] watts: it must be less"]),
        ("[power]\nusd_per_kwh = 0.3\ntime_zone = 'Berlin'", ["[power] time_zone: no such zone is known"]),
        ("[power]\ntime_zone = 'UTC'", ["[power] usd_per_kwh: it is missing"]),
        ("[protocols.b]\nadapter = 'storj'\nwatts = 5", ["[protocols.b] watts: what they cost is not said"]),
        ("[protocols.b]\nadapter = 'storj'\nwatts = -5", ["[protocols.b] watts: it must be greater"]),
        ("[protocols.b]\nadapter = 'storj'\nwat = 5", ["[protocols.b] wat: unknown key", "did you mean 'watts'?"]),
        ("optimizer = 3", ["[optimizer]: it must be a table"]),
        ("[protocols]\nrelay2 = 3", ["[protocols.relay2]: it must be a table"]),
        ("[protocols.b]\nrate = 1", ["[protocols.b] adapter: it must be one of simulated, replay"]),
        ("[protocols.b]\nadapter = 'simulatd'", ["[protocols.b] adapter:", "did you mean 'simulated'?"]),
        ("[protocols.b]\nadapter = 'simulated'", ["[protocols.b]: a simulated protocol earns by a rate or a curve"]),
        ("[protocols.b]\nadapter = 'storj'\nmax_shre = 1", ["max_shre: unknown key of 'storj'", "max_share"]),
        ("[protocols.b]\nadapter = 'http_json'", ["[protocols.b] url: it is missing", "value: it is missing"]),
        ("[protocols.b]\nadapter = 'storj'\nmax_share = 0.1\nmin_share = 0.2", ["[protocols.b]", "above max_share"]),
        ("[protocols.b]\nadapter = 'simulated'\nrate = 1\nshare = 1.2", ["[protocols.b] share: it must be less than"]),
        ("[protocols.b]\nadapter = 'simulated'\nrate = 1\nshare = 1\n[protocols.c]\nadapter = 'storj'\nshare = 0.5", [
            "[protocols.NAME] share: all shares together are 1.5; they must not exceed 1"]),
        ("[protocols.b]\nadapter = 'simulated'\nrate = 1\noutages = [['5h']]", ["[protocols.b] outages[0]"]),
        ("[protocols.b]\nadapter = 'simulated'\nrate = [1, 2]", ["[protocols.b]: one curve or rate for all times"]),
        ("[protocols.b]\nadapter = 'storj'\nactor = 3", ["[protocols.b.actor]: it must be a table with its adapter"]),
    ],
)  # fmt: skip
def test_an_error_names_the_file_the_key_and_the_rule(text: str, parts: list[str]):
    message = wrong(f"{text}\n{ONE}")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "mine.toml: [protocols.NAME]: at least one is needed"),
        ("[protocols", "mine.toml: not valid TOML"),
        ("x = 1\nx = 2", "mine.toml: not valid TOML"),
    ],
)
def test_a_file_without_protocols_or_without_form_is_said_so(text: str, part: str):
    assert part in wrong(text)


def test_several_errors_are_told_at_once_but_not_all_of_many():
    message = wrong("[optimizer]\n" + "\n".join(f"x{i} = 1" for i in range(9)) + "\n" + ONE)
    assert message.count("unknown key") == 5
    assert message.endswith("and 4 more")


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"there is no such file|this is a directory"):
        read_config(tmp_path / name)


def test_bytes_that_are_no_text_are_no_traceback(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_config(path)


@pytest.mark.parametrize(
    "keys",
    [
        f'bearer_env = "{CANARY}"',
        f'headers_env = {{ "X-Key" = "{CANARY}" }}',
        f'basic_env = ["{CANARY}", "{CANARY}"]',
        f'bearer = "{CANARY}"',
        f'token = "{CANARY}"',
        f'most = "{CANARY}"',
        f'timeout = "{CANARY}"',
        f'unit = "usd"\nbearer_env = ["{CANARY}"]',
        f'series = {{ kind = "rate", window = "{CANARY}" }}',
        f'max_share = "{CANARY}"',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(keys: str):
    table = f'[protocols.b]\nadapter = "http_json"\nurl = "http://127.0.0.1:1"\nvalue = "x"\n{keys}\n'
    assert CANARY not in wrong(table)


def test_a_login_in_an_address_is_not_repeated():
    text = f'[protocols.b]\nadapter = "http_json"\nurl = "http://me:{CANARY}@127.0.0.1:1/x"\nvalue = "x"\n'
    with pytest.raises(ConfigurationError) as caught:
        build(config_from_text(text, "mine.toml"))
    assert str(caught.value).startswith("mine.toml: [protocols.b] ")
    assert CANARY not in str(caught.value)


def test_what_an_adapter_itself_refuses_names_the_file_and_the_table_too():
    text = '[protocols.b]\nadapter = "http_json"\nurl = "http://127.0.0.1:1"\nvalue = "a..b"\n'
    with pytest.raises(ConfigurationError, match=r"mine.toml: \[protocols.b\].*no path"):
        build(config_from_text(text, "mine.toml"))


def test_the_guides_configuration_is_one(tmp_path: Path):
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "running_an_engine.md").read_text(encoding="utf-8")
    text = next(part.split("```")[0] for part in guide.split("```toml\n")[1:] if "[reallocation]" in part)
    parts = build(config_from_text(text, folder=tmp_path))
    assert list(parts.coordinator.adapters) == ["disk", "gpu", "cpu"]
    assert parts.mode is Mode.ADVISE
    parts.ledger.close()


def test_readings_may_go_to_a_server_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("psycopg")
    from reallot.engine.ledger.postgres_history import PostgresHistory

    monkeypatch.setenv("READINGS_URL", "postgresql://127.0.0.1:1/none")
    parts = build(config_from_text(f'[ledger]\npath = "books"\nhistory_env = "READINGS_URL"\n{ONE}', folder=tmp_path))
    assert isinstance(parts.ledger.history, PostgresHistory)
    parts.ledger.close()
    assert "NAME of an environment variable" in wrong(f'[ledger]\nhistory_env = "postgresql://me:{CANARY}@x/y"\n{ONE}')
    assert CANARY not in wrong(f'[ledger]\nhistory_env = "postgresql://me:{CANARY}@x/y"\n{ONE}')


def test_real_sources_do_not_run_in_simulated_time():
    text = ONE + '[protocols.disk]\nadapter = "storj"\n'
    with pytest.raises(ConfigurationError, match=r"config.toml: disk cannot run in simulated time"):
        build(config_from_text(text), simulate=True)


def test_a_recording_begins_with_the_run(tmp_path: Path):
    (tmp_path / "rates.csv").write_text("time,relay\n2020-01-01T00:00:00Z,1\n2020-01-01T01:00:00Z,2\n")
    text = '[protocols.relay]\nadapter = "replay"\nfile = "rates.csv"\nshare = 0.5\n'
    parts = build(config_from_text(text, folder=tmp_path), simulate=True)
    assert parts.coordinator.adapters["relay"].first == parts.clock.now()
    with pytest.raises(ConfigurationError, match="did you mean 'relay'"):
        build(config_from_text(text.replace("[protocols.relay]", "[protocols.relai]"), folder=tmp_path), simulate=True)


EVERY_KIND = """
[coordinator]
every = "90s"
max_history_size = 7
[optimizer]
min_improvement_threshold = 0.01
analysis_window_hours = 24
plan_lifetime = "2m"
explore = "none"
[reallocation]
mode = "confirm"
auto_rollback = false
max_per_hour = 4
[monitor]
connection_timeout = "10m"
needed = 1
[ledger]
history_env = "READINGS"
[simulation]
seed = 1
[limits]
max_change = 0.2
max_turnover = [0.3]
held = ["relay"]
groups = [{ name = "ip", members = ["relay"], max_active = 1, min_share = 0.1, min_active = 1 }]
rules = ["relay <= 2 * node"]
[power]
usd_per_kwh = { "00:00" = 0.1, "07:00" = 0.3 }
time_zone = "Europe/Berlin"
[protocols.relay]
adapter = "simulated"
watts = 20.0
curve = [[0, 0], [0.5, 1.0]]
share = 0.5
noise = 0.1
changes = [["2h", 3.0]]
outages = [["5h", "6h"]]
max_share = 0.9
lock_in = { share = 0.1, until = 1 }
[protocols.node]
adapter = "http_json"
url = "http://127.0.0.1:1"
value = "x"
series = { kind = "counter", window = "6h", dip = 0.5 }
basic_env = ["USER_NAME", "PASS_WORD"]
headers_env = { "X-Key" = "KEY" }
timeout = "5s"
[protocols.node.actor]
adapter = "cgroup"
folder = "/x"
cpus = 2.0
"""
TEXTS_ALLOWED = ("url", "value", "folder", "path", "kind", "name")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to every value that is no table and no list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, (*path, key))
    if not isinstance(value, dict | list):
        yield path


def as_toml(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in table.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(entry)}" for key, entry in value.items()) + "}"
    return "[" + ", ".join(map(inline, value)) + "]" if isinstance(value, list) else json.dumps(value)


@pytest.mark.parametrize("wrong", [CANARY, True, [CANARY], {"x": CANARY}], ids=["text", "truth", "list", "table"])
def test_whatever_value_is_wrong_its_key_is_named_and_no_value_is_repeated(wrong: object):
    assert config_from_text(EVERY_KIND)
    for path in places(tomllib.loads(EVERY_KIND)):
        other = inner = tomllib.loads(EVERY_KIND)
        for key in path[:-1]:
            inner = inner[key]
        if wrong is True and inner[path[-1]] is False:
            continue
        inner[path[-1]] = wrong
        try:
            config_from_text(as_toml(other), "mine.toml")
        except ConfigurationError as error:
            keys = [key for key in path if isinstance(key, str)]
            assert f"[{'.'.join(keys[:2]) if keys[0] == 'protocols' else keys[0]}" in str(error), (path, str(error))
            assert keys[-1] in str(error) or keys[-1] == "name", (path, str(error))
            if "held" not in path and "members" not in path:  # a name that is not there is told
                assert CANARY not in str(error), (path, str(error))
        else:
            assert path[-1] in TEXTS_ALLOWED and isinstance(wrong, str), path
