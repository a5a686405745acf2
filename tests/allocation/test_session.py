"""A session's answer is that of a fresh allocate, whatever changed before; what is kept is kept, and said."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    Allocation,
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    Session,
    Solution,
    Status,
    allocate,
    formulate,
    session,
)
from reallot.formulation.update_program import formulate_again
from reallot.solvers.programs.highs import HighsModel
from tests.strategies import CHOICES, COUPLED, KINDS, LINEAR, budget, problems, rates, shares

THREE = AllocationProblem(
    {"relay": 2.0, "compute": 1.0, "storage": 1.5},
    {"relay": 0.3, "compute": 0.5, "storage": 0.2},
    limits=Limits(max_change=0.2),
)
HOSTS = AllocationProblem(
    [
        ProtocolSpec(f"{host}/{name}", rate, uses={f"{host} cpu": use}, max_share=1.0, move_cost=0.01)
        for host in ("h1", "h2")
        for name, rate, use in (("relay", 2.0, 1.0), ("compute", 1.5, 0.5))
    ],
    {"h1/relay": 0.5, "h1/compute": 0.5, "h2/relay": 0.5, "h2/compute": 0.5},
    capacity=None,
    resources={"h1 cpu": 1.0, "h2 cpu": 0.9},
    limits=Limits(groups=(Group("relays", ("h1/relay", "h2/relay"), max_share=1.2),)),
    horizon_hours=24.0,
)


def answer(plan_of: object) -> Allocation | None:
    """The plan, or None where no split meets all rules."""
    try:
        return plan_of()
    except Infeasible:
        return None


def assert_as_cold(live: Session) -> Allocation | None:
    """The session's plan has the status, objective and certificate of a fresh allocate by HiGHS."""
    cold, hot = answer(lambda: allocate(live.problem, solver="highs")), answer(live.solve)
    assert (cold is None) == (hot is None), "the session and a fresh allocate disagree about feasibility"
    if cold is not None and hot is not None:
        objective, certificate = cold.certificate.objective, hot.certificate
        assert abs(certificate.objective - objective) <= 1e-9 * certificate.scale
        assert certificate.is_optimal == cold.certificate.is_optimal
        assert certificate.bound_from == cold.certificate.bound_from
        assert hot.problem == live.problem
    return hot


def changes(draw: st.DrawFn, problem: AllocationProblem, grid: int | None) -> dict[str, object]:
    """Other rates, shares and limits of some protocols; a capacity or horizon of another size."""
    flat = [spec.name for spec in problem.specs if isinstance(spec.curve, EarningsCurve) and spec.curve.is_flat]
    result: dict[str, object] = {}
    what = draw(
        st.sets(st.sampled_from(["rates", "current", "limits", "held", "hours", "capacity", "fee"]), max_size=3)
    )
    if "rates" in what and flat:
        result["rates"] = draw(st.dictionaries(st.sampled_from(flat), rates(grid)))
    if "current" in what:
        values = draw(st.permutations(list(problem.current.values())))
        result["current"] = dict(zip(problem.names, values, strict=True))
    limits = problem.limits
    if "limits" in what:
        turnover = draw(st.one_of(st.none(), shares(grid)))
        limits = replace(limits, max_change=draw(shares(grid)), max_turnover=turnover)
    if "held" in what:
        limits = replace(limits, held=draw(st.sets(st.sampled_from(problem.names))))
    result |= {} if limits is problem.limits else {"limits": limits}
    if "hours" in what:
        result["horizon_hours"] = draw(st.sampled_from([1.0, 24.0, 1e-3, 8760.0]))
    if "capacity" in what and problem.capacity is not None:
        result["allow_idle"] = draw(st.booleans())
        result["capacity"] = problem.capacity * draw(st.sampled_from([1.0, 1.25]))
    if "fee" in what:
        result["protocols"] = [replace(spec, move_fee=draw(st.sampled_from([0.0, 0.2]))) for spec in problem.specs]
    return result


@pytest.mark.parametrize("kind", LINEAR | COUPLED)
@pytest.mark.slow
@budget(0.08)
@given(data=st.data())
def test_any_changes_of_a_linear_problem_end_where_a_fresh_start_ends(kind: str, data: st.DataObject) -> None:
    live = session(data.draw(problems(kind)))
    assert_as_cold(live)
    for _ in range(3):
        live.change(**changes(data.draw, live.problem, None))
        assert_as_cold(live)


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.05)
@given(data=st.data())
def test_any_changes_with_whole_numbers_end_where_a_fresh_start_ends(kind: str, data: st.DataObject) -> None:
    grid = 20 if "periods" in KINDS[kind] else None
    live = session(data.draw(problems(kind, grid)))
    assert_as_cold(live)
    for _ in range(2):
        live.change(**changes(data.draw, live.problem, grid))
        assert_as_cold(live)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.2)
@given(data=st.data())
def test_a_program_made_from_an_earlier_one_is_the_one_made_anew(kind: str, data: st.DataObject) -> None:
    before = data.draw(problems(kind))
    program = formulate(before)
    problem = session(before).change(**changes(data.draw, before, None)).problem
    again, anew = formulate_again(problem, before, program), formulate(problem)
    if again is None:
        return
    assert [block.name for block in again.columns] == [block.name for block in anew.columns]
    assert [block.name for block in again.rows] == [block.name for block in anew.rows]
    for name in ("gain", "lower", "upper", "row_lower", "row_upper", "integer"):
        np.testing.assert_array_equal(getattr(again, name), getattr(anew, name), err_msg=name)
    for one, other in zip(again.entries, anew.entries, strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.offset == anew.offset and again.show() == anew.show()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"rates": {"h1/relay": 1.0}}, id="a rate"),
        pytest.param({"current": {"h1/relay": 0.25, "h2/relay": 0.0}}, id="shares"),
        pytest.param({"horizon_hours": 1.0}, id="hours"),
        pytest.param({"resources": {"h2 cpu": 0.5}}, id="a resource"),
        pytest.param({"limits": replace(HOSTS.limits, max_change=0.1, held={"h1/relay"})}, id="limits"),
        pytest.param({"limits": Limits(groups=(replace(HOSTS.limits.groups[0], max_share=0.7),))}, id="a group's cap"),
    ],
)
def test_numbers_are_changed_in_the_program_that_is_there(change: dict[str, object]) -> None:
    live = session(HOSTS)
    live.solve()
    problem = live.change(**change).problem
    again = formulate_again(problem, HOSTS, formulate(HOSTS))
    assert again is not None and again.show() == formulate(problem).show()
    plan = assert_as_cold(live)
    assert plan is not None and "HiGHS model kept: " in plan.solver_reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limits": replace(HOSTS.limits, max_turnover=0.3)}, "built again: bought is new, sold is new"),
        ({"limits": Limits()}, "built again: group relays is gone"),
        ({"limits": replace(HOSTS.limits, max_moves=1)}, "built again: max_moves is new, moved is new"),
        ({"capacity": 2.0}, "built again: budget is new"),
        ({"protocols": HOSTS.specs[:3], "current": {}}, None),
    ],
)
def test_another_shape_is_built_again_and_said(change: dict[str, object], says: str | None) -> None:
    live = session(HOSTS)
    live.solve()
    if says is None:
        with pytest.raises(InvalidInput, match="current names 'h2/compute'"):
            live.change(**change)
        return
    plan = assert_as_cold(live.change(**change))
    assert plan is not None and says in plan.solver_reason


def test_what_was_kept_is_on_the_plan() -> None:
    live = session(THREE)
    assert live.solve().solver_reason == "asked for; HiGHS model built"
    assert live.solve().solver_reason == "asked for; HiGHS model kept as it is"
    plan = live.change(rates={"compute": 3.0}, current={"relay": 0.4, "storage": 0.1}).solve()
    assert plan.solver_reason == "asked for; HiGHS model kept: 1 gains, 2 limits changed"
    assert plan.shares.to_dict() == pytest.approx({"relay": 0.3, "compute": 0.7, "storage": 0.0})


def test_the_plan_has_the_program_that_was_solved() -> None:
    live = session(HOSTS)
    first = live.solve()
    plan = live.change(rates={"h1/relay": 1.0}).solve()
    assert plan.program.matrix is first.program.matrix
    assert plan.program.show() == formulate(plan.problem).show()
    assert plan.timings["total"] >= plan.timings["formulate"] + plan.timings["solve"]


def test_another_use_is_another_coefficient() -> None:
    live = session(HOSTS)
    live.solve()
    dearer = [replace(spec, uses={key: 1.5 * use for key, use in spec.uses.items()}) for spec in HOSTS.specs]
    plan = assert_as_cold(live.change(protocols=dearer))
    assert plan is not None and plan.solver_reason.endswith("HiGHS model kept: 4 coefficients changed")


def test_changes_add_up() -> None:
    live = session(THREE)
    live.change(rates={"relay": 3.0}).change(rates={"compute": 4.0}).change(current={"relay": 0.2, "storage": 0.3})
    assert live.problem.rates == {"relay": (3.0,), "compute": (4.0,)}
    assert live.problem.current == {"relay": 0.2, "compute": 0.5, "storage": 0.3}
    assert live.problem.limits == THREE.limits and THREE.rates is None


def test_a_rate_is_a_number_or_one_for_each_period() -> None:
    live = session(replace(THREE, periods=2)).change(rates={"relay": 3.0, "compute": [1.0, 4.0]})
    assert live.problem.rates == {"relay": (3.0, 3.0), "compute": (1.0, 4.0)}
    assert_as_cold(live)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": {"rellay": 1.0}}, "rates names 'rellay', which is not there; did you mean 'relay'"),
        ({"current": {"comput": 1.0}}, "current names 'comput', which is not there; did you mean 'compute'"),
        ({"resources": {"cpu": 1.0}}, "resources names 'cpu'"),
        ({"limit": Limits()}, "no 'limit'; did you mean 'limits'"),
        ({"limits": Limits(held={"storge"})}, "did you mean 'storage'"),
        ({"rates": {"relay": float("nan")}}, "finite"),
        ({"rates": [1.0, 2.0]}, "nothing is aligned by position"),
        ({"capacity": -1.0}, "capacity"),
    ],
)
def test_a_wrong_change_is_refused_and_leaves_the_session_as_it_was(change: dict[str, object], message: str) -> None:
    live = session(THREE)
    before = live.solve()
    with pytest.raises(InvalidInput, match=message):
        live.change(**change)
    assert live.problem is THREE
    assert live.solve().schedule.tolist() == before.schedule.tolist()


def test_a_session_goes_on_after_a_question_without_an_answer() -> None:
    live = session(HOSTS)
    first = live.solve()
    live.change(resources={"h1 cpu": 0.1}, limits=replace(HOSTS.limits, held={"h1/relay"}))
    with pytest.raises(Infeasible, match="h1 cpu"):
        live.solve()
    plan = live.change(resources={"h1 cpu": 1.0}, limits=HOSTS.limits).solve()
    assert plan.certificate.objective == pytest.approx(first.certificate.objective, rel=1e-12)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e6])
def test_gains_of_another_size_are_scaled_afresh_and_the_model_stays(size: float) -> None:
    live = session(HOSTS)
    live.solve()
    live.change(rates={spec.name: size * spec.curve.last_slope for spec in HOSTS.specs})
    live.change(protocols=[replace(spec, move_cost=size * spec.move_cost) for spec in HOSTS.specs])
    plan = assert_as_cold(live)
    assert plan is not None and plan.certificate.gap <= 1e-9
    assert "HiGHS model kept" in plan.solver_reason
    assert 0.5 <= np.abs(live._models[0].gain).max() / live._models[0].scale <= 2.0


def test_one_model_answers_many_times() -> None:
    live = session(HOSTS)
    live.solve()
    model = live._models[0]
    rng = np.random.default_rng(3)
    for _ in range(20):
        plan = live.change(rates={spec.name: rng.uniform(1.0, 2.0) for spec in HOSTS.specs}).solve()
        live.change(current=plan.shares)
        assert live._models[0] is model
        assert_as_cold(live)


def test_ties_go_where_a_fresh_start_sends_them() -> None:
    even = replace(THREE, protocols={"relay": 1.0, "compute": 1.0, "storage": 1.0})
    live = session(even)
    assert live.solve().shares.to_dict() == even.current
    live.change(rates={"relay": 2.0, "compute": 2.0}, limits=Limits())
    assert live.solve().schedule.tolist() == allocate(live.problem, solver="highs").schedule.tolist()
    plan = live.change(rates={"relay": 1.0, "compute": 1.0}).solve()
    assert plan.shares.to_dict() == even.current


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(replace(HOSTS, risk=RateUncertainty(0.5, 1.5)), id="budget of uncertainty"),
        pytest.param(
            replace(THREE, scenarios=Scenarios(factors={"relay": [0.5, 1.5]}), risk=CVaR(0.5, 0.5)), id="CVaR"
        ),
        pytest.param(replace(HOSTS, limits=replace(HOSTS.limits, max_moves=2)), id="moves are counted"),
        pytest.param(replace(THREE, periods=3, limits=Limits(max_change=0.1)), id="periods"),
    ],
)
def test_every_kind_of_problem_can_be_changed_and_solved_again(problem: AllocationProblem) -> None:
    live = session(problem)
    name = problem.names[0]
    for rate in (0.5, 2.5, 0.0):
        plan = assert_as_cold(live.change(rates={name: rate}))
        assert plan is not None
    assert plan.problem.rates == {name: (0.0,) * problem.periods}


def test_auto_sorts_where_sorting_is_exact_and_keeps_highs_where_it_is_not() -> None:
    live = session(THREE, solver="auto")
    assert live.solve().solver == "exact"
    plan = live.change(
        limits=replace(THREE.limits, groups=(Group("both", ("relay", "storage"), max_share=0.4),))
    ).solve()
    assert plan.solver == "highs" and "HiGHS model built" in plan.solver_reason


@pytest.mark.parametrize("solver", ["exact", "scipy", "pulp", "hihgs"])
def test_only_highs_is_kept(solver: str) -> None:
    with pytest.raises(InvalidInput, match="a session keeps HiGHS"):
        session(THREE, solver=solver)


def test_a_kept_model_that_fails_is_given_up_for_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    live = session(HOSTS)
    live.solve()
    kept, honest = live._models[0], HighsModel.solve
    failed = Solution(Status.FAILED, detail="lost its basis")
    monkeypatch.setattr(HighsModel, "solve", lambda model: failed if model is kept else honest(model))
    plan = live.change(rates={"h1/relay": 0.1}).solve()
    assert plan.certificate.is_optimal and live._models[0] is not kept
    assert plan.solver_reason.endswith("HiGHS model built")


def test_a_time_limit_is_for_each_solve_and_not_for_the_session() -> None:
    # HiGHS adds up the seconds of all runs of a linear program: the limit has to move along
    live = session(HOSTS, time_limit_seconds=0.5)
    for rate in np.linspace(0.5, 3.0, 5):
        assert live.change(rates={"h1/relay": rate}).solve().certificate.is_optimal
    highs = live._models[0].highs
    assert highs.getRunTime() > 0.0
    assert 0.5 < highs.getOptionValue("time_limit")[1] <= 0.5 + highs.getRunTime()


def test_every_field_of_a_problem_can_be_changed() -> None:
    values = {field.name: getattr(HOSTS, field.name) for field in fields(HOSTS)}
    assert session(HOSTS).change(**values).problem == HOSTS


def test_a_session_of_whole_units_goes_on_with_other_protocols() -> None:
    specs = [
        ProtocolSpec(name, rate, step=0.25, move_cost=0.1) for name, rate in zip("abc", (1.0, 2.0, 3.0), strict=True)
    ]
    live = session(AllocationProblem(specs[:2], {"a": 1.0, "b": 0.0}))
    assert live.solve().schedule.tolist() == [[0.0, 1.0]]
    assert live.change(rates={"b": 0.5}).solve().schedule.tolist() == [[1.0, 0.0]]
    wider = live.change(protocols=specs, current={"a": 0.5, "b": 0.5, "c": 0.0}, rates={"b": 2.0})
    assert wider.solve().schedule.tolist() == [[0.0, 0.0, 1.0]]
