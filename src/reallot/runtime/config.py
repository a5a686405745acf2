"""config.toml: read, checked, and every error with the file, the key, the rule and the near miss; never a value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from ..engine.contracts.records import Moment, MonitorConfig, OptimizerConfig, ReallocationConfig, Record, Window
from ..engine.contracts.secrets import redact
from ..errors import ConfigurationError, InvalidInput, near_miss
from ..problem import Limits, ProtocolSpec
from ..problem.tables import PROTOCOL_KEYS, limits_from_table, protocol_from_table
from ..text.durations import parse_duration
from .adapter_settings import ADAPTERS, Settings, Variable

Model = TypeVar("Model", bound=BaseModel)
MOST_ERRORS = 5
_QUOTED, _UNKNOWN = re.compile(r"is '[^']*'"), re.compile(r"^unknown key '([^']*)'")
SPEC_KEYS = tuple(key for key in PROTOCOL_KEYS if key != "current")
"""Keys of a protocol that are the ProtocolSpec's, whatever its adapter."""


class CoordinatorSection(Record):
    """How often everything is polled, and how many polls are kept."""

    every: Window = timedelta(minutes=1)
    max_history_size: int = Field(default=1000, ge=1)


class LedgerSection(Record):
    """The folder of what must survive a restart, beside the file; without it everything is kept in memory.

    history_env  variable with the connection string of a PostgreSQL server that keeps the readings instead
    """

    path: str | None = None
    history_env: Variable | None = None
    history_schema: str = "reallot"


class SimulationSection(Record):
    """What `--simulate` begins with."""

    start: Moment = datetime(2026, 1, 1, tzinfo=UTC)
    seed: int = 0


@dataclass(frozen=True)
class ProtocolSection:
    """One protocol: what is known of it, how it is read, and how it is acted on where that is another adapter."""

    spec: ProtocolSpec | None
    reader: Settings
    actor: Settings | None = None

    @property
    def simulates(self) -> bool:
        """True where simulated time is enough for it."""
        return self.reader.simulates and (self.actor is None or self.actor.simulates)


@dataclass(frozen=True)
class Config:
    """A configuration as it was read. `source` is the file's name, for messages; `folder` what its paths start from."""

    source: str
    folder: Path
    protocols: Mapping[str, ProtocolSection]
    coordinator: CoordinatorSection = field(default_factory=CoordinatorSection)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    reallocation: ReallocationConfig = field(default_factory=ReallocationConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    simulation: SimulationSection = field(default_factory=SimulationSection)
    limits: Limits = field(default_factory=Limits)

    @property
    def ledger_folder(self) -> Path | None:
        """Where the ledger is; None for memory."""
        return None if self.ledger.path is None else self.folder / Path(self.ledger.path).expanduser()


SECTIONS: Mapping[str, type[BaseModel]] = {
    "coordinator": CoordinatorSection,
    "optimizer": OptimizerConfig,
    "reallocation": ReallocationConfig,
    "monitor": MonitorConfig,
    "ledger": LedgerSection,
    "simulation": SimulationSection,
}


def read_config(path: str | Path) -> Config:
    """The configuration in a TOML file; raises ConfigurationError."""
    source = Path(path)
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"{source}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigurationError(f"{source}: this is a directory; give a .toml file") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return config_from_text(text, str(source), source.parent)


def config_from_text(text: str, source: str = "config.toml", folder: Path | None = None) -> Config:
    """The same from text; `source` is what messages call it.

    >>> config_from_text('[optimizer]\\nhorizon = 24\\n[protocols.relay]\\nadapter = "storj"')
    Traceback (most recent call last):
    reallot.errors.ConfigurationError: config.toml: [optimizer] horizon: unknown key; did you mean 'horizon_hours'?
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{source}: not valid TOML: {redact(str(error))}") from None
    return _Reader(source, folder or Path()).config(table)


class _Reader:
    """Collects what is wrong, so that a file is mended at once and not error by error."""

    def __init__(self, source: str, folder: Path) -> None:
        self._source, self._folder, self._wrong = source, folder, list[str]()

    def config(self, table: Mapping[str, Any]) -> Config:
        known = (*SECTIONS, "limits", "protocols")
        for key in table:
            if key not in known:
                self._wrong.append(f"{_name(key)}: unknown key; {_home(key, known)}")
        sections = {name: self.section(kind, table.get(name, {}), f"[{name}]") for name, kind in SECTIONS.items()}
        limits = self._limits(table.get("limits", {}))
        protocols = self._protocols(table.get("protocols"))
        self._check_names(limits, protocols)
        monitor = sections["monitor"]
        if isinstance(monitor, MonitorConfig) and monitor.needed > monitor.out_of:
            self._wrong.append("[monitor] needed: it must not be more than out_of, or no alert would ever be raised")
        every = sections["coordinator"]
        if isinstance(every, CoordinatorSection) and every.every <= timedelta(0):
            self._wrong.append("[coordinator] every: it must be more than 0")
        if self._wrong:
            rest = len(self._wrong) - MOST_ERRORS
            more = [f"and {rest} more"] if rest > 0 else []
            raise ConfigurationError("; ".join(f"{self._source}: {each}" for each in self._wrong[:MOST_ERRORS] + more))
        parts: dict[str, Any] = {name: section for name, section in sections.items() if section is not None}
        return Config(self._source, self._folder, protocols, limits=limits or Limits(), **parts)

    def section(self, kind: type[Model], table: Any, where: str) -> Model | None:
        """A record of one table; None where it is wrong, which is noted."""
        if not isinstance(table, Mapping):
            self._wrong.append(f"{where}: it must be a table of keys and values")
            return None
        before = len(self._wrong)
        values = {key: self._value(kind, key, value, where) for key, value in table.items()}
        if len(self._wrong) > before:
            return None
        try:
            return kind.model_validate(values, strict=False)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False, include_context=False):
                place = ".".join(str(part) for part in each["loc"] if not _is_branch(part))
                self._wrong.append(f"{where} {place}: {_rule(each['type'], each['msg'])}".replace(" :", ":"))
        return None

    def _value(self, kind: type[BaseModel], key: str, value: Any, where: str) -> Any:
        """A plain value as the record takes it: lengths of time read, texts not taken for numbers."""
        if key not in kind.model_fields:
            self._wrong.append(f"{where} {_name(key)}: unknown key; {_home(key, tuple(kind.model_fields))}")
            return None
        kinds = _kinds(kind.model_fields[key].annotation)
        try:
            if timedelta in kinds:
                return _lengths(value, f"{where} {key}")
        except InvalidInput as error:
            self._wrong.append(str(error))
            return None
        enums = [each for each in kinds if isinstance(each, type) and issubclass(each, StrEnum)]
        if enums and value not in (names := [each.value for each in enums[0]]):
            self._wrong.append(f"{where} {key}: it must be one of {', '.join(names)}{_near(value, names)}")
        elif isinstance(value, str) and str not in kinds and not enums and {int, float} & set(kinds):
            self._wrong.append(f"{where} {key}: it must be a number, without quotes")
        elif isinstance(value, bool) and bool not in kinds and {int, float} & set(kinds):
            self._wrong.append(f"{where} {key}: it must be a number, not true or false")
        elif not isinstance(value, bool) and bool in kinds:
            self._wrong.append(f"{where} {key}: it must be true or false")
        nested = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
        if nested and isinstance(value, Mapping):
            return self.section(nested[0], value, f"{where} {key}")
        return value

    def _limits(self, table: Any) -> Limits | None:
        try:
            return limits_from_table(table)
        except InvalidInput as error:
            self._wrong.append(_bracketed(str(error), "limits"))
            return None

    def _protocols(self, tables: Any) -> dict[str, ProtocolSection]:
        if not isinstance(tables, Mapping) or not tables:
            self._wrong.append("[protocols.NAME]: at least one is needed, with its adapter")
            return {}
        found = {name: self._protocol(name, table) for name, table in tables.items()}
        return {name: section for name, section in found.items() if section is not None}

    def _protocol(self, name: str, table: Any) -> ProtocolSection | None:
        where = f"[protocols.{_name(name)}]"
        if not isinstance(table, Mapping):
            self._wrong.append(f"{where}: it must be a table of keys and values")
            return None
        if not name.strip() or name != name.strip():
            self._wrong.append(f"{where}: a name has no spaces around it")
            return None
        before = len(self._wrong)
        spec_keys = [key for key in table if key in SPEC_KEYS]
        reader = self._adapter({k: v for k, v in table.items() if k != "actor"}, where, SPEC_KEYS)
        actor = self._adapter(table["actor"], f"[protocols.{_name(name)}.actor]", ()) if "actor" in table else None
        spec = self._spec(name, {key: table[key] for key in spec_keys}) if spec_keys else None
        if len(self._wrong) > before or reader is None:
            return None
        if spec is None and table["adapter"] == "simulated":
            self._wrong.append(f"{where}: a simulated protocol earns by a rate or a curve; give one of them")
        return ProtocolSection(spec, reader, actor)

    def _adapter(self, table: Any, where: str, others: tuple[str, ...]) -> Settings | None:
        """The settings of one adapter; `others` are keys that are not its own and stand in the same table."""
        if not isinstance(table, Mapping):
            self._wrong.append(f"{where}: it must be a table with its adapter")
            return None
        kind = table.get("adapter")
        if kind not in ADAPTERS if isinstance(kind, str) else True:
            hint = _near(kind, list(ADAPTERS))
            self._wrong.append(f"{where} adapter: it must be one of {', '.join(ADAPTERS)}{hint}")
            return None
        settings = ADAPTERS[str(kind)]
        own = settings.model_fields
        for key in table:
            if key not in own and key not in others and key != "adapter":
                known = (*own, *others, "adapter", "actor")
                self._wrong.append(f"{where} {_name(key)}: unknown key of {kind!r}; {near_miss(_name(key), known)}")
        return self.section(settings, {key: value for key, value in table.items() if key in own}, where)

    def _spec(self, name: str, table: Mapping[str, Any]) -> ProtocolSpec | None:
        """The spec; without a rate or a curve nothing is known of what it earns before it is read."""
        known = dict(table) if "rate" in table or "curve" in table else {**table, "rate": 0.0}
        try:
            spec = protocol_from_table(name, known)
        except InvalidInput as error:
            self._wrong.append(_bracketed(str(error), f"protocols.{name}"))
            return None
        if len(spec.curves) > 1 or spec.warm_up_earns > 1.0:
            self._wrong.append(f"[protocols.{_name(name)}]: one curve or rate for all times; rates are learned")
        return spec

    def _check_names(self, limits: Limits | None, protocols: Mapping[str, ProtocolSection]) -> None:
        """Limits name protocols that there are."""
        if limits is None or not protocols or self._wrong:
            return
        named = [("held", name) for name in sorted(limits.held)]
        named += [("max_change", name) for name in (limits.max_change if isinstance(limits.max_change, dict) else ())]
        named += [(f"groups {group.name}", name) for group in limits.groups for name in group.members]
        for key, name in named:
            if name not in protocols:
                hint = near_miss(name, protocols)
                self._wrong.append(f"[limits] {key}: there is no protocol {_name(name)!r}; {hint}")
        begun = {name: getattr(each.reader, "share", None) for name, each in protocols.items()}
        total = sum(share for share in begun.values() if isinstance(share, (int, float)))
        if total > 1.0 + 1e-6:
            self._wrong.append(f"[protocols.NAME] share: all shares together are {total:.6g}; they must not exceed 1")


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """All types that an annotation names, inside unions and lists too."""
    inner = get_args(annotation)
    return (annotation, *(kind for each in inner for kind in _kinds(each))) if inner else (annotation,)


def _lengths(value: Any, where: str) -> Any:
    """Lengths of time, wherever in (nested) lists they stand; numbers beside a length stay, as in [[after, factor]]."""
    if not isinstance(value, list):
        return parse_duration(value, where)
    return [
        [parse_duration(each[0], where), *(parse_duration(e, where) if isinstance(e, str) else e for e in each[1:])]
        if isinstance(each, list) and each
        else each
        for each in value
    ]


def _near(value: object, names: list[str]) -> str:
    """The near miss of a value that is close to what is known; other values are not repeated."""
    hint = near_miss(value, names) if isinstance(value, str) else ""
    return f"; {hint}" if hint.startswith("did you mean") else ""


def _home(key: str, known: tuple[str, ...]) -> str:
    """The near miss, or the section that has this key."""
    hint = near_miss(key, known)
    if hint.startswith("did you mean"):
        return hint
    return next((f"it belongs under [{name}]" for name, kind in SECTIONS.items() if key in kind.model_fields), hint)


def _name(key: object) -> str:
    return redact(str(key))[:60]


def _rule(kind: str, message: str) -> str:
    """Pydantic's rule in the words of this library."""
    if kind == "missing":
        return "it is missing"
    if kind == "string_pattern_mismatch":
        return "give the NAME of an environment variable (capitals, digits and _), not the secret itself"
    text = message.removeprefix("Value error, ").replace("Input should be", "it must be")
    return text[:1].lower() + text[1:]


def _is_branch(part: object) -> bool:
    """True for what pydantic adds to a place for the branch of a union."""
    return isinstance(part, str) and (part in ("str", "float", "list", "SeriesTable") or "[" in part)


def _bracketed(message: str, table: str) -> str:
    """ "limits.max_change is ..." as "[limits] max_change is ..."."""
    text = _QUOTED.sub("is a text", redact(message.removeprefix(table).lstrip(".: ")))
    text = _UNKNOWN.sub(r"\1: unknown key", text)
    return f"[{table}] {text}"
