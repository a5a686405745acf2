"""config.toml: read, checked, and every error with the file, the key, the rule and the near miss; never a value."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ..engine.contracts.configs import Mode, MonitorConfig, OptimizerConfig, ReallocationConfig, mode_of
from ..engine.contracts.power import PowerCost
from ..engine.contracts.secrets import redact
from ..engine.contracts.validation import MOST_JUMP
from ..engine.contracts.values import IN_FILE, Moment, Record, Whole, Window
from ..errors import ConfigurationError, InvalidInput, near_miss
from ..problem import Limits, ProtocolSpec
from ..problem.file_errors import TABLE, Fault, FileError, KeyPath, one_of, read, told
from ..problem.files import text_of
from ..problem.limit_checks import BY_PROTOCOL
from ..problem.per_period import varying_of
from ..problem.protocol_tables import LimitsTable, ProtocolTable, protocol_from_table
from .adapter_settings import ADAPTERS
from .floor_sums import floors_above
from .notify_settings import NotifySection
from .operation import OperatingRules
from .power_settings import PowerSection
from .service_settings import ServiceSection
from .shared_settings import Settings, Variable

BY_HAND = {IN_FILE: True}
MOST_SHOWN = 200
"""Characters of a sentence that came from a record."""
SPEC_KEYS = tuple(key for key in ProtocolTable.model_fields if key != "current")
"""Keys of a protocol that are the ProtocolSpec's, whatever its adapter."""


def _above_zero(length: timedelta) -> timedelta:
    if not length:
        raise ValueError("it must be more than 0")
    return length


class CoordinatorSection(Record):
    """How often everything is polled, and how many polls are kept.

    Parameters
    ----------
    every
        Time from the start of one cycle to that of the next.
    max_history_size
        Number of polls kept in memory.
    most_jump
        Earnings that grow by more than this factor at once, at the same share, are shown to a person first.
    """

    every: Annotated[Window, AfterValidator(_above_zero)] = timedelta(minutes=1)
    max_history_size: Annotated[Whole, Field(ge=1)] = 1000
    most_jump: Annotated[float, Field(gt=1.0)] = MOST_JUMP


class LedgerSection(Record):
    """The folder of what must survive a restart, beside the file; without it everything is kept in memory.

    Parameters
    ----------
    path
        The folder; a relative one starts from the folder of the file.
    history_env
        Environment variable with the connection string of a PostgreSQL server that keeps the readings instead.
    history_schema
        Schema of that server in which their tables stand.
    """

    path: str | None = None
    history_env: Variable | None = None
    history_schema: str = "reallot"


class ReallocationSection(ReallocationConfig):
    """When and how a plan is carried out.

    mode  how far the engine goes: observe (reads), advise (also says what it would do), confirm (asks a person before
          each plan) or automatic. Without one it advises, and nothing is moved
    """

    mode: Annotated[Mode, BeforeValidator(mode_of)] = Mode.ADVISE


class SimulationSection(Record):
    """What `--simulate` begins with.

    Parameters
    ----------
    start
        The simulated moment at which the run begins.
    seed
        Seed of all noise, where a protocol has none of its own.
    """

    start: Moment = datetime(2026, 1, 1, tzinfo=UTC)
    seed: Whole = 0


@dataclass(frozen=True)
class ProtocolSection:
    """One protocol: what is known of it, how it is read, and how it is acted on where that is another adapter.

    operation  keys that any protocol may have
    """

    spec: ProtocolSpec | None
    reader: Settings
    actor: Settings | None = None
    operation: OperatingRules = field(default_factory=OperatingRules)

    def variables(self) -> list[str]:
        """The environment variables that its adapters name."""
        found = list(self.reader.variables())
        return found if self.actor is None else [*found, *self.actor.variables()]

    @property
    def simulates(self) -> bool:
        """True where simulated time is enough for it."""
        return self.reader.simulates and (self.actor is None or self.actor.simulates)


@dataclass(frozen=True)
class Config:
    """A configuration as it was read.

    source      the file's name, for messages; folder: what its paths start from
    names_mode  True where the file says how far the engine goes
    """

    source: str
    folder: Path
    protocols: Mapping[str, ProtocolSection]
    coordinator: CoordinatorSection = field(default_factory=CoordinatorSection)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    reallocation: ReallocationConfig = field(default_factory=lambda: ReallocationConfig(mode=Mode.ADVISE))
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    power: PowerSection = field(default_factory=PowerSection)
    simulation: SimulationSection = field(default_factory=SimulationSection)
    limits: Limits = field(default_factory=Limits)
    notify: NotifySection = field(default_factory=NotifySection)
    service: ServiceSection = field(default_factory=ServiceSection)
    names_mode: bool = True

    @property
    def power_cost(self) -> PowerCost | None:
        """What power costs each protocol that says its watts; None where none does."""
        watts = {name: each.operation.watts for name, each in self.protocols.items()}
        return self.power.cost({name: each for name, each in watts.items() if each})

    @property
    def share_slack(self) -> float:
        """What all shares together may be read above capacity, because they are measured or rounded."""
        return _slack(self.reallocation, self.protocols)

    def missing_variables(self) -> list[tuple[str, str]]:
        """(where it is named, variable) of each environment variable that is named and not set."""
        named = [(f"[protocols.{name}]", each.variables()) for name, each in self.protocols.items()]
        named.append(("[ledger]", [] if self.ledger.history_env is None else [self.ledger.history_env]))
        named += [("[notify]", each.variables()) for each in self.notify.targets]
        return [(place, each) for place, variables in named for each in variables if not os.environ.get(each)]

    @property
    def ledger_folder(self) -> Path | None:
        """Where the ledger is; None for memory."""
        return None if self.ledger.path is None else self.folder / Path(self.ledger.path).expanduser()


def read_config(path: str | Path) -> Config:
    """The configuration in a TOML file; raises ConfigurationError."""
    source = Path(path)
    try:
        text = text_of(source, ".toml")
    except InvalidInput as error:
        raise ConfigurationError(f"{source}: {error}") from None
    return config_from_text(text, str(source), source.parent)


def config_from_text(text: str, source: str = "config.toml", folder: Path | None = None) -> Config:
    r"""The same from text; `source` is what messages call it.

    >>> config_from_text('[optimizer]\nhorizon = 24\n[protocols.relay]\nadapter = "storj"')
    Traceback (most recent call last):
    reallot.errors.ConfigurationError: config.toml: [optimizer] horizon: unknown key; did you mean 'horizon_hours'?
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{source}: not valid TOML: {redact(str(error))}") from None
    faults: list[Fault] = []
    with _noted(faults):
        sections = read(
            Sections, {key: value for key, value in table.items() if key != "protocols"}, strict=True, context=BY_HAND
        )
    protocols = _protocols(table.get("protocols"), faults)
    if not faults:
        faults += _contradictions(sections, protocols)
    if faults:
        lines = tuple(fault.bracketed(_clean) for fault in faults)
        refused = ConfigurationError(told(f"{source}: {line}" for line in lines))
        refused.faults = lines
        raise refused
    given = {key: getattr(sections, key) for key in Sections.model_fields}
    given["reallocation"] = ReallocationConfig(**dict(sections.reallocation))
    names_mode = "mode" in sections.reallocation.model_fields_set
    return Config(source, folder or Path(), protocols, names_mode=names_mode, **given)


class Sections(Record):
    """All tables of the file but the protocols'."""

    coordinator: CoordinatorSection = CoordinatorSection()
    optimizer: OptimizerConfig = OptimizerConfig()
    reallocation: ReallocationSection = ReallocationSection()
    monitor: MonitorConfig = MonitorConfig()
    ledger: LedgerSection = LedgerSection()
    power: PowerSection = PowerSection()
    simulation: SimulationSection = SimulationSection()
    limits: LimitsTable = Limits()
    notify: NotifySection = NotifySection()
    service: ServiceSection = ServiceSection()


@contextmanager
def _noted(faults: list[Fault]) -> Iterator[None]:
    """Collects what is wrong, so that a file is mended at once and not error by error."""
    try:
        yield
    except FileError as error:
        faults += error.faults


def _protocols(tables: Any, faults: list[Fault]) -> dict[str, ProtocolSection]:
    if not isinstance(tables, dict) or not tables:
        faults.append(Fault(("protocols", "NAME"), "at least one is needed, with its adapter"))
        return {}
    found = {}
    for name, table in tables.items():
        before = len(faults)
        section = _protocol(name, table, faults)
        if section is not None and len(faults) == before:
            found[name] = section
    return found


def _protocol(name: str, table: Any, faults: list[Fault]) -> ProtocolSection | None:
    at = ("protocols", name)
    if not isinstance(table, dict):
        faults.append(Fault(at, TABLE))
        return None
    if not name.strip() or name != name.strip():
        faults.append(Fault(at, "a name has no spaces around it"))
        return None
    known = {key: value for key, value in table.items() if key in SPEC_KEYS}
    any_has = {key: value for key, value in table.items() if key in OperatingRules.model_fields}
    reader = spec = actor = None
    operation = OperatingRules()
    with _noted(faults):
        kind = table.get("adapter")
        shared = ADAPTERS[kind].model_fields if isinstance(kind, str) and kind in ADAPTERS else ()
        others = {key for key in (*known, *any_has, "actor") if key not in shared or key in known}
        own = {key: value for key, value in table.items() if key not in others}
        reader = _adapter(own, at, (*SPEC_KEYS, *OperatingRules.model_fields))
    with _noted(faults):
        operation = read(OperatingRules, any_has, at, strict=True, context=BY_HAND)
    if known:
        with _noted(faults):
            spec = _spec(name, known)
    if "actor" in table:
        with _noted(faults):
            actor = _adapter(table["actor"], (*at, "actor"), ())
    if reader is None:
        return None
    if spec is None and not known and table["adapter"] == "simulated":
        faults.append(Fault(at, "a simulated protocol earns by a rate or a curve; give one of them"))
    return ProtocolSection(spec, reader, actor, operation)


def _adapter(table: Any, at: KeyPath, others: tuple[str, ...]) -> Settings:
    """The settings of one adapter; `others` are keys that are not its own and may stand in the same table."""
    if not isinstance(table, dict):
        raise FileError.of([Fault(at, "it must be a table with its adapter")])
    kind = table.get("adapter")
    if not isinstance(kind, str) or kind not in ADAPTERS:
        raise FileError.of([Fault((*at, "adapter"), one_of(kind, list(ADAPTERS)))])
    settings, faults = ADAPTERS[kind], list[Fault]()
    own = settings.model_fields
    for key in table:
        if key not in own and key != "adapter":
            hint = near_miss(_clean(key), (*own, *others, "adapter", "actor"))
            faults.append(Fault((*at, key), f"unknown key of {kind!r}; {hint}"))
    found = None
    with _noted(faults):
        found = read(
            settings, {key: value for key, value in table.items() if key in own}, at, strict=True, context=BY_HAND
        )
    if found is None or faults:
        raise FileError.of(faults)
    return found


def _spec(name: str, table: dict[str, Any]) -> ProtocolSpec:
    """The spec; without a rate or a curve nothing is known of what it earns before it is read."""
    spec = protocol_from_table(name, table if "rate" in table or "curve" in table else {**table, "rate": 0.0})
    if lists := sorted(varying_of(vars(spec))):
        raise FileError.of(
            [Fault(("protocols", name, lists[0]), "one number for all times; an engine plans one period")]
        )
    if len(spec.curves) > 1 or spec.warm_up_earns > 1.0:
        raise FileError.of([Fault(("protocols", name), "one curve or rate for all times; rates are learned")])
    return spec


def _contradictions(sections: Sections, protocols: Mapping[str, ProtocolSection]) -> Iterator[Fault]:
    """What no table can see alone: limits name protocols that there are, and shares add up."""
    if sections.monitor.needed > sections.monitor.out_of:
        yield Fault(("monitor", "needed"), "it must not be more than out_of, or no alert would ever be raised")
    power, limits = sections.power, sections.limits
    if power.usd_per_kwh is None:
        if power.model_fields_set:
            yield Fault(("power", "usd_per_kwh"), "it is missing; say what power costs, in USD per kWh")
        for name, protocol in protocols.items():
            if protocol.operation.watts is not None:
                yield Fault(("protocols", name, "watts"), "what they cost is not said; set [power] usd_per_kwh")
    named: list[tuple[KeyPath, str]] = [(("held",), name) for name in sorted(limits.held)]
    for limit in BY_PROTOCOL:
        if isinstance(value := getattr(limits, limit), (dict, frozenset)):
            named += [((limit,), name) for name in sorted(value)]
    named += [(("groups", i, "members"), name) for i, group in enumerate(limits.groups) for name in group.members]
    named += [(("near", "shares"), name) for name in (limits.near.shares if limits.near else ())]
    for key, name in named:
        if name not in protocols:
            yield Fault(("limits", *key), f"there is no protocol {_clean(name)!r}; {near_miss(name, protocols)}")
    yield from _unknown_in_rules(limits, protocols)
    begun = [getattr(each.reader, "share", None) for each in protocols.values()]
    total = sum(share for share in begun if isinstance(share, (int, float)))
    most = 1.0 + max(_slack(sections.reallocation, protocols), 1e-6)
    if total > most:
        rule = f"all shares together are {total:.6g}; they must not exceed 1"
        yield Fault(("protocols", "NAME", "share"), rule)
    always = [each.spec for each in protocols.values() if each.spec is not None and each.operation.is_always_open]
    if rule := floors_above(most, {spec.name: spec.min_share for spec in always}, limits.groups):
        yield Fault(("protocols", "NAME", "min_share"), rule)


def _slack(reallocation: ReallocationConfig, protocols: Mapping[str, ProtocolSection]) -> float:
    return sum(each.operation.share_tolerance or reallocation.share_tolerance for each in protocols.values())


def _unknown_in_rules(limits: Limits, protocols: Collection[str]) -> Iterator[Fault]:
    """Rules name protocols or groups that there are, and not both by one name."""
    groups = [group.name for group in limits.groups]
    for i, rule in enumerate(limits.rules):
        for name in rule.coefficients:
            if name not in protocols and name not in groups:
                hint = near_miss(name, [*protocols, *groups])
                yield Fault(("limits", "rules", i), f"there is no {_clean(name)!r}; {hint}")
            elif name in protocols and name in groups:
                yield Fault(("limits", "rules", i), f"{_clean(name)!r} is a protocol and a group; rename the group")


def _clean(text: str) -> str:
    return redact(text, MOST_SHOWN)
