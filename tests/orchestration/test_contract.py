"""The four parts against a table typed from the contract: names, arguments, defaults, which are awaited."""

from __future__ import annotations

import importlib
import inspect
from datetime import timedelta

import pytest

NONE = object()
"""An argument without a default."""

CLASSES = {
    "coordinator.ProtocolCoordinator": {"max_history_size": 1000},
    "optimizer.EarningsOptimizer": {"config": None},
    "reallocation.ReallocationEngine": {"config": None},
    "monitor.RealtimeMonitor": {"config": None},
}
"""What may be given by position, in order; further arguments are by name and have defaults."""

METHODS = """
coordinator.ProtocolCoordinator         register_adapter(protocol_name, adapter)
coordinator.ProtocolCoordinator   await poll_all()
coordinator.ProtocolCoordinator   await get_protocol_status(protocol_name)
coordinator.ProtocolCoordinator   await get_metrics_history()
coordinator.ProtocolCoordinator   await get_metrics_for_period(start, end)
optimizer.EarningsOptimizer             update_metrics(metrics)
optimizer.EarningsOptimizer             analyze_opportunities(metrics)
optimizer.EarningsOptimizer             calculate_optimal_allocation(metrics, *, held=())
optimizer.EarningsOptimizer             should_reallocate(opportunities, current_plan=None)
optimizer.EarningsOptimizer             estimate_earnings_improvement(new_allocation, earnings_rates)
reallocation.ReallocationEngine   await execute_reallocation(plan, adapters)
reallocation.ReallocationEngine   await can_reallocate()
reallocation.ReallocationEngine   await rollback_allocation(adapters)
reallocation.ReallocationEngine   await get_reallocation_history()
reallocation.ReallocationEngine   await get_recent_reallocations(hours)
reallocation.ReallocationEngine         estimate_reallocation_cost(protocol_count)
monitor.RealtimeMonitor           await get_dashboard_metrics(metrics, optimal_allocation, opportunities)
monitor.RealtimeMonitor           await check_alerts(metrics, opportunities)
monitor.RealtimeMonitor           await generate_report(period_start, period_end)
monitor.RealtimeMonitor           await get_earnings_trends(hours)
monitor.RealtimeMonitor           await get_alert_history()
monitor.RealtimeMonitor           await acknowledge_alert(alert_timestamp)
monitor.RealtimeMonitor           await cleanup_old_data(retention_days)
monitor.RealtimeMonitor           await update_snapshot(metrics)
"""

CONFIGS = {
    "OptimizerConfig": {
        "min_improvement_threshold": 0.25,
        "min_improvement_percent": 5.0,
        "max_allocation_change": 0.20,
        "analysis_window_hours": 24,
    },
    "ReallocationConfig": {
        "min_hold_duration": timedelta(hours=1),
        "max_per_hour": 4,
        "auto_rollback": True,
        "require_confirmation": False,
    },
    "MonitorConfig": {
        "low_earnings_threshold": 5.0,
        "optimization_threshold": 0.25,
        "connection_timeout": timedelta(minutes=5),
        "max_alerts": 1000,
    },
}

FIELDS = {
    "AggregatedMetrics": "timestamp total_earnings_per_hour earnings_by_protocol allocation_by_protocol "
    "resource_utilization connection_status",
    "AllocationPlan": "allocation estimated_improvement estimated_cost net_benefit roi_percent confidence created_at",
    "OptimizationOpportunity": "from_protocol to_protocol current_rate projected_rate earnings_improvement confidence "
    "complexity",
    "DashboardSnapshot": "timestamp total_earnings_per_hour earnings_by_protocol current_allocation "
    "optimal_allocation optimization_opportunity next_reallocation_in connection_status recent_changes",
    "ProtocolStatus": "protocol connected earnings_per_hour allocation utilization observed_at source_time error",
    "Alert": "message severity timestamp acknowledged",
    "AllocationChange": "timestamp protocol before after",
    "PerformanceReport": "period_start period_end total_earnings",
    "ResourceUtilization": "cpu memory disk bandwidth gpu",
}

ERRORS = [
    "Coordination",
    "Optimization",
    "Reallocation",
    "Monitoring",
    "Protocol",
    "Configuration",
    "Data",
    "Calculation",
]


def part(path: str) -> type:
    module, name = path.split(".")
    return getattr(importlib.import_module(f"reallot.orchestration.{module}"), name)


def by_position(call: object) -> dict[str, object]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [each for each in inspect.signature(call).parameters.values() if each.kind in kinds and each.name != "self"]
    return {each.name: NONE if each.default is inspect.Parameter.empty else each.default for each in given}


def by_name(call: object) -> dict[str, object]:
    every = inspect.signature(call).parameters.values()
    return {each.name: each.default for each in every if each.kind is inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("path", CLASSES)
def test_a_part_is_made_as_the_contract_says(path):
    made = part(path)
    assert by_position(made.__init__) == CLASSES[path]
    assert inspect.Parameter.empty not in by_name(made.__init__).values()


@pytest.mark.parametrize("line", METHODS.strip().splitlines(), ids=lambda line: line.split("(")[0].split()[-1])
def test_a_method_is_called_as_the_contract_says(line):
    before, _, arguments = line.partition("(")
    path, *awaited, name = before.split()
    method = getattr(part(path), name)
    assert inspect.iscoroutinefunction(method) == bool(awaited)
    positional, _, named = arguments.rstrip(")").partition("*, ")
    expected = [argument.strip().rstrip(",") for argument in positional.split(", ") if argument.strip(" ,")]
    table = dict((each.split("=") if "=" in each else (each, NONE)) for each in expected)
    assert by_position(method) == {key: None if value == "None" else value for key, value in table.items()}
    found = by_name(method)
    assert inspect.Parameter.empty not in found.values()
    if named:
        assert found == {"held": ()}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_has_the_defaults_of_the_contract(name):
    config = getattr(importlib.import_module("reallot.engine.contracts.configs"), name)()
    assert {key: getattr(config, key) for key in CONFIGS[name]} == CONFIGS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_a_record_has_every_field_of_the_contract(name):
    record = getattr(importlib.import_module("reallot"), name)
    assert set(FIELDS[name].split()) <= set(record.model_fields)


@pytest.mark.parametrize("name", ERRORS)
def test_every_kind_of_error_is_an_orchestration_error(name):
    errors = importlib.import_module("reallot.errors")
    assert issubclass(getattr(errors, f"{name}Error"), errors.OrchestrationError)
