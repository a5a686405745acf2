"""How good a solution is, computed without trusting any solver: residuals, integrality, and a bound from row prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInput
from ..problem.validation import number_array, of_kind
from .blocks import FloatArray
from .linear_program import LinearProgram


@dataclass(frozen=True)
class Certificate:
    """Proof of one answer: its residuals, and its duality gap, the distance to a bound.

    Parameters
    ----------
    objective
        Objective of the point (USD over the horizon).
    worst_residual
        Largest violation of a row or bound, relative to the sizes in that row (at least 1).
    worst_place
        The row or bound with that violation.
    integrality
        Largest distance of an integer column from a whole number.
    bound
        Upper bound on the objective (USD): no feasible point is worth more. None where nothing is known.
    bound_from
        "row prices": weak duality, which trusts no solver. "branch and bound": the same in every branch over whole
        numbers. "fees": the search of the fee path. "claimed by ...": the word of that solver. "nothing".
    gap
        (bound - objective) / scale. None without a bound.
    scale
        USD that count as 1 in `gap`: the larger of abs(objective) and the gains at stake.
    tolerance
        Largest residual and integrality allowed.
    gap_tolerance
        Largest gap allowed.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate
    >>> proof = allocate(AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.5, "b": 0.5})).certificate
    >>> proof.is_optimal, proof.bound_from
    (True, 'row prices')
    """

    objective: float
    worst_residual: float
    worst_place: str
    integrality: float
    bound: float | None
    bound_from: str
    gap: float | None
    scale: float
    tolerance: float
    gap_tolerance: float

    @property
    def is_feasible(self) -> bool:
        """True where every row, bound and whole number holds within the tolerance."""
        return self.worst_residual <= self.tolerance and self.integrality <= self.tolerance

    @property
    def is_optimal(self) -> bool:
        """True where the point is feasible and its gap is known and within the tolerance."""
        return self.is_feasible and self.gap is not None and self.gap <= self.gap_tolerance

    def __str__(self) -> str:
        gap = "gap unknown" if self.gap is None else f"gap {self.gap:.1e} (bound from {self.bound_from})"
        return f"worst residual {self.worst_residual:.1e}, {gap}, tolerance {self.tolerance:.0e}"


def certify(
    program: LinearProgram,
    values: FloatArray,
    row_prices: FloatArray | None = None,
    *,
    claimed_bound: float | None = None,
    claimed_by: str = "solver",
    tolerance: float = 1e-9,
    gap_tolerance: float | None = None,
) -> Certificate:
    """Check a point of a linear program, and bound what any point could be worth.

    Parameters
    ----------
    program
        The program.
    values
        (columns,) the point.
    row_prices
        (rows,) dual values: gain in the objective for one more unit of each row's limit. Any numbers give a true bound,
        good ones a tight one.
    claimed_bound
        Upper bound that a solver claims (USD). It is used without row prices, or with integer columns.
    claimed_by
        The name under which the claim is written into `bound_from`.
    tolerance
        Largest residual and integrality allowed.
    gap_tolerance
        Largest gap allowed. None is `tolerance`.

    Returns
    -------
    Certificate
        Residuals, bound and gap.

    Raises
    ------
    InvalidInput
        Where `values` has another shape than the columns.

    Notes
    -----
    The bound is that of weak duality. For any y it is offset + y @ (the row limit that y points at) + the sum over
    columns of the best of (gain - matrix.T @ y) * x within the bounds of the column. Entries of y that point at an
    infinite limit are set to zero. Nothing that the solver says is believed.

    Examples
    --------
    >>> from reallot import AllocationProblem, certify, formulate, solve
    >>> program = formulate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5}))
    >>> solution = solve(program)
    >>> certify(program, solution.values, solution.row_prices).is_optimal
    True
    """
    of_kind(program, LinearProgram, "the program", "formulate(problem) makes one; certify(program, values)")
    values = number_array(values, "values")
    if values.shape != (program.column_count,):
        raise InvalidInput(f"values has shape {values.shape}; give one for each of {program.column_count} columns")
    objective = program.objective(values)
    residual, place = worst_residual(program, values)
    whole = values[program.integer]
    integrality = float(np.abs(whole - np.round(whole)).max(initial=0.0))
    scale = max(abs(objective), gain_scale(program), float(np.finfo(float).tiny))
    if program.is_mixed_integer or row_prices is None:
        bound, source = claimed_bound, claimed_by if claimed_bound is not None else "nothing"
    else:
        bound, source = dual_bound(program, row_prices), "row prices"
    gap = None if bound is None else max(0.0, bound - objective) / scale
    allowed = tolerance if gap_tolerance is None else gap_tolerance
    return Certificate(objective, residual, place, integrality, bound, source, gap, scale, tolerance, allowed)


def gain_scale(program: LinearProgram) -> float:
    """The largest gain one column can bring within a unit of its range: the size against which gaps are measured."""
    span = np.minimum(program.upper - program.lower, 1.0)
    return float(np.max(np.abs(program.gain) * span, initial=0.0))


def dual_bound(
    program: LinearProgram,
    row_prices: FloatArray,
    lower: FloatArray | None = None,
    upper: FloatArray | None = None,
) -> float:
    """Weak duality's upper bound on the objective from any row prices (rows,); within other column bounds, if given."""
    lower, upper = program.lower if lower is None else lower, program.upper if upper is None else upper
    limit = np.where(row_prices > 0.0, program.row_upper, program.row_lower)
    finite = np.isfinite(limit)
    prices = np.where(finite, row_prices, 0.0)
    reduced = program.reduced_gain(prices)
    box = np.maximum(reduced * lower, reduced * upper)
    return float(program.offset + prices @ np.where(finite, limit, 0.0) + box.sum())


def worst_residual(program: LinearProgram, values: FloatArray) -> tuple[float, str]:
    """The largest relative violation and the label of its row or column."""
    bounds = np.maximum(program.lower - values, values - program.upper) / np.maximum(1.0, np.abs(values))
    worst, place = 0.0, "none"
    if bounds.size and bounds.max() > worst:
        index = int(bounds.argmax())
        worst, place = float(bounds[index]), f"bound of {program.column_label(index)}"
    if program.row_count:
        rows, columns, entries = program.entries
        terms = entries * values[columns]
        activity = np.bincount(rows, weights=terms, minlength=program.row_count)
        sizes = np.ones(program.row_count)
        np.maximum.at(sizes, rows, np.abs(terms))
        violation = np.maximum(program.row_lower - activity, activity - program.row_upper) / sizes
        index = int(violation.argmax())
        if violation[index] > worst:
            worst, place = float(violation[index]), program.row_label(index)
    return worst, place
