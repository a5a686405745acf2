"""Many problems at once give what each gives alone: shares, money, prices and status, in chunks of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    BatchStatus,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    allocate,
    allocate_many,
)
from reallot.solvers.numba import dispatch
from reallot.solvers.single_period import batch
from tests.strategies import budget

SHARE = st.integers(0, 8).map(lambda k: k / 8)
RATE = st.sampled_from([0.0, 1.0, 1.0, 2.0, -1.0, 0.5, 1e3, 1e-3])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Arguments of allocate_many for a few problems: ties, full and odd starts, held columns, tight limits."""
    count, size = draw(st.integers(1, 4)), draw(st.integers(1, 5))

    def table(element: st.SearchStrategy[float]) -> np.ndarray:
        return np.array([[draw(element) for _ in range(size)] for _ in range(count)])

    weights = table(st.integers(0, 4)) + 1e-3
    start = weights / weights.sum(axis=1, keepdims=True) if draw(st.booleans()) else table(SHARE)
    given: dict[str, np.ndarray] = {"rates": table(RATE), "current": start}
    given["move_cost"] = table(st.sampled_from([0.0, 0.0, 0.1, 0.5]))
    given["horizon_hours"] = np.array([draw(st.sampled_from([1.0, 24.0])) for _ in range(count)])
    if draw(st.booleans()):
        given["upper"] = table(st.sampled_from([1.0, 0.5, 0.25]))
        given["lower"] = np.minimum(given["upper"], table(st.sampled_from([0.0, 0.0, 0.125])))
    if draw(st.booleans()):
        given["max_change"] = table(SHARE)
    if draw(st.booleans()):
        given["held"] = table(st.booleans()).astype(bool)
    if draw(st.booleans()):
        given["mask"] = table(st.sampled_from([True, True, True, False])).astype(bool)
        given["mask"][:, 0] = True
    if draw(st.booleans()):
        given["max_turnover"] = np.array([draw(SHARE) for _ in range(count)])
    return given


def alone(given: dict[str, np.ndarray], k: int) -> AllocationProblem:
    """Problem k of the batch as a problem of its own; columns are named in their order."""
    there = given["mask"][k] if "mask" in given else np.ones(given["rates"].shape[1], dtype=bool)
    names = [f"p{i}" for i in np.flatnonzero(there)]
    row = {name: values[k][there] if values.ndim > 1 else values[k] for name, values in given.items()}
    specs = [
        ProtocolSpec(
            name,
            float(row["rates"][i]),
            move_cost=float(row["move_cost"][i]),
            **({"min_share": row["lower"][i], "max_share": row["upper"][i]} if "upper" in row else {}),
        )
        for i, name in enumerate(names)
    ]
    limits = Limits(
        max_change=dict(zip(names, row["max_change"], strict=True)) if "max_change" in row else None,
        max_turnover=float(row["max_turnover"]) if "max_turnover" in row else None,
        held=[name for i, name in enumerate(names) if "held" in row and row["held"][i]],
    )
    current = dict(zip(names, row["current"], strict=True))
    return AllocationProblem(specs, current, horizon_hours=float(row["horizon_hours"]), limits=limits)


SOLVERS = (
    "numpy",
    pytest.param("numba", marks=pytest.mark.skipif(not dispatch.available(), reason="Numba is not installed")),
)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_that_misses_capacity_by_rounding_may_stay(solver: str) -> None:
    current = np.array([0.99975012500, 0.000249875062])  # 6e-11 short, and all that moves only costs
    many = allocate_many([0.0, 0.0], current, move_cost=0.5, solver=solver)
    assert many.status[0] == BatchStatus.OPTIMAL and many.gap[0] <= 1e-9
    assert (many.shares[0] == current).all()


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@budget(4.0)
@given(given=rows())
def test_a_batch_gives_what_each_problem_gives_alone(solver: str, given: dict[str, np.ndarray]) -> None:
    many = allocate_many(**given, solver=solver)
    assert many.solver == solver
    there = given.get("mask", np.ones(given["rates"].shape, dtype=bool))
    for k in range(len(many)):
        try:
            plan = allocate(alone(given, k), solver="exact")
        except Infeasible:
            assert many.status[k] == BatchStatus.INFEASIBLE
            assert np.isnan(many.net_benefit[k]) and np.isnan(many.gap[k])
            continue
        scale = plan.certificate.scale
        assert many.status[k] == BatchStatus.OPTIMAL
        assert many.net_benefit[k] == pytest.approx(plan.net_benefit, abs=1e-12 * scale)
        assert many.earnings_per_hour[k] == pytest.approx(plan.earnings_per_hour, abs=1e-12 * scale)
        assert many.cost[k] == pytest.approx(plan.cost, abs=1e-12 * scale)
        np.testing.assert_allclose(many.shares[k][there[k]], plan.schedule[0], atol=1e-11)
        assert not many.shares[k][~there[k]].any()
        # a start that misses capacity by less than the slack may stay as it is
        off = abs(1.0 - given["current"][min(k, len(given["current"]) - 1)][there[k]].sum())
        assert many.gap[k] <= 1e-12 + 2.0 * off and many.residual[k] <= 1e-12 + off


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@budget(2.0)
@given(given=rows())
def test_the_prices_of_a_batch_are_those_of_each_problem(solver: str, given: dict[str, np.ndarray]) -> None:
    # bounds that end at the capacity are a limit of their own in the batch, so they are left away here
    given.pop("upper", None), given.pop("lower", None)
    many = allocate_many(**given, upper=np.inf, solver=solver)
    for k in np.flatnonzero(many.status == BatchStatus.OPTIMAL):
        price = allocate(alone(given, k), solver="exact").prices["capacity"]
        scale = np.abs(given["rates"]).max() + given["move_cost"].max()
        np.testing.assert_allclose(many.capacity_price[k], price, atol=1e-9 * scale)


@pytest.mark.slow
@budget(1.0)
@given(given=rows(), numbers=st.integers(1, 12))
def test_the_size_of_a_chunk_changes_nothing(given: dict[str, np.ndarray], numbers: int) -> None:
    whole = allocate_many(**given, solver="numpy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "CHUNK_NUMBERS", numbers)
        pieces = allocate_many(**given, solver="numpy")
    for field in ("shares", "net_benefit", "capacity_price", "status", "gap"):
        np.testing.assert_array_equal(getattr(whole, field), getattr(pieces, field))


def test_many_protocols_with_one_rate_go_by_column() -> None:
    # forty places of at most 0.1, all worth the same: the first ten are filled
    many = allocate_many(np.ones((3, 40)), np.zeros((3, 40)), upper=0.1)
    np.testing.assert_allclose(many.shares, np.tile(np.repeat([0.1, 0.0], [10, 30]), (3, 1)), atol=1e-12)
    assert (many.gap <= 1e-12).all() and (many.residual <= 1e-12).all()


def test_bounds_that_just_meet_the_capacity_have_prices_all_the_same() -> None:
    # 0.5 + 0.5 - 2e-11 is 1 within rounding; both are worth less than nothing, and full
    many = allocate_many([[-1.0, -2.0]], [[0.5, 0.5]], upper=[[0.5, 0.5 - 2e-11]])
    assert many.status.tolist() == [BatchStatus.OPTIMAL]
    assert many.gap[0] <= 1e-10 and many.capacity_price[0].tolist() == [-np.inf, -2.0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_infeasible_row_disturbs_no_other(solver: str) -> None:
    # row 1 holds both at 0.4: 0.8 of 1; rows 0 and 2 move 0.2 to the better one
    many = allocate_many(
        [[2.0, 1.0]] * 3,
        [[0.3, 0.7], [0.4, 0.4], [0.5, 0.5]],
        max_change=0.2,
        held=[[False, False], [True, True], [False, False]],
        solver=solver,
    )
    assert many.status.tolist() == [BatchStatus.OPTIMAL, BatchStatus.INFEASIBLE, BatchStatus.OPTIMAL]
    np.testing.assert_allclose(many.shares, [[0.5, 0.5], [0.4, 0.4], [0.7, 0.3]])
    np.testing.assert_allclose(many.net_benefit, [0.2, np.nan, 0.2])


def test_a_mask_makes_problems_of_different_sizes() -> None:
    # the third place would be the best, and is not there in row 1
    many = allocate_many([[1.0, 2.0, 9.0]] * 2, [[1.0, 0.0, 0.0]] * 2, mask=[[True, True, True], [True, True, False]])
    np.testing.assert_allclose(many.shares, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def test_every_argument_broadcasts() -> None:
    # four costs for one problem each: 0.1 moved for a day gains 2.4, and costs 0.2 times the cost
    many = allocate_many(
        [2.0, 1.0], [0.5, 0.5], move_cost=[[0.0], [6.0], [13.0], [1.0]], max_change=0.1, horizon_hours=24
    )
    np.testing.assert_allclose(many.net_benefit, [2.4, 1.2, 0.0, 2.2], atol=1e-12)


@pytest.mark.slow
@budget(1.0)
@given(given=rows())
def test_a_plan_on_request_is_the_one_of_its_row(given: dict[str, np.ndarray]) -> None:
    many = allocate_many(**given)
    for k in range(len(many)):
        if (given.get("lower", np.zeros(1)) > given.get("upper", np.ones(1))).any():
            continue
        if many.status[k] == BatchStatus.INFEASIBLE:
            with pytest.raises(Infeasible):
                many.allocation(k)
            continue
        plan, there = many.allocation(k), given["mask"][k] if "mask" in given else slice(None)
        assert plan.net_benefit == pytest.approx(many.net_benefit[k], abs=1e-12 * plan.certificate.scale)
        np.testing.assert_allclose(plan.schedule[0], many.shares[k][there], atol=1e-11)


def test_a_plan_on_request_has_names_and_leaves_masked_places_out() -> None:
    many = allocate_many([[1.0, 2.0, 9.0]], [[1.0, 0.0, 0.0]], mask=[[True, True, False]], upper=np.inf)
    assert many.allocation(0, ["a", "b", "c"]).shares.to_dict() == {"a": 0.0, "b": 1.0}
    assert many.allocation(-1).shares.to_dict() == {"p0": 0.0, "p1": 1.0}
    assert many.problem(0).specs[0].max_share is None
    with pytest.raises(InvalidInput, match="there is no problem 1; the batch has 1"):
        many.allocation(1)
    with pytest.raises(InvalidInput, match="names has 1 entries; the batch has 3 protocols"):
        many.allocation(0, ["a"])


def test_default_names_sort_as_the_columns_do() -> None:
    names = allocate_many(np.ones((1, 11)), np.full((1, 11), 1 / 11)).problem(0).names
    assert list(names) == sorted(names) and names[10] == "p10"


def test_what_a_masked_place_holds_counts_for_nothing() -> None:
    # 0.5 stand at a place that is not there: only the 0.5 at the first one move, and cost
    many = allocate_many([1.0, 2.0, 9.0], [1.0, 0.0, 0.5], mask=[True, True, False], move_cost=0.1)
    np.testing.assert_allclose(many.net_benefit, [0.8])
    np.testing.assert_allclose(many.cost, [0.2])


def test_an_answer_that_fails_its_certificate_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "residual_of", lambda given, box, shares: np.array([0.0, 1e-6]))
    many = allocate_many([[2.0, 1.0]] * 2, [[0.5, 0.5]] * 2, solver="numpy")
    assert many.status.tolist() == [BatchStatus.OPTIMAL, BatchStatus.FAILED]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": [[1.0, np.nan]]}, r"rates\[0, 1\] is nan; it must be a finite number"),
        ({"current": [[-0.1, 1.1]]}, "current has the entry -0.1; it must be at least 0"),
        ({"move_cost": -1.0}, "move_cost has the entry -1"),
        ({"held": [0, 1]}, "held has entries of type int"),
        ({"horizon_hours": 0.0}, "horizon_hours has the entry 0; it must be above 0"),
        ({"rates": [[1.0, 2.0, 3.0]]}, r"shapes do not broadcast.*rates \(1, 3\)"),
        ({"rates": np.ones((2, 0)), "current": np.ones((2, 0))}, "there are no protocols"),
        ({"solver": "numpi"}, "solver is 'numpi'; did you mean 'numpy'"),
        ({"max_turnover": [[0.1]]}, r"max_turnover has shape \(1, 1\); give one number, or one per problem"),
    ],
)
def test_wrong_arrays_are_refused_by_name(change: dict[str, object], message: str) -> None:
    given = {"rates": [[1.0, 2.0]], "current": [[0.5, 0.5]]} | change
    with pytest.raises(InvalidInput, match=message):
        allocate_many(**given)
