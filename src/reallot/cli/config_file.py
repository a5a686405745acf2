"""Which configuration and which ledger a command means."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

from ..errors import ConfigurationError, InvalidInput
from ..runtime.config import Config, config_from_text, read_config

SHORT_NAMES = {"ten.toml": "ten_protocols.toml"}
"""Names of shipped cases that stand for another."""
LEDGER = Path("ledger")


def config_of(path: Path) -> Config:
    """The file, or the shipped case of this name where there is no such file; raises ConfigurationError."""
    case = files("reallot.cli").joinpath("cases", SHORT_NAMES.get(path.name, path.name))
    if not path.exists() and path.parent == Path() and path.suffix == ".toml" and case.is_file():
        text = case.read_text(encoding="utf-8")
        if "[protocols" in text and "adapter" in text:
            return config_from_text(text, path.name)
        raise ConfigurationError(f"{path.name} is a problem to solve, not a configuration: reallot solve takes it")
    return read_config(path)


def ledger_of(options: argparse.Namespace) -> Path:
    """The ledger's folder: as given, or that of the configuration, or ./ledger. Raises InvalidInput.

    Where a configuration keeps its ledger in memory, a folder `ledger` beside it is meant: `run --ledger` made it.
    """
    if options.ledger is not None:
        return Path(options.ledger)
    given: Path | None = getattr(options, "config", None)
    if given is None or given.is_dir():
        return given or LEDGER
    config = config_of(given)
    if config.ledger_folder is not None:
        return config.ledger_folder
    if (beside := config.folder / LEDGER).is_dir():
        return beside
    raise InvalidInput(
        f"{config.source}: its ledger is in memory; give the folder, as --ledger FOLDER, "
        'or set path = "ledger" under [ledger] before it runs'
    )
