"""The same step through other libraries, each used as well as we know how, against allocate() the whole way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from ..quiet import quiet
from ..race import Contender, Row, race
from ..step import Step, allocations
from . import arrays, modelling, portfolios

SIZES = (20, 200, 2_000)
VARIANTS = 4
TOLERANCE = 1e-6
"""Solvers keep each row and bound to 1e-7 or 1e-8 (CBC writes eight digits); several of them add up in a share."""
ONE_ROW = 1e-7
"""HiGHS's own tolerance, where shares follow from bounds and one row."""


@dataclass(frozen=True)
class Peer:
    """One way through another library.

    package    what has to be installed
    make       step to the function that is timed; what can be kept between steps is made here
    tolerance  what its shares may break a rule by, and its objective be off by
    note       what is timed and what differs
    is_named   True where the figures ask for it
    """

    name: str
    package: str
    make: Callable[[Step], arrays.Answer]
    tolerance: float
    note: str
    is_named: bool = True

    def contender(self, step: Step) -> Contender:
        """Timed on `step`; shares a little off their bounds and sum count, as far as the tolerance goes."""
        return Contender(
            self.name,
            self.note,
            self.make(step),
            lambda k, shares: step.worth(k, shares, self.tolerance),
            self.tolerance,
        )


PEERS = (
    Peer(
        "cvxpy, HiGHS",
        "cvxpy",
        modelling.cvxpy_highs,
        TOLERANCE,
        "kept problem, rates and current shares as parameters; variables with bounds, no absolute values",
    ),
    Peer(
        "cvxpy, Clarabel",
        "cvxpy",
        modelling.cvxpy_clarabel,
        TOLERANCE,
        "kept problem, rates and current shares as parameters; written with absolute values",
    ),
    Peer(
        "cvxportfolio",
        "cvxportfolio",
        portfolios.cvxportfolio,
        TOLERANCE,
        "SinglePeriodOptimization kept and asked for weights (Clarabel); cash is one more place, held at 0; "
        "its forecasts, market data and simulator are left out",
    ),
    Peer(
        "skfolio",
        "skfolio",
        portfolios.skfolio,
        TOLERANCE,
        "MeanRisk with MAXIMIZE_RETURN, fitted anew (Clarabel); max_turnover is its limit for each asset; "
        "the prior hands over what it is given and the risk measure is the cheapest, as neither counts here",
    ),
    Peer(
        "linopy, HiGHS",
        "linopy",
        modelling.linopy_highs,
        TOLERANCE,
        "kept model, objective and right-hand side set anew, passed to HiGHS without a file",
    ),
    Peer(
        "Pyomo, HiGHS",
        "pyomo",
        modelling.pyomo_highs,
        TOLERANCE,
        "kept model, mutable parameters, persistent appsi_highs told that nothing else changes",
    ),
    Peer("PuLP, CBC", "pulp", modelling.pulp_cbc, TOLERANCE, "built and solved anew", is_named=False),
    Peer(
        "PuLP, HiGHS", "pulp", modelling.pulp_highs, TOLERANCE, "built and solved anew, in this process", is_named=False
    ),
    Peer(
        "linprog",
        "scipy",
        arrays.linprog_natural,
        TOLERANCE,
        "one call; shares, ups and downs as columns, the sparse matrix is there already",
        is_named=False,
    ),
    Peer(
        "linprog, one row",
        "scipy",
        arrays.linprog_compact,
        ONE_ROW,
        "one call at its best: one row over what is bought and sold, presolve off",
        is_named=False,
    ),
    Peer(
        "highspy, one row",
        "highspy",
        arrays.highspy_compact,
        ONE_ROW,
        "arrays to shares: one row over what is bought and sold, presolve off, a new object each time",
        is_named=False,
    ),
    Peer(
        "highspy, one row, kept",
        "highspy",
        arrays.highspy_kept,
        ONE_ROW,
        "the same model kept: new costs, bounds and right-hand side, the last basis as the start",
        is_named=False,
    ),
)
NAMED = frozenset(peer.name for peer in PEERS if peer.is_named)
"""Those of which the figures say: ahead of all."""


def missing() -> list[str]:
    """Packages of peers that are not installed here."""
    return sorted({peer.package for peer in PEERS if find_spec(peer.package) is None})


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Every installed peer at every size."""
    rows = []
    here = [peer for peer in PEERS if find_spec(peer.package) is not None]
    for size in SIZES[:1] if smoke else SIZES:
        step = Step.of(size, VARIANTS)
        with quiet():
            theirs = [peer.contender(step) for peer in here]
            rows += race("peers", f"n = {size:,}", allocations(step), theirs, variants=VARIANTS, repeats=repeats)
    return rows
