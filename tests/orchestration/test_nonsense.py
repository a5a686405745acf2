"""Every public call of the engine's parts answers nonsense with an error of the library, in its own words."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reallot import (
    AllocationPlan,
    ConfigurationError,
    EarningsOptimizer,
    MonitorConfig,
    OptimizerConfig,
    ProtocolCoordinator,
    ProtocolStatus,
    ReallocationConfig,
    ReallocationEngine,
    ReallocationError,
    ReallotError,
    RealtimeMonitor,
    SimulatedAdapter,
    open_ledger,
    run_cycle,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
NONSENSE = {
    "none": None,
    "number": 1,
    "huge": 10**400,
    "nan": float("nan"),
    "text": "x",
    "truth": True,
    "list": [],
    "list of none": [None],
    "table": {"a": None},
    "table by number": {1: 2},
    "object": object(),
    "naive": datetime(2026, 1, 1),
    "first": datetime.min.replace(tzinfo=UTC),
    "last": datetime.max.replace(tzinfo=UTC),
    "ago": timedelta(days=-1),
}
PARTS = ("coordinator", "optimizer", "engine", "monitor")


def parts() -> dict[str, Any]:
    coordinator = ProtocolCoordinator()
    for name, rate in {"a": 1.0, "b": 2.0}.items():
        coordinator.register_adapter(name, SimulatedAdapter(name, rate, share=0.5))
    return dict(zip(PARTS, (coordinator, EarningsOptimizer(), ReallocationEngine(), RealtimeMonitor()), strict=True))


def right(made: dict[str, Any], metrics: Any, plan: Any) -> dict[str, Any]:
    """A right value for each parameter by its name."""
    adapters = made["coordinator"].adapters
    return {
        **dict.fromkeys(("metrics", "current_metrics"), metrics),
        **dict.fromkeys(("plan", "current_plan"), plan),
        **dict.fromkeys(("start", "period_start", "until", "alert_timestamp"), AT),
        **dict.fromkeys(("end", "period_end"), AT + timedelta(days=1)),
        **dict.fromkeys(("hours", "retention_days", "count", "protocol_count"), 1),
        **{name: {"a": 0.5, "b": 0.5} for name in ("optimal_allocation", "new_allocation", "shares")},
        **dict.fromkeys(("held", "refused", "names", "opportunities"), ()),
        "protocol_name": "a",
        "adapter": SimulatedAdapter("z", 1.0),
        "adapters": adapters,
        "plan_id": "x",
        "earnings_rates": {"a": 1.0, "b": 1.0},
        "before": ProtocolCoordinator(),
        "alert": "x",
        "key": "k",
        "severity": 0.5,
        "config": MonitorConfig(),
    }


async def asked(call: Any, *given: Any, **named: Any) -> None:
    """Passes where it answers, or raises an error of the library that says nothing of pydantic's."""
    try:
        answer = call(*given, **named)
        if inspect.isawaitable(answer):
            await answer
    except ReallotError as error:
        assert "validation error" not in str(error) and "pydantic" not in str(error)


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("part", PARTS)
def test_every_method_answers_nonsense_in_each_place(part: str, value: object):
    async def run() -> None:
        made = parts()
        metrics = await made["coordinator"].poll_all()
        plan = made["optimizer"].calculate_optimal_allocation(metrics)
        calls = [(name, each) for name, each in inspect.getmembers(made[part], callable) if not name.startswith("_")]
        assert len(calls) > 6
        for _, call in calls:
            takes = [each for each in inspect.signature(call).parameters.values() if each.name != "limits"]
            known = right(made, metrics, plan)
            for one in takes:
                needed = [each.name for each in takes if each.default is inspect.Parameter.empty]
                await asked(call, **{name: known[name] for name in needed if name != one.name}, **{one.name: value})

    asyncio.run(run())


@pytest.mark.parametrize("count", [-1, True, 1.0, 1e9, "3", None])
def test_a_number_of_changes_is_a_whole_number_from_0_on(count: object):
    with pytest.raises(ReallocationError, match="give how many changes, a whole number"):
        asyncio.run(ReallocationEngine().get_newest_reallocations(count))
    assert asyncio.run(ReallocationEngine().get_newest_reallocations(10**400)) == []


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_what_makes_the_parts_and_runs_them_answers_nonsense(value: object, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        for make in (ProtocolCoordinator, EarningsOptimizer, ReallocationEngine, RealtimeMonitor, open_ledger):
            await asked(make, value)
        for place in range(4):
            given = list(parts().values())
            given[place] = value
            await asked(run_cycle, *given)

    asyncio.run(run())


@pytest.mark.parametrize("config", [OptimizerConfig, ReallocationConfig, MonitorConfig])
def test_a_setting_that_cannot_be_is_a_configuration_error_with_its_name_and_rule(config: type):
    for name in config.model_fields:
        with pytest.raises(ConfigurationError, match=f"^{config.__name__}: {name}"):
            config(**{name: object()})
    with pytest.raises(ConfigurationError, match=r"unknown key 'nope'"):
        config(nope=1)
    with pytest.raises(ValueError, match="must be"):
        config(**{next(iter(config.model_fields)): "x", "mode": "x"})


def test_a_record_that_cannot_be_says_which_field_and_why():
    with pytest.raises(ReallotError, match=r"^ProtocolStatus: allocation is 2; it must be less than or equal to 1"):
        ProtocolStatus(protocol="a", connected=True, earnings_per_hour=1.0, allocation=2, observed_at=AT)
    with pytest.raises(ReallotError, match=r"^AllocationPlan: allocation is missing"):
        AllocationPlan()  # type: ignore[call-arg]
