"""What is decided: frozen records over numpy; no solver, no clock, no input or output."""

from .curve import EarningsCurve
from .goal import Closest, Goal, Near
from .limits import Group, Limits
from .linear_rule import LinearRule
from .problem import AllocationProblem
from .protocol import LockIn, ProtocolSpec
from .risk import CVaR, RateUncertainty, Scenarios
from .soft import Soft
from .tiers import Tiers

__all__ = [
    "AllocationProblem",
    "CVaR",
    "Closest",
    "EarningsCurve",
    "Goal",
    "Group",
    "Limits",
    "LinearRule",
    "LockIn",
    "Near",
    "ProtocolSpec",
    "RateUncertainty",
    "Scenarios",
    "Soft",
    "Tiers",
]
