"""reallot decides where shared capacity should earn next, with a certificate and in words.

Say what you have (`AllocationProblem`, `ProtocolSpec`, `EarningsCurve`, `Limits`; or `read_problem` from a file),
decide (`allocate`), ask why (`explain`), look inside (`formulate`, `solve`, `certify`).
"""

from .allocate import allocate
from .allocation import Allocation, Move, Price
from .errors import Infeasible, InvalidInput, ReallotError, SolverFailed
from .explain import Explanation, explain
from .files import problem_from_dict, problem_from_frame, problem_to_dict, read_problem
from .formulation import formulate
from .frontier import frontier
from .problem import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
)
from .program import Certificate, LinearProgram, Solution, Status, certify
from .solvers import solve
from .solvers.batch import BatchResult, BatchStatus, allocate_many

__version__ = "0.1.0"

__all__ = [
    "Allocation",
    "AllocationProblem",
    "BatchResult",
    "BatchStatus",
    "CVaR",
    "Certificate",
    "EarningsCurve",
    "Explanation",
    "Group",
    "Infeasible",
    "InvalidInput",
    "Limits",
    "LinearProgram",
    "LockIn",
    "Move",
    "Price",
    "ProtocolSpec",
    "RateUncertainty",
    "ReallotError",
    "Scenarios",
    "Solution",
    "SolverFailed",
    "Status",
    "allocate",
    "allocate_many",
    "certify",
    "explain",
    "formulate",
    "frontier",
    "problem_from_dict",
    "problem_from_frame",
    "problem_to_dict",
    "read_problem",
    "solve",
]
