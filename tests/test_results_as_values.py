"""Results are values: equal where they say the same, hashable, short to read, safe to show, and nobody's to change."""

from __future__ import annotations

import ast
import copy
import inspect
import io
import pickle
import re
import tempfile
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reallot
from reallot import (
    Allocation,
    AllocationPlan,
    AllocationProblem,
    Backtest,
    EarningsCurve,
    Fleet,
    FleetLimits,
    Group,
    Infeasible,
    Limits,
    Observation,
    ProtocolSpec,
    Setting,
    Target,
    allocate,
    allocate_fleet,
    allocate_many,
    backtest,
    explain,
    hindsight,
    session,
)

PROBLEM = AllocationProblem(
    {"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}, limits=Limits(max_change=0.2)
)
TIMES = pd.date_range("2026-01-01", periods=6, freq="h", tz="UTC")
MARKUP = "<img src=x onerror=alert(1)>"
HOSTILE = (MARKUP, "$\\frac{$", "red\x1b[31m\nrow")


def table(names: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rates = {name: np.arange(6.0) + place for place, name in enumerate(names)}
    return pd.DataFrame(rates, index=TIMES)


MADE = {
    "plan": lambda: allocate(PROBLEM),
    "explanation": lambda: explain(allocate(PROBLEM), budget_seconds=None),
    "batch": lambda: allocate_many([[1.0, 2.0], [1.0, 2.0]], [[0.5, 0.5], [0.9, 0.9]], max_change=0.2),
    "backtest": lambda: backtest(table(), ["greedy", "ema"], Setting(cost_usd=0.1)),
    "hindsight": lambda: hindsight(PROBLEM),
    "problem": lambda: PROBLEM,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_result_equals_itself_made_again_and_can_be_a_key(make: Any) -> None:
    one, other = make(), make()
    assert one == other
    assert {one: "kept"}[other] == "kept"
    assert one != "plan"
    assert one == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))


def test_another_answer_is_another_value() -> None:
    more = AllocationProblem(PROBLEM.specs, PROBLEM.current, limits=Limits(max_change=0.3))
    assert allocate(PROBLEM) != allocate(more)
    assert backtest(table(), "greedy") != backtest(table(), "ema")
    assert backtest(table(), "greedy") != backtest(table() + 1.0, "greedy")


@pytest.mark.parametrize("make", [MADE[name] for name in ("plan", "explanation", "batch", "backtest")])
def test_a_result_is_shown_in_a_few_lines(make: Any) -> None:
    text = repr(make())
    assert len(text) < 400
    assert text.count("\n") < 5


def test_a_problem_is_shown_as_the_call_that_makes_it() -> None:
    curve = EarningsCurve((0.0, 0.3), (0.0, 0.9), 0.5)
    specs = [ProtocolSpec("a", 2.0, move_cost=0.1), ProtocolSpec("b", curve)]
    problem = AllocationProblem(
        specs, {"a": 0.4, "b": 0.6}, limits=Limits(held={"b"}, groups=(Group("g", ("a",), 0.5),))
    )
    makers = {kind.__name__: kind for kind in (AllocationProblem, EarningsCurve, Group, Limits, ProtocolSpec)}
    assert eval(repr(problem), makers) == problem
    assert "ProtocolSpec(name='a', curve=2.0, move_cost=0.1)" in repr(problem)


def test_a_large_problem_is_shown_in_a_few_lines() -> None:
    names = [f"p{k}" for k in range(50)]
    rates = {name: [1.0] * 1000 for name in names}
    problem = AllocationProblem(
        dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.02), periods=1000, rates=rates, limits=Limits(held=names)
    )
    assert len(repr(problem)) < 1000


def test_a_short_plan_says_who_moves_and_what_for() -> None:
    said = "optimal by exact, relay 0.30 -> 0.50, compute 0.70 -> 0.50; net benefit 0.2 USD over 1 h"
    assert repr(allocate(PROBLEM)) == f"<Allocation: {said}>"


def test_a_plan_of_the_engine_is_shown_in_a_few_lines() -> None:
    shares = {f"p{k}": 0.1 for k in range(10)}
    moved = shares | {"p0": 0.0, "p1": 0.2}
    plan = AllocationPlan(
        id="plan-7",
        allocation=moved,
        current=shares,
        estimated_improvement=0.5,
        estimated_cost=2.0,
        net_benefit=10.0,
        roi_percent=500.0,
        confidence=0.75,
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        reasons=("a reason of its own " * 50,),
    )
    assert repr(plan).splitlines() == [
        "<AllocationPlan plan-7 of 2026-01-02 03:04 UTC",
        "  p0 0.10 -> 0.00, p1 0.10 -> 0.20",
        "  net benefit 10.00 USD over 24 h",
        "  costs 2 USD, confidence 75 %>",
    ]
    assert "  stay" in repr(plan.model_copy(update={"allocation": shares})).splitlines()


def hostile_plan() -> Allocation:
    """A plan whose protocols, group and held ones have names that are markup, mathematics and control characters."""
    specs = [ProtocolSpec(name, 2.0 - place) for place, name in enumerate(HOSTILE)]
    groups = (Group(MARKUP, HOSTILE[:2], max_share=0.95),)
    current = dict(zip(HOSTILE, (0.3, 0.5, 0.2), strict=True))
    return allocate(AllocationProblem(specs, current, limits=Limits(max_change=0.4, held=HOSTILE[2:], groups=groups)))


def svg_of(figure: Any) -> str:
    page = io.BytesIO()
    figure.savefig(page, format="svg")
    return page.getvalue().decode()


def hostile_results() -> dict[str, Any]:
    """One of every result, with names of its protocols, groups, resources or policies that are hostile."""
    plan = hostile_plan()
    rates = pd.DataFrame([[2.0, 1.0, 0.5]], columns=list(HOSTILE))
    policy = Always(MARKUP)
    used = [ProtocolSpec(HOSTILE[2], [EarningsCurve.flat(1.0)] * 2, uses={MARKUP: 1.0}, max_share=1.0)]
    resources = AllocationProblem(
        used, {HOSTILE[2]: 0.1}, periods=2, resources={MARKUP: 1.0}, rates=None, allow_idle=True
    )
    hosts = pd.DataFrame(
        {"host": MARKUP, "protocol": list(HOSTILE), "rate": [2.0, 1.0, 0.5], "current": [0.5, 0.3, 0.2]}
    )
    return {
        "plan": plan,
        "explanation": explain(plan, budget_seconds=None),
        "problem": plan.problem,
        "problem with resources": resources,
        "batch": allocate_many(rates, pd.DataFrame([[0.5, 0.3, 0.2]], columns=list(HOSTILE))),
        "backtest": backtest(table(HOSTILE), [policy], Setting(cost_usd=0.1)),
        "hindsight": hindsight(plan.problem),
        "fleet": allocate_fleet(Fleet.from_frame(hosts), FleetLimits(turnover=0.5)),
    }


class Always:
    """A policy with a name of one's choice, which stays."""

    def __init__(self, name: str) -> None:
        self.name = name

    def decide(self, observation: Observation) -> Target:
        return Target(observation.shares)


class Names(HTMLParser):
    """The tags of a page, and its text as a reader sees it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.seen = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name not in ("class", "colspan")]

    def handle_data(self, data: str) -> None:
        self.seen += data


LOOK = {"div", "p", "strong", "small", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "pre"}


def test_html_shows_hostile_names_and_lets_none_of_them_act() -> None:
    for kind, result in hostile_results().items():
        page = Names(result._repr_html_())
        assert page.tags <= LOOK, kind
        assert {"table", "strong"} <= page.tags, kind
        assert "\x1b" not in page.seen, kind
        assert MARKUP in page.seen or kind == "hindsight", kind


def test_the_hostile_names_go_through_every_kind_that_has_html() -> None:
    root = Path(reallot.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in root.rglob("*.py")]
    found = {
        node.name
        for text in texts
        if "_repr_html_" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
        if any(isinstance(each, ast.FunctionDef) and each.name == "_repr_html_" for each in node.body)
    }
    assert found == {type(result).__name__ for result in hostile_results().values()}


@settings(max_examples=20)
@given(names=st.lists(st.text(min_size=1), min_size=2, max_size=3, unique=True))
def test_no_name_is_markup_whatever_it_is(names: list[str]) -> None:
    problem = AllocationProblem(dict.fromkeys(names, 1.0), {name: 1.0 / len(names) for name in names})
    for result in (problem, allocate(problem)):
        page = Names(result._repr_html_())
        assert page.tags <= LOOK
        assert all(character.isprintable() or character == "\n" for character in page.seen)


def test_every_result_has_html_and_a_short_text() -> None:
    shown = {kind: make() for kind, make in MADE.items()}
    assert all("<table>" in result._repr_html_() for result in shown.values())
    runs = (shown["backtest"]["greedy"], shown["backtest"].optimum, session(PROBLEM))
    for result in (*shown.values(), *runs):
        assert len(repr(result)) < 300
        assert len(repr(result).splitlines()) <= 5


def test_a_long_table_says_how_many_rows_it_leaves_out() -> None:
    names = [f"p{k}" for k in range(100)]
    page = AllocationProblem(dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.01))._repr_html_()
    assert "p59<" in page
    assert "p60<" not in page
    assert "and 40 rows more" in page


def test_a_problem_in_html_says_what_was_given() -> None:
    specs = [ProtocolSpec("a", 2.0, move_cost=0.1), ProtocolSpec("b", EarningsCurve((0.0, 0.3), (0.0, 0.9), 0.5))]
    problem = AllocationProblem(specs, {"a": 0.4, "b": 0.6}, horizon_hours=24, limits=Limits(held={"b"}))
    seen = Names(problem._repr_html_()).seen
    for part in ("2 protocols over 24 h", "move_cost", "held: ", "'b'", "EarningsCurve("):
        assert part in seen
    assert "max_turnover" not in seen


@pytest.mark.slow
def test_pictures_show_hostile_names_as_text() -> None:
    pytest.importorskip("matplotlib")
    plan, result = hostile_plan(), backtest(table(HOSTILE), "greedy")
    for figure in (plan.plot(), result.plot()):
        assert "<img" not in re.sub(r"<!--.*?-->", "", svg_of(figure), flags=re.S)


def test_text_lets_no_name_move_the_cursor() -> None:
    plan = hostile_plan()
    for text in (str(plan), repr(plan), str(explain(plan)), repr(explain(plan))):
        assert "\x1b" not in text
    many = AllocationProblem(dict.fromkeys(HOSTILE, 1.0), dict.fromkeys(HOSTILE, 0.5), limits=Limits(held=HOSTILE))
    with pytest.raises(Infeasible) as error:
        allocate(many)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("method", [Allocation.plot, Backtest.plot])
def test_plots_are_typed(method: Any) -> None:
    assert inspect.signature(method).return_annotation == "Figure"


def test_what_is_handed_out_changes_nothing_that_was_decided() -> None:
    plan = allocate(PROBLEM)
    told = plan.to_dict()
    shares, frame, schedule = plan.shares, plan.to_frame(), plan.schedule_frame()
    shares["relay"] = 0.9
    frame.loc["relay", ["today", "plan"]] = 0.9
    schedule.loc[0, "relay"] = 0.9
    with pytest.raises(ValueError, match="read-only"):
        plan.schedule[0, 0] = 0.9
    assert plan.to_dict() == told
    assert plan.shares.to_dict() == told["shares"]


def test_arrays_of_batches_and_backtests_are_read_only() -> None:
    many, result = MADE["batch"](), MADE["backtest"]()
    for array in (many.shares, many.cost, result["greedy"].shares, result["optimum"].shares, result.table.rates):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.integers(1, 10**6), min_size=2, max_size=9), solver=st.sampled_from(["auto", "highs"]))
def test_shares_in_single_precision_are_the_capacity_they_were(parts: list[int], solver: str) -> None:
    shares = (np.array(parts) / sum(parts)).astype(np.float32)
    names = [f"p{i}" for i in range(len(parts))]
    held = Limits(held=names)
    rates = dict.fromkeys(names, 1.0)
    series, by_name = pd.Series(shares, index=names), dict(zip(names, shares, strict=True))
    frame = pd.DataFrame({"rate": 1.0, "current": series})
    even = AllocationProblem(rates, dict.fromkeys(names, 1.0 / len(names)), limits=held)
    for problem in (
        AllocationProblem(rates, series, limits=held),
        AllocationProblem(rates, by_name, limits=held),
        AllocationProblem.from_arrays(names, np.ones(len(names)), shares, limits=held),
        AllocationProblem.from_frame(frame, limits=held),
        AllocationProblem.from_frame(frame.astype({"current": "Float32"}), limits=held),
        even.update(current=shares, order=names),
    ):
        plan = allocate(problem, solver=solver)
        assert plan.shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert allocate_many(np.ones(len(parts)), shares, held=True).status.tolist() == [0]


def test_a_session_is_copied_and_pickled_as_the_problem_it_stands_at() -> None:
    live = session(PROBLEM)
    live.solve()
    live.change(rates={"relay": 0.5})
    expected = live.solve()
    for other in (copy.copy(live), copy.deepcopy(live), pickle.loads(pickle.dumps(live))):
        assert np.allclose(other.solve().schedule, expected.schedule, atol=1e-12)
        other.change(rates={"relay": 9.0})
    assert live.problem.rates == {"relay": (0.5,)}


def test_limits_take_arrays_with_one_number_per_period() -> None:
    limits = Limits(max_change=np.array([0.1, 0.2]), max_turnover=np.array([0.3, 0.4]))
    assert limits == Limits(max_change=[0.1, 0.2], max_turnover=[0.3, 0.4])


def test_pulp_works_where_the_temporary_folder_has_a_space_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pulp")
    folder = tmp_path / "my files"
    folder.mkdir()
    for key in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(key, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(folder)
    assert allocate(PROBLEM, solver="pulp").shares.to_dict() == {"relay": 0.5, "compute": 0.5}
    assert list(folder.iterdir()) == []
