"""A configuration that is read again while the engine runs: checked whole, then swapped between two cycles."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import fields, replace

from ..errors import DataError, ReallotError
from ..orchestration.coordinator import ProtocolCoordinator
from .build import Parts, learned, monitoring, parts_of
from .config import Config

FIXED = ("ledger", "simulation", "notify", "service")
"""Tables that a running engine keeps as they were at its start."""
SHARED = ("source", "folder", "protocols", "names_mode")


async def rebuilt(before: Parts, config: Config) -> tuple[Parts, list[str], list[str]]:
    """New parts, what of the configuration changed, and what of it was refused.

    Kept are the ledger, the engine with its state, the monitor with its alerts, and every protocol whose table is the
    same, with what was last read of it. Raises ConfigurationError, and then all is as before.
    """
    refused = [
        f"[{table}] {key}"
        for table in FIXED
        for key in type(getattr(config, table)).model_fields
        if getattr(getattr(config, table), key) != getattr(getattr(before.config, table), key)
    ]
    config = replace(config, **{table: getattr(before.config, table) for table in FIXED})
    changed = _changed(before.config, config)
    if not changed:
        return before, [], refused
    was, reused = before.config, before.coordinator.adapters
    alike = config.power_cost == was.power_cost and config.coordinator.most_jump == was.coordinator.most_jump
    same = {
        name
        for name, section in config.protocols.items()
        if alike and name in reused and was.protocols.get(name) == section
    }
    kept = {name: reused[name] for name in same}
    parts = parts_of(config, before.ledger, clock=before.clock, kept=kept)
    with suppress(DataError):
        deque(learned(parts), maxlen=0)
    parts.optimizer.paid = before.optimizer.payments
    parts.coordinator.inherit(before.coordinator, same)
    parts.engine.close()
    engine, monitor = before.engine, before.monitor
    engine.config, engine.rules, engine.next_best = parts.engine.config, parts.engine.rules, parts.engine.next_best
    engine.away = parts.engine.away
    monitor.reconfigure(monitoring(config.monitor))
    parts.notes = [note for note in parts.notes if note not in before.notes]
    await _close_others(before.coordinator, same)
    if before.availability is not None:
        await before.availability.close()
    return replace(parts, engine=engine, monitor=monitor, alarms=before.alarms), changed, refused


async def _close_others(coordinator: ProtocolCoordinator, kept: set[str]) -> None:
    with suppress(ReallotError):
        await coordinator.close(except_for=kept)


def _changed(before: Config, now: Config) -> list[str]:
    """Tables that are not as they were."""
    tables = [each.name for each in fields(Config) if each.name not in SHARED]
    found = [f"[{table}]" for table in tables if getattr(before, table) != getattr(now, table)]
    names = dict.fromkeys((*before.protocols, *now.protocols))
    return found + [f"[protocols.{name}]" for name in names if before.protocols.get(name) != now.protocols.get(name)]
