"""reallot decides where shared capacity should earn next, with a certificate and in words.

Say what you have (`AllocationProblem`, `ProtocolSpec`, `EarningsCurve`, `Limits`; or `read_problem` from a file),
decide (`allocate`), ask why (`explain`), look inside (`formulate`, `solve`, `certify`).
"""

from typing import TYPE_CHECKING, Any

from .allocation.allocate import allocate
from .allocation.explain import Explanation, explain
from .allocation.frontier import frontier
from .allocation.moves import Move
from .allocation.result import Allocation
from .allocation.session import Session, session
from .allocation.shadow_prices import Price
from .allocation.what_if import what_if
from .backtest import backtest  # not late: importing the room would put the room in place of its function
from .errors import (
    CalculationError,
    ConfigurationError,
    CoordinationError,
    DataError,
    ErrorKind,
    Infeasible,
    InvalidInput,
    MonitoringError,
    OptimizationError,
    OrchestrationError,
    ProtocolError,
    ReallocationError,
    ReallotError,
    SolverFailed,
)
from .formulation import formulate
from .problem import (
    AllocationProblem,
    CDaR,
    Closest,
    CVaR,
    EarningsCurve,
    End,
    Goal,
    Group,
    Largest,
    Limits,
    LinearRule,
    LockIn,
    Near,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    ShortfallChance,
    Soft,
    Tiers,
    WorstCase,
)
from .program import Certificate, LinearProgram, Solution, Status, certify
from .solvers import solve

if TYPE_CHECKING:
    from . import plots
    from .adapters.replay import ReplayAdapter, replay_adapters
    from .adapters.simulated import SimulatedAdapter
    from .allocation.batch import BatchResult, allocate_many
    from .allocation.fleet.allocate import allocate_fleet
    from .allocation.fleet.fleet import Fleet
    from .allocation.fleet.limits import FleetLimits
    from .allocation.fleet.plan import FleetPlan
    from .backtest.hindsight import hindsight
    from .backtest.result import Backtest
    from .backtest.settings import Setting
    from .backtest.sweep import sweep
    from .engine.contracts.adapter import Capabilities, ProtocolAdapter
    from .engine.contracts.clock import ManualClock
    from .engine.contracts.configs import Mode, MonitorConfig, OptimizerConfig, ReallocationConfig
    from .engine.contracts.records import (
        AggregatedMetrics,
        Alert,
        AllocationChange,
        AllocationPlan,
        OptimizationOpportunity,
        ProtocolStatus,
        ResourceUtilization,
        SeriesKind,
    )
    from .engine.contracts.reports import DashboardSnapshot, PerformanceReport
    from .engine.ledger.folder import open_ledger
    from .orchestration.coordinator import ProtocolCoordinator
    from .orchestration.cycle import cycles, run_cycle
    from .orchestration.monitor import RealtimeMonitor
    from .orchestration.optimizer import EarningsOptimizer
    from .orchestration.reallocation import ReallocationEngine
    from .policy.base import Observation, Policy, Target, Values
    from .policy.forecast.bands import BandForecaster
    from .policy.forecast.curves import CurveLearner
    from .policy.regret_budget import RegretBudget
    from .policy.reliability import reliability
    from .problem.files import problem_from_dict, problem_from_frame, problem_to_dict, read_problem
    from .solvers.single_period.batch import BatchStatus
    from .testing.adapters import check_adapter

__version__ = "0.1.0"

__all__ = [
    "AggregatedMetrics",
    "Alert",
    "Allocation",
    "AllocationChange",
    "AllocationPlan",
    "AllocationProblem",
    "Backtest",
    "BandForecaster",
    "BatchResult",
    "BatchStatus",
    "CDaR",
    "CVaR",
    "CalculationError",
    "Capabilities",
    "Certificate",
    "Closest",
    "ConfigurationError",
    "CoordinationError",
    "CurveLearner",
    "DashboardSnapshot",
    "DataError",
    "EarningsCurve",
    "EarningsOptimizer",
    "End",
    "ErrorKind",
    "Explanation",
    "Fleet",
    "FleetLimits",
    "FleetPlan",
    "Goal",
    "Group",
    "Infeasible",
    "InvalidInput",
    "Largest",
    "Limits",
    "LinearProgram",
    "LinearRule",
    "LockIn",
    "ManualClock",
    "Mode",
    "MonitorConfig",
    "MonitoringError",
    "Move",
    "Near",
    "Observation",
    "OptimizationError",
    "OptimizationOpportunity",
    "OptimizerConfig",
    "OrchestrationError",
    "PerformanceReport",
    "Policy",
    "Price",
    "ProtocolAdapter",
    "ProtocolCoordinator",
    "ProtocolError",
    "ProtocolSpec",
    "ProtocolStatus",
    "RateUncertainty",
    "ReallocationConfig",
    "ReallocationEngine",
    "ReallocationError",
    "ReallotError",
    "RealtimeMonitor",
    "RegretBudget",
    "ReplayAdapter",
    "ResourceUtilization",
    "Scenarios",
    "SeriesKind",
    "Session",
    "Setting",
    "ShortfallChance",
    "SimulatedAdapter",
    "Soft",
    "Solution",
    "SolverFailed",
    "Status",
    "Target",
    "Tiers",
    "Values",
    "WorstCase",
    "allocate",
    "allocate_fleet",
    "allocate_many",
    "backtest",
    "certify",
    "check_adapter",
    "cycles",
    "explain",
    "formulate",
    "frontier",
    "hindsight",
    "open_ledger",
    "plots",
    "problem_from_dict",
    "problem_from_frame",
    "problem_to_dict",
    "read_problem",
    "reliability",
    "replay_adapters",
    "run_cycle",
    "session",
    "solve",
    "sweep",
    "what_if",
]

_LATE = {
    "AggregatedMetrics": "engine.contracts.records",
    "Alert": "engine.contracts.records",
    "AllocationChange": "engine.contracts.records",
    "AllocationPlan": "engine.contracts.records",
    "Backtest": "backtest.result",
    "BandForecaster": "policy.forecast.bands",
    "BatchResult": "allocation.batch",
    "BatchStatus": "solvers.single_period.batch",
    "Capabilities": "engine.contracts.adapter",
    "CurveLearner": "policy.forecast.curves",
    "DashboardSnapshot": "engine.contracts.reports",
    "EarningsOptimizer": "orchestration.optimizer",
    "Fleet": "allocation.fleet.fleet",
    "FleetLimits": "allocation.fleet.limits",
    "FleetPlan": "allocation.fleet.plan",
    "ManualClock": "engine.contracts.clock",
    "Mode": "engine.contracts.configs",
    "MonitorConfig": "engine.contracts.configs",
    "Observation": "policy.base",
    "OptimizationOpportunity": "engine.contracts.records",
    "OptimizerConfig": "engine.contracts.configs",
    "PerformanceReport": "engine.contracts.reports",
    "Policy": "policy.base",
    "ProtocolAdapter": "engine.contracts.adapter",
    "ProtocolCoordinator": "orchestration.coordinator",
    "ProtocolStatus": "engine.contracts.records",
    "ReallocationConfig": "engine.contracts.configs",
    "ReallocationEngine": "orchestration.reallocation",
    "RealtimeMonitor": "orchestration.monitor",
    "RegretBudget": "policy.regret_budget",
    "ReplayAdapter": "adapters.replay",
    "ResourceUtilization": "engine.contracts.records",
    "SeriesKind": "engine.contracts.records",
    "Setting": "backtest.settings",
    "SimulatedAdapter": "adapters.simulated",
    "Target": "policy.base",
    "Values": "policy.base",
    "allocate_fleet": "allocation.fleet.allocate",
    "allocate_many": "allocation.batch",
    "check_adapter": "testing.adapters",
    "cycles": "orchestration.cycle",
    "hindsight": "backtest.hindsight",
    "open_ledger": "engine.ledger.folder",
    "problem_from_dict": "problem.files",
    "problem_from_frame": "problem.files",
    "problem_to_dict": "problem.files",
    "read_problem": "problem.files",
    "reliability": "policy.reliability",
    "replay_adapters": "adapters.replay",
    "run_cycle": "orchestration.cycle",
    "sweep": "backtest.sweep",
}
"""Where names live that not everybody needs: they are imported when first asked for, to keep the start light."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "plots":  # a room that is public as it is
        return import_module(".plots", __name__)
    if name not in _LATE:
        raise AttributeError(f"module 'reallot' has no attribute {name!r}")
    value = getattr(import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
