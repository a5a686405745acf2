"""Wrong input raises InvalidInput, saying what, the number, the rule and the way out."""

from __future__ import annotations

import math

import pytest

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    InvalidInput,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    ReallotError,
    Scenarios,
)

NAN, INF = math.nan, math.inf
RATES = {"relay": 2.0, "compute": 1.0}
NOW = {"relay": 0.5, "compute": 0.5}


def problem(**changes):
    """A good problem with some arguments replaced."""
    arguments = {"protocols": RATES, "current": NOW} | changes
    return AllocationProblem(arguments.pop("protocols"), arguments.pop("current"), **arguments)


CURVES = [
    (lambda: EarningsCurve.flat(NAN), ["rate (USD/h)", "nan", "finite"]),
    (lambda: EarningsCurve.flat(INF), ["rate (USD/h)", "inf", "finite"]),
    (lambda: EarningsCurve.flat("2"), ["rate (USD/h)", "'2'", "number"]),
    (lambda: EarningsCurve.flat(None), ["rate (USD/h)", "None", "number"]),
    (lambda: EarningsCurve.flat(True), ["rate (USD/h)", "True", "number"]),
    (lambda: EarningsCurve.through([]), ["0 shares", "one of each per point"]),
    (lambda: EarningsCurve.through([(0, 0), (0.5, NAN)]), ["earnings (USD/h)", "nan", "finite"]),
    (lambda: EarningsCurve.through([(0, 0), (INF, 1)]), ["share", "inf", "finite"]),
    (lambda: EarningsCurve.through([(-0.1, 0), (0.5, 1)]), ["share", "-0.1", "at least 0"]),
    (lambda: EarningsCurve.through([(0.1, 0), (0.5, 1)]), ["starts at share 0", "0.1", "add the point (0, 0)"]),
    (lambda: EarningsCurve.through([(0, 0), (0.6, 1), (0.3, 2)]), ["rise strictly", "0.3 follows 0.6", "sort"]),
    (lambda: EarningsCurve.through([(0, 0), (0.3, 1), (0.3, 2)]), ["rise strictly", "0.3 follows 0.3"]),
    (lambda: EarningsCurve.through([(0, 0, 0)]), ["(0, 0, 0)", "(share, USD per hour)"]),
    (lambda: EarningsCurve.through([0.3, 0.9]), ["0.3", "(share, USD per hour)"]),
    (lambda: EarningsCurve.through(2.0), ["2.0", "give a list of (share, USD per hour)"]),
    (lambda: EarningsCurve.pieces([(3,)]), ["(3,)", "(slope, width)"]),
    (lambda: EarningsCurve((0.0, 0.5), (0.0,), 0.0), ["2 shares", "1 earnings"]),
    (lambda: EarningsCurve((0.0,), (0.0,), NAN), ["last slope", "nan"]),
    (lambda: EarningsCurve.pieces([(3, -0.1)]), ["width -0.1", "above 0"]),
    (lambda: EarningsCurve.pieces([(3, 0)]), ["width 0", "above 0"]),
    (lambda: EarningsCurve.pieces([(3, NAN)]), ["width", "nan", "finite"]),
    (lambda: EarningsCurve.pieces([(INF, 0.1)]), ["slope", "inf", "finite"]),
    (lambda: EarningsCurve.flat(1).scaled(INF), ["factor", "inf", "finite"]),
]

PROTOCOLS = [
    (lambda: ProtocolSpec("", 1.0), ["name", "''", "non-empty"]),
    (lambda: ProtocolSpec(7, 1.0), ["name", "7", "string"]),
    (lambda: ProtocolSpec("relay", "fast"), ["relay: rate (USD/h)", "'fast'", "number"]),
    (lambda: ProtocolSpec("relay", NAN), ["relay: rate (USD/h)", "nan", "finite"]),
    (lambda: ProtocolSpec("relay", []), ["relay", "empty", "one per period"]),
    (lambda: ProtocolSpec("relay", [1.0, NAN]), ["relay: rate (USD/h)", "nan", "finite"]),
    (lambda: ProtocolSpec("relay", 1.0, min_share=-0.1), ["relay: min_share", "-0.1", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, min_share=0.6, max_share=0.4), ["relay", "min_share 0.6", "max_share 0.4"]),
    (lambda: ProtocolSpec("relay", 1.0, max_share=NAN), ["relay: max_share", "nan", "finite"]),
    (lambda: ProtocolSpec("relay", 1.0, entry_share=-1), ["relay: entry_share", "-1", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, step=INF), ["relay: step", "inf", "finite"]),
    (lambda: ProtocolSpec("relay", 1.0, decrease_floor=-1), ["relay: decrease_floor", "-1"]),
    (lambda: ProtocolSpec("relay", 1.0, move_cost=-0.02), ["relay: move_cost", "-0.02", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, move_cost_in=-0.02), ["relay: move_cost_in", "-0.02", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, move_cost_out="free"), ["relay: move_cost_out", "'free'", "number"]),
    (lambda: ProtocolSpec("relay", 1.0, move_fee=NAN), ["relay: move_fee", "nan"]),
    (lambda: ProtocolSpec("relay", 1.0, warm_up_hours=-1), ["relay: warm_up_hours", "-1", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, warm_up_earns=1.5), ["relay: warm_up_earns", "1.5", "between 0 and 1"]),
    (lambda: ProtocolSpec("relay", 1.0, lock_in=0.3), ["relay", "0.3", "LockIn(share, until)"]),
    (lambda: ProtocolSpec("relay", 1.0, uses={"cpu": -1}), ["relay: uses cpu", "-1", "at least 0"]),
    (lambda: ProtocolSpec("relay", 1.0, uses=["cpu"]), ["relay: uses", "list", "by protocol name"]),
    (lambda: LockIn(-0.1), ["lock_in share", "-0.1", "at least 0"]),
    (lambda: LockIn(0.1, until=0), ["lock_in until", "0", "at least 1"]),
    (lambda: LockIn(0.1, until=1.5), ["lock_in until", "1.5", "whole number"]),
]

LIMITS = [
    (lambda: Limits(max_change=-0.2), ["max_change", "-0.2", "at least 0"]),
    (lambda: Limits(max_change=NAN), ["max_change", "nan", "finite"]),
    (lambda: Limits(max_change={"relay": -1}), ["max_change relay", "-1", "at least 0"]),
    (lambda: Limits(max_change=[0.1, -1]), ["max_change in period 1", "-1", "at least 0"]),
    (lambda: Limits(max_turnover=INF), ["max_turnover", "inf", "finite"]),
    (lambda: Limits(max_turnover={"relay": 0.1}), ["max_turnover is by name", "one number"]),
    (lambda: Limits(max_moves=-1), ["max_moves", "-1", "at least 0"]),
    (lambda: Limits(max_moves=1.5), ["max_moves", "1.5", "whole number"]),
    (lambda: Limits(min_move=-0.1), ["min_move", "-0.1", "at least 0"]),
    (lambda: Limits(min_gain=NAN), ["min_gain (USD)", "nan", "finite"]),
    (lambda: Limits(held="relay"), ["held", "'relay'", "{'relay'}"]),
    (lambda: Limits(held=1), ["held", "1", "list of names"]),
    (lambda: Limits(groups=Group("g", ("a",), 1.0)), ["groups", "Group(name='g'", "list of Group"]),
    (lambda: Limits(groups=["g"]), ["groups", "'g'", "Group(name, members"]),
    (lambda: Limits(held={"relay": -1}), ["held relay until", "-1", "at least 0"]),
    (lambda: Limits(allow_one_unit="yes"), ["allow_one_unit", "'yes'", "True or False"]),
    (lambda: Limits(groups=(Group("g", ("a",), 1.0), Group("g", ("b",), 1.0))), ["same name", "g"]),
    (lambda: Group("g", "relay", max_share=0.5), ["group g", "'relay'", "list of names"]),
    (lambda: Group("g", (), max_share=0.5), ["group g", "non-empty"]),
    (lambda: Group("g", ("a", "a"), max_share=0.5), ["group g", "different names"]),
    (lambda: Group("g", ("a",)), ["group g", "no rule", "max_share, max_active or both"]),
    (lambda: Group("g", ("a",), max_share=-1), ["group g: max_share", "-1", "at least 0"]),
    (lambda: Group("g", ("a",), max_active=0.5), ["group g: max_active", "0.5", "whole number"]),
]

RISK = [
    (lambda: Scenarios(), ["scenarios", "at least one"]),
    (lambda: Scenarios(rates={"relay": [1.0, NAN]}), ["scenario rates relay", "nan", "finite"]),
    (lambda: Scenarios(rates={"relay": 1.0}), ["scenario rates relay", "1.0", "one entry per scenario"]),
    (lambda: Scenarios(rates={"relay": [1.0]}, probabilities=1.0), ["probabilities", "1.0", "list of numbers"]),
    (lambda: Scenarios(factors={"relay": [-0.5]}), ["scenario factors relay", "-0.5", "at least 0"]),
    (lambda: Scenarios(rates={"a": [1.0]}, factors={"a": [1.0]}), ["both rates and factors", "'a'", "one of them"]),
    (lambda: Scenarios(rates={"a": [1.0, 2.0], "b": [1.0]}), ["[1, 2] entries", "the same number"]),
    (lambda: Scenarios(rates={"a": [1.0]}, probabilities=[0.5, 0.5]), ["[1, 2] entries", "the same number"]),
    (lambda: Scenarios(rates={"a": [1, 2]}, probabilities=[0.5, 0.4]), ["sum to 0.9", "must sum to 1"]),
    (lambda: Scenarios(rates={"a": [1, 2]}, probabilities=[1.5, -0.5]), ["probability", "1.5", "between 0 and 1"]),
    (lambda: CVaR(level=1.0), ["CVaR level", "below 1", "0.95"]),
    (lambda: CVaR(level=-0.1), ["CVaR level", "-0.1", "between 0 and 1"]),
    (lambda: CVaR(weight=2.0), ["CVaR weight", "2", "between 0 and 1"]),
    (lambda: RateUncertainty(-1.0), ["radius (USD/h)", "-1", "at least 0"]),
    (lambda: RateUncertainty({"relay": NAN}), ["radius relay (USD/h)", "nan", "finite"]),
    (lambda: RateUncertainty(1.0, budget=-1), ["budget of uncertainty", "-1", "at least 0"]),
]

PROBLEMS = [
    (lambda: problem(protocols={}), ["protocols is empty", "at least one"]),
    (lambda: problem(protocols=2), ["protocols", "2", "ProtocolSpec records, or a table by name"]),
    (lambda: problem(protocols=RATES | {"relay": NAN}), ["relay: rate (USD/h)", "nan", "finite"]),
    (lambda: problem(protocols=["relay"]), ["protocols", "'relay'", "ProtocolSpec"]),
    (lambda: problem(protocols=[ProtocolSpec("a", 1), ProtocolSpec("a", 2)]), ["protocols", "'a'", "more than once"]),
    (lambda: problem(protocols={"relay": ProtocolSpec("x", 1.0)}), ["'x'", "'relay'", "one name"]),
    (lambda: problem(current=[0.5, 0.5]), ["current", "list", "nothing is aligned by position"]),
    (lambda: problem(current=NOW | {"relais": 0.1}), ["current", "'relais'", "did you mean 'relay'?"]),
    (lambda: problem(current={"relay": 0.5}), ["current", "'compute'", "give 0"]),
    (lambda: problem(current={"relay": NAN, "compute": 0.5}), ["current relay", "nan", "finite"]),
    (lambda: problem(current={"relay": -0.5, "compute": 1.5}), ["current relay", "-0.5", "at least 0"]),
    (lambda: problem(horizon_hours=0), ["horizon_hours is 0", "24 is a day"]),
    (lambda: problem(horizon_hours=-1), ["horizon_hours", "-1", "at least 0"]),
    (lambda: problem(periods=0), ["periods", "0", "at least 1"]),
    (lambda: problem(periods=2.5), ["periods", "2.5", "whole number"]),
    (lambda: problem(allow_idle=1), ["allow_idle", "1", "True or False"]),
    (lambda: problem(capacity=-1), ["capacity", "-1", "at least 0"]),
    (lambda: problem(capacity=INF), ["capacity", "inf", "finite"]),
    (lambda: problem(reserve=1.5), ["reserve 1.5", "capacity 1"]),
    (lambda: problem(capacity=None), ["relay", "nothing bounds its share", "max_share or a resource use"]),
    (lambda: problem(resources={1: 2.0}), ["a resource's name is 1", "non-empty string"]),
    (lambda: problem(capacity=None, reserve=0.1), ["reserve", "0.1", "no capacity", "give a capacity"]),
    (lambda: problem(resources={"cpu": -1}), ["resource cpu", "-1", "at least 0"]),
    (lambda: problem(resources=[1.0]), ["resources", "list"]),
    (lambda: problem(limits={"max_change": 0.2}), ["limits", "Limits("]),
    (lambda: problem(limits=Limits(held={"relai"})), ["held", "'relai'", "did you mean 'relay'?"]),
    (lambda: problem(limits=Limits(held={"relai": 1})), ["held", "'relai'", "did you mean 'relay'?"]),
    (lambda: problem(limits=Limits(max_change={"computer": 1})), ["max_change", "'computer'", "mean 'compute'?"]),
    (lambda: problem(limits=Limits(max_change=[0.1, 0.2])), ["max_change has 2 entries for 1 periods"]),
    (lambda: problem(limits=Limits(max_turnover=[0.1]), periods=2), ["max_turnover has 1 entries for 2 periods"]),
    (lambda: problem(limits=Limits(groups=(Group("g", ("x",), 1.0),))), ["group g", "'x'", "known: relay, compute"]),
    (
        lambda: problem(
            protocols=[ProtocolSpec("relay", 1, uses={"cup": 1})], current={"relay": 1}, resources={"cpu": 1}
        ),
        ["relay: uses", "'cup'", "did you mean 'cpu'?"],
    ),
    (
        lambda: problem(protocols=[ProtocolSpec("relay", 1, uses={"cpu": 1})], current={"relay": 1}),
        ["relay: uses", "'cpu'", "none are known"],
    ),
    (lambda: problem(protocols=RATES | {"relay": (1.0, 2.0)}), ["relay", "2 curves for 1 periods", "one per period"]),
    (lambda: problem(rates={"relay": [1.0, 2.0]}), ["rates relay has 2 entries for 1 periods"]),
    (lambda: problem(rates={"relay": 1.0}), ["rates relay", "1.0", "one rate (USD/h) per period"]),
    (lambda: problem(rates={"relay": [NAN]}), ["rates relay (USD/h) in period 0", "nan"]),
    (lambda: problem(rates={"relax": [1.0]}), ["rates", "'relax'", "did you mean 'relay'?"]),
    (lambda: problem(rates=[[1.0, 2.0]]), ["rates", "list", "nothing is aligned by position"]),
    (
        lambda: problem(protocols=RATES | {"relay": EarningsCurve.through([(0, 0), (1, 1)])}, rates={"relay": [1.0]}),
        ["rates", "'relay'", "has a curve", "one curve per period"],
    ),
    (lambda: problem(scenarios={"relay": [1.0]}), ["scenarios", "dict", "Scenarios("]),
    (lambda: problem(scenarios=Scenarios(rates={"relays": [1.0]})), ["scenario rates", "'relays'", "'relay'?"]),
    (lambda: problem(scenarios=Scenarios(rates={"relay": [[1.0, 2.0]]})), ["relay", "one for each of 1 periods"]),
    (
        lambda: problem(
            protocols=RATES | {"relay": EarningsCurve.through([(0, 0), (1, 1)])},
            scenarios=Scenarios(rates={"relay": [1.0]}),
        ),
        ["scenario rates", "'relay'", "has a curve", "factors"],
    ),
    (lambda: problem(risk=CVaR()), ["CVaR needs scenarios", "Scenarios("]),
    (lambda: problem(risk=0.95), ["risk", "0.95", "CVaR(...) or RateUncertainty(...)"]),
    (lambda: problem(risk=RateUncertainty({"relai": 1.0})), ["radius", "'relai'", "did you mean 'relay'?"]),
    (lambda: problem()["relai"], ["'relai'", "did you mean 'relay'?"]),
]


@pytest.mark.parametrize(("call", "parts"), [*CURVES, *PROTOCOLS, *LIMITS, *RISK, *PROBLEMS])
def test_wrong_input_raises_and_says_what_and_how(call, parts):
    with pytest.raises(InvalidInput) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


def test_wrong_input_is_a_value_error_and_ours():
    assert issubclass(InvalidInput, ValueError) and issubclass(InvalidInput, ReallotError)


def test_a_good_problem_is_accepted():
    assert problem().names == ("relay", "compute")


def test_a_long_list_of_known_names_is_cut():
    many = {f"node-{k:02d}": 1.0 for k in range(20)}
    with pytest.raises(InvalidInput, match=r"known: node-00, .*node-07, \.\.\.$"):
        AllocationProblem(many, dict.fromkeys(many, 0.05), limits=Limits(held={"quite else"}))


def test_a_problem_is_frozen():
    with pytest.raises(AttributeError):
        problem().reserve = 0.5
