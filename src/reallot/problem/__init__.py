"""What is decided: frozen records over numpy; no solver, no clock, no input or output."""

from .curve import EarningsCurve
from .end import End
from .goal import Closest, Goal, Near
from .largest import Largest
from .limits import Group, Limits
from .linear_rule import LinearRule
from .problem import AllocationProblem
from .protocol import LockIn, ProtocolSpec
from .risk import CDaR, CVaR, RateUncertainty, Scenarios, ShortfallChance, WorstCase
from .soft import Soft
from .tiers import Tiers

__all__ = [
    "AllocationProblem",
    "CDaR",
    "CVaR",
    "Closest",
    "EarningsCurve",
    "End",
    "Goal",
    "Group",
    "Largest",
    "Limits",
    "LinearRule",
    "LockIn",
    "Near",
    "ProtocolSpec",
    "RateUncertainty",
    "Scenarios",
    "ShortfallChance",
    "Soft",
    "Tiers",
    "WorstCase",
]
