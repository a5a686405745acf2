"""Fleets from files: TOML with hosts and limits, or a table (Parquet, CSV) with a row for each host and protocol."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidInput, near_miss
from ...problem import Limits
from ...problem.files import text_of
from ...problem.validation import LARGEST, brief, number
from .fleet import Fleet
from .frames import MAY_MISS, NUMBERS
from .limits import FleetLimits

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("horizon_hours", "table", "limits", "host_limits", "hosts")
HOST_KEYS = ("size", "site", "protocols")


@dataclass(frozen=True)
class FleetFile:
    """What a file says: the fleet, its shared limits, and the hosts that could not be read, with the reason."""

    fleet: Fleet
    limits: FleetLimits
    unread: Mapping[str, str]


def read_fleet(path: Path, limits: Path | None = None) -> FleetFile:
    """The fleet of a .toml, .parquet or .csv file; `limits` is a TOML file with [limits] and [host_limits] of its own.

    Hosts with cells that are missing or no numbers are left out and told. Raises InvalidInput for all else.
    """
    said = _toml(path) if path.suffix.lower() == ".toml" else {"table": str(path)}
    if limits is not None:
        said = {**said, **_toml(limits)}
    try:
        return _fleet(said, path.parent if path.suffix.lower() == ".toml" else Path())
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def _toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(text_of(path, ".toml, .parquet or .csv"))
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not valid TOML: {error}") from None
    _known(table, KEYS, str(path))
    return table


def _fleet(said: Mapping[str, Any], folder: Path) -> FleetFile:
    if ("table" in said) == ("hosts" in said):
        raise InvalidInput("give either `table`, the name of a .parquet or .csv file, or [hosts.NAME] for each host")
    frame = _rows(said["hosts"]) if "hosts" in said else _table(folder / str(said["table"]))
    frame, sizes = _sizes(frame)
    unread = _unread(frame)
    frame = frame[~frame["host"].isin(list(unread))] if unread else frame
    if not len(frame):
        raise InvalidInput(f"no host could be read; the first: {next(iter(unread.values()), 'there are no rows')}")
    hours = number(said.get("horizon_hours", 1.0), "horizon_hours", 0.0)
    fleet = Fleet.from_frame(
        frame,
        {host: size for host, size in sizes.items() if host not in unread},
        hours,
        _record(Limits, said.get("host_limits", {}), "host_limits"),
    )
    return FleetFile(fleet, _record(FleetLimits, said.get("limits", {}), "limits"), unread)


def _record(kind: Any, table: Any, where: str) -> Any:
    """A record of limits from a table of its fields."""
    if not isinstance(table, Mapping):
        raise InvalidInput(f"{where} is {brief(table)}; give a table, as [{where}]")
    _known(table, [field.name for field in fields(kind)], where)
    return kind(**table)


def _known(table: Mapping[str, Any], known: Any, where: str) -> None:
    for key in table:
        if key not in known:
            raise InvalidInput(f"{where}: unknown key {key!r}; {near_miss(key, known)}")


def _rows(hosts: Any) -> pd.DataFrame:
    """The long table of [hosts.NAME.protocols.NAME] tables."""
    import pandas as pd

    rows = []
    if not isinstance(hosts, Mapping):
        raise InvalidInput(f"hosts is {brief(hosts)}; give a table for each, as [hosts.NAME]")
    for host, table in hosts.items():
        if not isinstance(table, Mapping):
            raise InvalidInput(f"hosts.{host} is {brief(table)}; give a table with `protocols`")
        _known(table, HOST_KEYS, f"hosts.{host}")
        about = {key: table[key] for key in ("size", "site") if key in table}
        protocols = table.get("protocols", {})
        if not isinstance(protocols, Mapping) or not protocols:
            raise InvalidInput(f"hosts.{host} has no protocols; give [hosts.{host}.protocols.NAME] with a rate")
        for name, cells in protocols.items():
            if not isinstance(cells, Mapping):
                raise InvalidInput(f"hosts.{host}.protocols.{name} is {brief(cells)}; give a table with a rate")
            uses = {f"uses.{key}": use for key, use in dict(cells.get("uses", {})).items()}
            own = {key: cell for key, cell in cells.items() if key != "uses"}
            rows.append({"host": host, "protocol": name, **about, **own, **uses})
    frame = pd.DataFrame(rows)
    for name, default in {**NUMBERS, **{name: 0.0 for name in frame.columns if name.startswith("uses.")}}.items():
        if name in frame.columns and name not in MAY_MISS and default is not None:
            frame[name] = frame[name].fillna(default)
    return frame


def _table(path: Path) -> pd.DataFrame:
    """A table from a Parquet or CSV file."""
    import pandas as pd

    readers: dict[str, Any] = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".gz": pd.read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput(f"the name {path.name} ends in {path.suffix!r}; give a .toml, .parquet or .csv file")
    try:
        frame: pd.DataFrame = reader(path)
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {path}") from None
    except ImportError:
        raise InvalidInput("reading Parquet needs the package pyarrow; install it, or give a .csv file") from None
    except Exception as error:  # whatever the readers of others raise
        raise InvalidInput(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    for name in ("host", "protocol"):
        if name not in frame.columns:
            raise InvalidInput(f"{path.name} has no column {name!r}; give one row for each host and protocol")
    return frame


def _sizes(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, float]]:
    """The table without its column `size`, and sizes by host."""
    if "size" not in frame.columns:
        return frame, {}
    sizes: dict[str, float] = {}
    for host, cell in frame.dropna(subset=["size"])[["host", "size"]].drop_duplicates().itertuples(index=False):
        size = number(cell, f"size of host {host}", 0.0)
        if sizes.setdefault(str(host), size) != size:
            raise InvalidInput(f"host {host} has the sizes {sizes[host]:g} and {size:g}; give one")
    return frame.drop(columns="size"), sizes


def _unread(frame: pd.DataFrame) -> dict[str, str]:
    """The hosts with cells that cannot be read, each with the first of them in words."""
    import pandas as pd

    found: dict[str, str] = {}
    for name in [each for each in frame.columns if each in NUMBERS or str(each).startswith("uses.")]:
        values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float)
        low = -LARGEST if name == "rate" else 0.0
        right = (values >= low) & (values <= LARGEST)
        if name in MAY_MISS or (name == "rate" and "curve" in frame.columns):
            right |= frame[name].isna().to_numpy()
        if name == "max_share":
            right |= np.isposinf(values)
        for row in np.flatnonzero(~right).tolist():
            host, protocol = str(frame["host"].iloc[row]), frame["protocol"].iloc[row]
            found.setdefault(host, f"{name} of {protocol} is {brief(frame[name].iloc[row])}")
    return found
