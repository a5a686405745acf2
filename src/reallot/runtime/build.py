"""From a configuration to the parts that run: adapters, coordinator, optimizer, engine, monitor, ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from ..adapters.combined import CombinedAdapter
from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock, ManualClock, SystemClock
from ..engine.contracts.configs import Mode, MonitorConfig
from ..engine.contracts.records import AggregatedMetrics, Alert
from ..engine.contracts.secrets import redact
from ..engine.execution.adapter_calls import only_reads
from ..engine.execution.orphaned import holders
from ..engine.ledger.folder import Ledger, open_ledger
from ..engine.ledger.history_place import HistoryPlace, keep_place
from ..engine.ledger.history_store import HistoryStore
from ..engine.monitoring.alert_conditions import JUMP
from ..engine.planning.learned_curves import KEPT
from ..engine.planning.quotes import Payment
from ..errors import ConfigurationError, DataError, InvalidInput, ReallotError, how_to_install
from ..orchestration.coordinator import ProtocolCoordinator
from ..orchestration.monitor import RealtimeMonitor
from ..orchestration.optimizer import EarningsOptimizer
from ..orchestration.reallocation import ReallocationEngine
from ..text.numbers import usd
from .availability import Availability
from .config import Config, ProtocolSection
from .restore import polls
from .shared_settings import BuildPlace

LOW_PERCENT = 50.0
"""Percent of the median of their last day, below which earnings are low where the configuration does not say."""


@dataclass
class Parts:
    """All that a cycle needs.

    alarms  alerts that the engine raised and nobody has told yet, and those that are over, in order
    notes   what somebody who starts this should know
    availability
            who may hold nothing now; None where everybody always may
    """

    config: Config
    clock: Clock
    ledger: Ledger
    coordinator: ProtocolCoordinator
    optimizer: EarningsOptimizer
    engine: ReallocationEngine
    monitor: RealtimeMonitor
    alarms: list[Alert] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    availability: Availability | None = None

    @property
    def mode(self) -> Mode:
        """How far the engine goes."""
        return self.engine.config.mode

    async def close(self) -> None:
        """Closes adapters, engine and ledger; again is harmless."""
        if self.availability is not None:
            await self.availability.close()
        await self.coordinator.close()
        self.engine.close()
        self.ledger.close()


def build(
    config: Config,
    *,
    simulate: bool = False,
    mode: Mode | None = None,
    ledger: str | Path | None = None,
    clock: Clock | None = None,
) -> Parts:
    """The parts of a configuration. Raises ConfigurationError, and DataError where another engine has the ledger.

    simulate  time is moved by hand: every adapter has to be simulated or a replay
    mode      in place of the configured one
    ledger    a folder in place of the configured one

    What the ledger knows is learned from: holds go on, rates are known, simulated shares are as they were left. What a
    protocol may have that is not configured any more stays taken. A server that keeps the readings may be down: they
    wait for it, up to a bound.
    """
    if simulate:
        real = [name for name, section in config.protocols.items() if not section.simulates]
        if real:
            raise ConfigurationError(
                f"{config.source}: {', '.join(real)} cannot run in simulated time; only simulated and replay can"
            )
    opened = open_ledger(ledger if ledger is not None else config.ledger_folder, history=_history(config))
    try:
        return parts_of(config, opened, simulate=simulate, mode=mode, clock=clock)
    except BaseException:
        opened.close()
        raise


def parts_of(
    config: Config,
    ledger: Ledger,
    *,
    simulate: bool = False,
    mode: Mode | None = None,
    clock: Clock | None = None,
    kept: Mapping[str, ProtocolAdapter] | None = None,
) -> Parts:
    """The same on a ledger that is open; `kept` are adapters that stand already. Raises ConfigurationError."""
    notes = [*ledger.notes, *_note_place(config, ledger)]
    if clock is None:
        clock = ManualClock(_begin(config, ledger, notes)) if simulate else SystemClock()
    power = config.power_cost
    availability, polled = availability_of(config, clock), config.coordinator
    coordinator = ProtocolCoordinator(
        polled.max_history_size,
        clock=clock,
        power=power,
        away=None if availability is None else availability.away,
        most_jump=polled.most_jump,
    )
    known, stand = ledger.journal.committed(), kept or {}
    for name, section in config.protocols.items():
        place = BuildPlace(clock, clock.now(), config.folder, config.simulation.seed, known.get(name))
        adapter = stand[name] if name in stand else adapter_of(config, name, section, place)
        coordinator.register_adapter(name, adapter)
    missing = ledger.journal.standing(1).names.difference(config.protocols)
    if missing:
        for name, removed in holders(ledger.journal, missing, config.reallocation.share_tolerance).items():
            coordinator.register_adapter(name, removed)
    rules = config.reallocation if mode is None else config.reallocation.model_copy(update={"mode": mode})
    specs = {name: section.spec for name, section in config.protocols.items() if section.spec is not None}
    said = {name: section.operation for name, section in config.protocols.items()}
    slack = {name: each.share_tolerance for name, each in said.items() if each.share_tolerance is not None}
    acts, limits = rules.mode in (Mode.CONFIRM, Mode.AUTOMATIC), config.limits
    fixed = [name for name in config.protocols if acts and only_reads(coordinator.adapters[name])]
    if fixed:
        limits = replace(limits, held={*fixed, *(name for name in limits.held if limits.held_until(name, 1))})
    optimizer = EarningsOptimizer(
        config.optimizer,
        specs=specs,
        limits=limits,
        clock=clock,
        power=power,
        settle={name: each.settle.total_seconds() for name, each in said.items() if each.settle is not None},
    )
    optimizer.rules = replace(optimizer.rules, first_moves=not acts)
    alarms: list[Alert] = []

    def over(key: str) -> None:
        now = clock.now()
        alarms.append(Alert(key=key, message=key, severity=0.0, timestamp=now, recovered_at=now))

    engine = ReallocationEngine(rules, ledger=ledger, clock=clock, on_alert=alarms.append, on_recovered=over)
    engine.next_best = optimizer.next_best
    engine.rules = replace(engine.rules, own=slack)
    monitor = RealtimeMonitor(monitoring(config.monitor), clock=clock, changes=engine)
    if availability is not None:
        engine.away = availability.away
        unset = availability.without(engine.fixed_protocols(coordinator.adapters))
        notes += [
            f"{name}: its hours and its busy_command count for nothing: no adapter sets its share" for name in unset
        ]
    return Parts(config, clock, ledger, coordinator, optimizer, engine, monitor, alarms, notes, availability)


def monitoring(asked: MonitorConfig) -> MonitorConfig:
    """As asked; without a threshold, earnings are low below a part (half) of the operator's own usual ones."""
    if "low_earnings_threshold" in asked.model_fields_set:
        return asked
    part = asked.low_earnings_percent or LOW_PERCENT
    return asked.model_copy(update={"low_earnings_threshold": None, "low_earnings_percent": part})


async def remember(parts: Parts) -> int:
    """Learns from the polls that the ledger still has of the optimizer's window; returns how many there were.

    Where curves are learned, it is from as long as they are remembered. Readings from the future are noted.
    """
    now, count = parts.clock.now(), 0
    for metrics in learned(parts):
        await parts.monitor.update_snapshot(metrics)
        count += 1
    last = parts.ledger.history.last()
    if last is not None and last > now + parts.config.coordinator.every:
        future = f"readings up to {last:%Y-%m-%d %H:%M} UTC are from the future of this clock"
        parts.notes.append(f"{future}: they are kept, and not used before then")
    return count


def availability_of(config: Config, clock: Clock) -> Availability | None:
    """Who may hold nothing now; None where no protocol has hours or a busy command."""
    operations = {name: each.operation for name, each in config.protocols.items()}
    limited = {name: each for name, each in operations.items() if each.hours or each.busy_command}
    return Availability(limited, config.power.time_zone, clock) if limited else None


def learned(parts: Parts) -> Iterator[AggregatedMetrics]:
    """The polls of the optimizer's window that the ledger has, oldest first, learned from; raises DataError."""
    now, asked, power = parts.clock.now(), parts.config.optimizer, parts.config.power_cost
    parts.optimizer.paid = {name: Payment(*each) for name, each in parts.ledger.journal.quotes().items()}
    books = parts.ledger.journal.books()
    if books is not None and parts.optimizer.resume(books) and books.spent > 0.0:
        lost = f"moves cost {usd(books.spent)} USD and brought {usd(books.gained)} USD more than never moving"
        parts.notes.append(f"the regret budget goes on where it was at {books.until:%Y-%m-%d %H:%M} UTC: {lost}")
    window = timedelta(hours=asked.analysis_window_hours)
    for metrics in polls(parts.ledger.history, now - (window if asked.curves == "given" else max(window, KEPT)), now):
        parts.optimizer.update_metrics(metrics)
        parts.coordinator.remember(metrics if power is None else power.gross(metrics))
        yield metrics
    still = [alert for alert in parts.ledger.journal.alerts() if alert.recovered_at is None]
    unseen = {alert.key for alert in still if not alert.acknowledged}
    parts.monitor.seen_before({alert.key for alert in still if alert.acknowledged})
    for name in parts.config.protocols:
        if f"{JUMP}:{name}" not in unseen:
            parts.coordinator.accept(name)


def _history(config: Config) -> HistoryStore | None:
    """Where the readings go, if not into the ledger's folder."""
    if config.ledger.history_env is None:
        return None
    try:
        from ..engine.ledger.postgres_history import PostgresHistory

        return PostgresHistory(config.ledger.history_env, schema=config.ledger.history_schema)
    except ImportError as error:
        told = f"it needs the library {error.name}: {how_to_install('postgres')}"
    except ReallotError as error:
        told = redact(str(error))
    raise ConfigurationError(f"{config.source}: [ledger] history_env: {told}")


def _note_place(config: Config, ledger: Ledger) -> list[str]:
    """Notes in the ledger's folder where its readings are; returns why that could not be done, where so."""
    if ledger.folder is None:
        return []
    variable, schema = config.ledger.history_env, config.ledger.history_schema
    try:
        keep_place(ledger.folder, None if variable is None else HistoryPlace(variable, schema))
    except DataError as error:
        return [f"reports will not find the readings: {error}"]
    return []


def _begin(config: Config, ledger: Ledger, notes: list[str]) -> datetime:
    """Where simulated time begins: after all that the ledger knows of, or its last plan where no reading is known."""
    plans = ledger.journal.last_moves(1)
    last = plans[0].wall if plans else None
    try:
        last = ledger.history.last() or last
    except DataError as error:
        notes.append(f"simulated time begins after the last plan, not after readings that cannot be read: {error}")
    begin = config.simulation.start
    return begin if last is None else max(begin, last + config.coordinator.every)


def adapter_of(config: Config, name: str, section: ProtocolSection, place: BuildPlace) -> ProtocolAdapter:
    """One protocol's adapter; raises ConfigurationError, naming its table."""
    where = f"[protocols.{name}]"
    try:
        reader = section.reader.build(name, section.spec, place)
        if section.actor is None:
            return reader
        where = f"[protocols.{name}.actor]"
        return CombinedAdapter(name, reader, section.actor.build(name, section.spec, place))
    except (ConfigurationError, InvalidInput) as error:
        told = redact(str(error)).removeprefix(f"{name}: ")
    except ImportError as error:
        told = f"its adapter needs the library {error.name}: {how_to_install('http')}"
    except ReallotError as error:
        told = redact(str(error))
    raise ConfigurationError(f"{config.source}: {where} {told}")


async def close_quietly(parts: Parts) -> None:
    """Closes everything at the end of a run that has said all it has to say."""
    with suppress(ReallotError):
        await parts.close()
