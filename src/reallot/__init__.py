"""reallot decides where shared capacity should earn next, with a certificate and in words.

Say what you have (`AllocationProblem`, `ProtocolSpec`, `EarningsCurve`, `Limits`; or `read_problem` from a file),
decide (`allocate`), ask why (`explain`), look inside (`formulate`, `solve`, `certify`).
"""

from typing import TYPE_CHECKING, Any

from .allocate import allocate
from .allocation import Allocation, Move, Price
from .errors import Infeasible, InvalidInput, ReallotError, SolverFailed
from .explain import Explanation, explain
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
from .session import Session, session
from .solvers import solve

if TYPE_CHECKING:
    from .files import problem_from_dict, problem_from_frame, problem_to_dict, read_problem
    from .many import BatchResult, allocate_many
    from .solvers.batch import BatchStatus

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
    "Session",
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
    "session",
    "solve",
]

_LATE = {
    "BatchResult": "many",
    "BatchStatus": "solvers.batch",
    "allocate_many": "many",
    "problem_from_dict": "files",
    "problem_from_frame": "files",
    "problem_to_dict": "files",
    "read_problem": "files",
}
"""Where names live that not everybody needs: they are imported when first asked for, to keep the start light."""


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'reallot' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
