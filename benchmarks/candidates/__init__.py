"""Candidates for a better default where moves are dear: each a policy of its own, none of them shipped.

Each has one setting, fixed before anything was run. `runs` compares them with the default, `tables` prints the result.
"""

from __future__ import annotations

from collections.abc import Callable

from reallot.policy.base import Policy
from reallot.policy.registry import policy

from . import competitive, fitted_q, robust, scenarios

DEFAULT = "replay"
CANDIDATES: dict[str, Callable[[], Policy]] = {
    DEFAULT: lambda: policy(DEFAULT),
    "fitted Q-iteration in the bank": fitted_q.made,
    "scenarios of past errors in the bank": scenarios.made,
    "Huber's loss in the ridge": robust.made,
    "combined with the work function (MTS)": competitive.made,
}
"""By name, the default first."""
