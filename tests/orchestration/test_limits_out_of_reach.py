"""Limits that the present shares break, and that one plan cannot meet: gone towards, told, and ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import EarningsOptimizer, Group, Limits, OptimizerConfig, ProtocolSpec
from reallot.cli.main import main
from reallot.engine.contracts.records import AggregatedMetrics
from tests.orchestration.playing import Play, simulated
from tests.orchestration.worlds import START

CHANGE = 0.2


@pytest.mark.slow
def test_a_share_far_above_its_limit_goes_there_in_steps_and_it_is_told_until_it_is_there():
    played = Play(simulated("a", 0.5, "rate = 3.0", "max_share = 0.2") + simulated("b", 0.5, "rate = 1.0")).go(2)
    assert [shares["a"] for _, shares in played.shares[::12]] == pytest.approx([0.3, 0.2, 0.2])
    assert (played.alerts("limits"), played.ends("limits"), played.alerts("conflict")) == (1, 1, 0)
    assert "a holds 0.50, above max_share 0.20" in played.of("alert")[0]


def test_a_limit_that_one_plan_meets_is_met_at_once_though_that_earns_less():
    played = Play(simulated("a", 0.5, "rate = 3.0", "max_share = 0.4") + simulated("b", 0.5, "rate = 1.0")).go(0.1)
    assert played.now() == pytest.approx({"a": 0.4, "b": 0.6})


@pytest.mark.slow
def test_a_share_far_below_its_floor_is_raised_in_steps():
    played = Play(simulated("a", 0.0, "rate = 0.1", "min_share = 0.5") + simulated("b", 1.0, "rate = 1.0")).go(3)
    assert played.now() == pytest.approx({"a": 0.5, "b": 0.5})


@pytest.mark.slow
def test_a_group_with_too_much_and_one_with_too_many_active_are_brought_down_in_steps():
    three = simulated("a", 0.5, "rate = 3.0") + simulated("b", 0.3, "rate = 1.0") + simulated("c", 0.2, "rate = 2.0")
    group = '[[limits.groups]]\nname = "g"\nmembers = ["a", "b"]\n'
    assert Play(three + group + "max_share = 0.2").go(3).now()["c"] == pytest.approx(0.8)
    played = Play(three + group.replace('"b"', '"b", "c"') + "max_active = 1").go(3)
    assert played.now() == pytest.approx({"a": 1.0, "b": 0.0, "c": 0.0})


@pytest.mark.slow
def test_where_no_plan_comes_nearer_the_conflict_is_an_alert_and_explain_last_shows_it(tmp_path: Path, capsys):
    """Steps of 0.25, and no change above 0.2: nothing can move a, and all others go on."""
    stuck = simulated("a", 0.5, "rate = 3.0", "max_share = 0.2", "step = 0.25")
    played = Play(stuck + simulated("b", 0.3, "rate = 1.0") + simulated("c", 0.2, "rate = 2.0"), ledger=tmp_path).go(2)
    assert played.now() == pytest.approx({"a": 0.5, "b": 0.0, "c": 0.5})
    assert (played.alerts("conflict"), played.ends("conflict")) == (1, 0)
    told = next(text for text in played.of("alert") if "no plan can mend" in text)
    assert "max_share 0.20" in told and "raise max_change of a by 0.30" in told
    played.close()
    assert main(["explain", "LAST", "--ledger", str(tmp_path)]) == 0
    assert "no plan could mend that: a (now 0.50)" in capsys.readouterr().out


def test_limits_that_contradict_each_other_move_nothing_and_are_told_until_they_do_not():
    limits = simulated("a", 0.6, "rate = 3.0", "max_share = 0.4"), simulated("b", 0.4, "rate = 1.0", "max_share = 0.5")
    played = Play("".join(limits)).go(0.3)
    assert played.now() == {"a": 0.6, "b": 0.4}
    assert (played.alerts("conflict"), played.ends("conflict")) == (1, 0)
    optimizer = played.parts.optimizer
    optimizer._specs = {name: replace(spec, max_share=0.6) for name, spec in optimizer._specs.items()}
    played.go(0.3)
    assert (played.alerts("conflict"), played.ends("conflict")) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "b", "who", "takes"),
    [
        ((0.5, "max_share = 0.2"), (0.5,), "a", lambda share: share >= 0.5),
        ((0.5, "max_share = 0.2"), (0.5,), "b", lambda share: share <= 0.5),
        ((0.0, "min_share = 0.5"), (1.0,), "a", lambda share: share <= 0.3),
    ],
    ids=["the giver keeps what it has", "the taker takes no more", "what has to grow takes no more"],
)
def test_a_target_that_stands_in_the_way_of_limits_is_a_conflict_told_once_and_asked_ever_less_often(a, b, who, takes):
    played = Play(simulated("a", a[0], "rate = 3.0", *a[1:]) + simulated("b", b[0], "rate = 1.0"), every="20m")
    played.adapters[who].refuses = lambda share: not takes(share)
    played.go(24)
    assert (played.alerts("conflict"), played.ends("conflict")) == (1, 0) and played.alerts("limits") == 1
    assert played.changes(who) <= 7 and max(map(played.changes, "ab")) <= 12
    assert played.alerts(f"refuses:{who}") == 1 and played.most <= 1.0 + 1e-9
    played.adapters[who].refuses = False
    played.go(12)
    assert not played.parts.monitor.open_alerts and played.alerts("conflict") == 1
    played.assert_alerts_begin_and_end_in_turn()


@st.composite
def broken_worlds(draw):
    """Shares of 2 to 5 protocols with rates, and limits that a split within meets."""
    count = draw(st.integers(2, 5))
    names = [f"p{i}" for i in range(count)]

    def split() -> list[float]:
        parts = [draw(st.integers(0, 8)) for _ in names]
        parts[draw(st.integers(0, count - 1))] += 1
        return [part / sum(parts) for part in parts]

    shares, target = split(), split()
    specs = []
    for name, share in zip(names, target, strict=True):
        low, high = (draw(st.sampled_from([0.0, 0.05, 1.0])) for _ in "lh")
        specs.append(ProtocolSpec(name, 0.0, min_share=max(0.0, share - low), max_share=min(1.0, share + high)))
    groups = ()
    if count > 2 and draw(st.booleans()):
        groups = (Group("g", tuple(names[:2]), max_share=sum(target[:2]) + 0.02),)
    rates = {name: draw(st.floats(0.1, 5.0)) for name in names}
    return dict(zip(names, shares, strict=True)), specs, groups, rates


def _breach(shares, specs, groups) -> float:
    own = sum(max(0.0, shares[s.name] - s.max_share) + max(0.0, s.min_share - shares[s.name]) for s in specs)
    return own + sum(max(0.0, sum(shares[name] for name in g.members) - g.max_share) for g in groups)


@pytest.mark.slow
@given(broken_worlds())
def test_every_plan_comes_nearer_to_limits_that_can_be_met_until_they_are(world):
    shares, specs, groups, rates = world
    optimizer = EarningsOptimizer(
        OptimizerConfig(max_allocation_change=CHANGE), specs=specs, limits=Limits(groups=groups)
    )
    for hour in range(30):
        metrics = AggregatedMetrics(
            timestamp=START + timedelta(hours=hour),
            total_earnings_per_hour=1.0,
            earnings_by_protocol={name: rates[name] * share for name, share in shares.items()},
            allocation_by_protocol=shares,
            connection_status=dict.fromkeys(shares, True),
        )
        plan = optimizer.calculate_optimal_allocation(metrics)
        before = _breach(shares, specs, groups)
        assert not plan.conflict
        assert bool(plan.breaks) == (before > 1e-7) or before < 1e-6
        if before < 1e-6:
            return
        assert optimizer.should_reallocate(optimizer.analyze_opportunities(metrics), plan)
        assert all(abs(change) <= CHANGE + 1e-7 for change in plan.moves.values())
        assert sum(plan.allocation.values()) == pytest.approx(1.0)
        shares = plan.allocation
        assert _breach(shares, specs, groups) < before - 1e-6
    raise AssertionError("not there after 30 plans")
