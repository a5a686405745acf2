"""What is decided: frozen records over numpy; no solver, no clock, no input or output."""

from .curve import EarningsCurve
from .limits import Group, Limits
from .linear_rule import LinearRule
from .problem import AllocationProblem
from .protocol import LockIn, ProtocolSpec
from .risk import CVaR, RateUncertainty, Scenarios
from .tiers import Tiers

__all__ = [
    "AllocationProblem",
    "CVaR",
    "EarningsCurve",
    "Group",
    "Limits",
    "LinearRule",
    "LockIn",
    "ProtocolSpec",
    "RateUncertainty",
    "Scenarios",
    "Tiers",
]
