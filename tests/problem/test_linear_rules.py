"""Relations between shares: what a text says, what is refused, and what files hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    LinearRule,
    allocate,
    problem_from_dict,
    problem_to_dict,
)

NAMES = ("relay", "compute", "grass-2", "my node")


def problem(**limits: object) -> AllocationProblem:
    return AllocationProblem(
        dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, 0.25), limits=Limits(**limits)  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "weights", "bounds"),
    [
        ("relay <= 2 * compute", {"relay": 1.0, "compute": -2.0}, (None, 0.0)),
        ("relay<=2compute", {"relay": 1.0, "compute": -2.0}, (None, 0.0)),
        ("0.1 + grass-2 >= compute * 2 / 4", {"grass-2": 1.0, "compute": -0.5}, (-0.1, None)),
        ("2 * (relay - compute) == 'my node'", {"relay": 2.0, "compute": -2.0, "my node": -1.0}, (0.0, 0.0)),
        ("-relay = -.3", {"relay": -1.0}, (-0.3, -0.3)),
        ("relay + relay >= 1e-1", {"relay": 2.0}, (0.1, None)),
        ("0.1 <= relay - compute <= 0.4", {"relay": 1.0, "compute": -1.0}, (0.1, 0.4)),
        ("1 >= 2 relay + 0.5 >= 0.75", {"relay": 2.0}, (0.25, 0.5)),
    ],
)
def test_a_text_is_read_as_weights_and_a_bound(text: str, weights: dict[str, float], bounds: tuple) -> None:
    rule = problem(rules=[text]).limits.rules[0]
    assert (dict(rule.coefficients), rule.bounds, rule.name) == (weights, bounds, text)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: problem(rules=["relay <= 2 * compte"]), ["'compte'", "did you mean 'compute'"]),
        (lambda: problem(rules=["poool <= 1"], groups=[Group("pool", ("relay",), 1.0)]), ["did you mean 'pool'"]),
        (lambda: problem(rules=["relay <= 1"], groups=[Group("relay", ("relay",), 1.0)]), ["protocol and a group"]),
        (lambda: problem(rules=["relay < 0.5"]), ["'<'", "write <="]),
        (lambda: problem(rules=["relay * compute <= 1"]), ["multiplied by each other", "linear"]),
        (lambda: problem(rules=["1 / relay <= 1"]), ["cannot be divided"]),
        (lambda: problem(rules=["relay <= compute <= 1"]), ["two relations"]),
        (lambda: problem(rules=["0.1 <= compute >= 1"]), ["two relations"]),
        (lambda: problem(rules=["0.1 <= compute <= 1 <= 2"]), ["two relations"]),
        (lambda: problem(rules=["0.1 == compute == 0.1"]), ["two relations"]),
        (lambda: problem(rules=["0.4 <= compute <= 0.1"]), ["at_least 0.4 is above at_most 0.1"]),
        (lambda: problem(rules=["0.1 <= 0.2 <= 0.3"]), ["no protocol or group is named"]),
        (lambda: problem(rules=["relay"]), ["a relation is missing"]),
        (lambda: problem(rules=["relay <= (1"]), ["closing parenthesis"]),
        (lambda: problem(rules=["relay <= "]), ["a name or number is missing"]),
        (lambda: problem(rules=["relay $ 1"]), ["'$'", "quotes"]),
        (lambda: problem(rules=["1 <= 2"]), ["no protocol or group is named"]),
        (lambda: problem(rules=["relay - relay <= 2"]), ["no coefficient but 0"]),
        (lambda: problem(rules="relay <= 1"), ["rules is 'relay <= 1'", "list of rules"]),
        (lambda: problem(rules=[3]), ["a rule is 3", "LinearRule"]),
        (lambda: problem(rules=["relay <= 1", "relay <= 1"]), ["two rules have the same name", "relay <= 1"]),
        (lambda: LinearRule({"a": float("nan")}, at_most=1.0), ["coefficient of a", "finite number"]),
        (lambda: LinearRule({"a": 1.0}, at_most=float("nan")), ["at_most", "finite number"]),
        (lambda: LinearRule({"a": 1.0}), ["no bound", "at_most, at_least or equals"]),
        (lambda: LinearRule({"a": 1.0}, at_most=0.1, at_least=0.3), ["at_least 0.3 is above at_most 0.1"]),
        (lambda: LinearRule({"a": 1.0}, equals=0.1, at_least=0.3), ["equals alone"]),
        (lambda: LinearRule({3: 1.0}, equals=0.1), ["name 3", "names of protocols or groups"]),  # type: ignore[dict-item]
        (lambda: LinearRule([1.0], equals=0.1), ["mapping"]),  # type: ignore[arg-type]
        (lambda: LinearRule({"a": 1.0}, 1.0, name=3), ["name is 3"]),  # type: ignore[arg-type]
        (lambda: Group("g", ("a", "b"), min_share=0.5, max_share=0.4), ["min_share 0.5 is above max_share 0.4"]),
        (lambda: Group("g", ("a", "b"), min_active=2, max_active=1), ["min_active 2 is above max_active 1"]),
        (lambda: Group("g", ("a", "b"), min_active=3), ["min_active 3 is above its 2 members"]),
        (lambda: Group("g", ("a",), min_share=float("nan")), ["group g: min_share", "finite number"]),
        (lambda: Group("g", ("a",), min_active=0.5), ["group g: min_active", "whole number"]),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_near_miss(make, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@given(
    weights=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([1.0, -1.0, 2.0, -0.5]), min_size=1),
    bound=st.sampled_from([0.0, 0.25, -1.5]),
    keys=st.sampled_from([("at_most",), ("at_least",), ("equals",), ("at_least", "at_most")]),
)
def test_the_text_of_a_rule_says_the_same_rule(weights: dict[str, float], bound: float, keys: tuple[str, ...]) -> None:
    rule = LinearRule(weights, **{key: bound + 0.5 * place for place, key in enumerate(keys)})
    assert LinearRule.of_text(rule.name) == rule


def test_rules_and_group_floors_stand_in_files_as_records_or_texts() -> None:
    limits = Limits(
        groups=(Group("pool", ("relay", "compute"), 0.9, 2, 0.1, 1),),
        rules=(LinearRule({"relay": 1.0, "pool": -0.8}, at_most=0.3, at_least=-1.0), LinearRule.of_text("relay >= 0")),
    )
    one = problem(groups=limits.groups, rules=limits.rules)
    assert problem_from_dict(problem_to_dict(one)) == one
    table = problem_to_dict(one)
    table["limits"]["rules"] = ["relay >= 0"]
    assert problem_from_dict(table).limits.rules == limits.rules[1:]
    table["limits"]["rules"] = ["relay >"]
    with pytest.raises(InvalidInput, match=r"limits\.rules\[0\]"):
        problem_from_dict(table)


def test_a_group_s_name_stands_for_the_sum_of_its_members() -> None:
    both = Group("pool", ("relay", "compute"), 1.0)
    by_name = problem(groups=[both], rules=["relay >= 0.7 * pool"])
    spelt_out = problem(rules=["relay >= 0.7 * relay + 0.7 * compute"])
    assert allocate(by_name).net_benefit == allocate(spelt_out).net_benefit
    assert allocate(by_name).shares["relay"] >= 0.7 * allocate(by_name).shares[["relay", "compute"]].sum() - 1e-12


def test_limits_among_some_protocols_keep_what_these_share() -> None:
    limits = Limits(
        groups=(Group("pool", ("a", "b"), min_active=2), Group("other", ("c",), max_share=0.5)),
        rules=["a <= 2 * c", "c <= 0.5", "pool <= 0.3"],  # type: ignore[arg-type]
    )
    few = limits.among(["a"])
    assert few.groups == (Group("pool", ("a",), min_active=1),)
    assert [dict(rule.coefficients) for rule in few.rules] == [{"a": 1.0}, {"pool": 1.0}]


@pytest.mark.parametrize(
    "rule", [LinearRule({"relay": 1.0}, equals=0.6), LinearRule({"relay": 1.0, "compute": -1.0 / 3.0}, at_least=0.4)]
)
def test_a_loosened_rule_can_be_typed_as_the_way_out_prints_it(rule: LinearRule) -> None:
    with pytest.raises(Infeasible) as caught:
        allocate(problem(rules=[rule], max_change=0.1))
    assert caught.value.conflict is not None
    text = next(way.text for way in caught.value.conflict.relaxations if way.rule.startswith("rule"))
    assert allocate(problem(rules=[text.split(", to ")[1]], max_change=0.1)).certificate.is_optimal
