"""Scenarios A to N of the domain, end to end: a configuration, simulated protocols, a clock moved by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from reallot import AllocationProblem, EarningsCurve, Limits, ProtocolSpec, allocate
from reallot.adapters.reading import Reader
from reallot.adapters.series import Series, Unit
from reallot.engine.contracts.adapter import Capabilities
from tests.orchestration.played import Played, simulated

pytestmark = pytest.mark.slow


def test_a_a_full_disk_keeps_what_it_stores_and_idle_capacity_goes_to_the_miner():
    played = Played(
        simulated("storage", 0.5, "curve = [[0, 0], [0.5, 0.01]]", "decrease_floor = 0.5")
        + simulated("miner", 0.0, "rate = 0.1")
    ).go(4)
    assert played.now() == pytest.approx({"storage": 0.5, "miner": 0.5})
    assert len(played.of("move")) == 3  # 0.2, 0.2 and 0.1, an hour apart


def test_b_an_unvetted_node_that_earns_a_hundredth_gives_way_to_the_vetted_one():
    played = Played(
        simulated("unvetted", 0.5, "rate = 1.0", 'changes = [["0s", 0.01]]') + simulated("vetted", 0.5, "rate = 1.0")
    ).go(4)
    assert played.now() == pytest.approx({"unvetted": 0.0, "vetted": 1.0})


def test_c_cards_are_moved_one_at_a_time_and_never_in_parts():
    played = Played(
        simulated("rental", 0.25, "rate = 0.8", "step = 0.25", 'changes = [["6h", 0.05]]')
        + simulated("filler", 0.75, "rate = 0.3", "step = 0.25"),
        more="[limits]\nallow_one_unit = true",
    )
    played.go(5)
    assert played.now() == pytest.approx({"rental": 1.0, "filler": 0.0})
    played.go(8)  # nobody rents any more
    assert played.now()["filler"] == pytest.approx(1.0)
    for _, shares in played.shares:
        assert all(share / 0.25 == pytest.approx(round(share / 0.25), abs=1e-6) for share in shares.values())


def test_d_of_two_apps_behind_one_address_never_both_run():
    played = Played(
        simulated("one", 0.1, "curve = [[0, 0], [0.1, 0.004]]")
        + simulated("other", 0.0, "curve = [[0, 0], [0.1, 0.02]]")
        + simulated("miner", 0.9, "rate = 0.01"),
        more='[[limits.groups]]\nname = "address"\nmembers = ["one", "other"]\nmax_active = 1',
    ).go(3)
    assert played.now() == pytest.approx({"one": 0.0, "other": 0.1, "miner": 0.9})
    assert all(min(shares["one"], shares["other"]) == 0.0 for _, shares in played.shares)


def test_e_vaults_whose_rate_falls_with_the_deposit_end_at_the_optimum_of_their_curves():
    curves = {
        "a": [[0, 0], [0.2, 0.04], [0.4, 0.06], [1, 0.07]],
        "b": [[0, 0], [0.3, 0.045], [0.6, 0.075]],
        "c": [[0, 0], [0.3, 0.06], [0.9, 0.075]],
    }
    start = {"a": 0.8, "b": 0.1, "c": 0.1}
    played = Played("".join(simulated(name, start[name], f"curve = {curves[name]}") for name in curves)).go(8)
    specs = [ProtocolSpec(name, EarningsCurve.through([(x, y) for x, y in curve])) for name, curve in curves.items()]
    best = allocate(AllocationProblem(specs, start, limits=Limits()))
    earned = sum(spec.curves[0].value(played.now()[spec.name]) for spec in specs)
    assert earned == pytest.approx(best.earnings_per_hour, rel=0.02)


def test_f_a_spike_of_three_samples_moves_nothing():
    spike = 'changes = [["2h", 8.0], ["2h3m", 1.0]]'
    played = Played(
        simulated("relay", 0.5, "rate = 1.0", "noise = 0.05", spike)
        + simulated("compute", 0.5, "rate = 1.0", "noise = 0.05"),
        every="1m",
    ).go(4)
    assert played.of("move") == []


def test_g_a_source_that_is_dead_for_two_hours_keeps_its_share_and_is_told_once():
    played = Played(
        simulated("relay", 0.5, "rate = 2.0", 'outages = [["1h30m", "3h30m"]]')
        + simulated("compute", 0.3, "rate = 2.0", 'changes = [["2h", 1.6]]')
        + simulated("spare", 0.2, "rate = 2.0")
    ).go(6)
    dead = [shares["relay"] for at, shares in played.shares if 1.5 <= _hours(played, at) < 3.5]
    assert len(dead) == 24 and set(dead) == {0.5}
    assert played.alerts("disconnected:relay") == 1
    [over] = [text for text in played.of("recovered") if "relay" in text]
    assert over.startswith("over after") and over.count("over") == 1
    assert any("spare" in text and "compute" in text for text in played.of("move"))  # the others go on
    report = asyncio.run(played.parts.monitor.generate_report(played.shares[0][0], played.shares[-1][0]))
    assert report.uptime["relay"] == pytest.approx(4 / 6, abs=0.02)
    assert report.carried_earnings > 0.0


def test_h_a_disk_is_never_shrunk_below_what_it_stores():
    played = Played(
        simulated("storage", 0.55, "rate = 0.1", "decrease_floor = 0.3") + simulated("miner", 0.45, "rate = 1.0")
    ).go(4)
    assert played.now() == pytest.approx({"storage": 0.3, "miner": 0.7})
    assert not any("refuse" in event.text for event in played.told)


def test_i_after_a_crash_between_release_and_acquire_the_next_start_puts_back_what_was_given(tmp_path: Path):
    protocols = simulated("relay", 0.6, "rate = 1.0") + simulated("compute", 0.4, "rate = 3.0")
    first = Played(protocols, ledger=tmp_path)

    async def crash():
        asked = asyncio.Event()

        async def never(share: float) -> None:
            asked.set()
            await asyncio.Event().wait()

        first.parts.coordinator.adapters["compute"].apply_allocation = never
        task = asyncio.ensure_future(first.runner.cycle())
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(crash())
    left = first.now()
    assert left == pytest.approx({"relay": 0.4, "compute": 0.4})
    first.close()
    second = Played(protocols, ledger=tmp_path)
    for name, adapter in second.parts.coordinator.adapters.items():
        asyncio.run(adapter.apply_allocation(left[name]))
    second.go(0.4)  # what was asked for may still happen for a quarter of an hour: so long nothing else takes its room
    assert second.shares[0][1] == pytest.approx(left)
    assert second.now() == pytest.approx({"relay": 0.6, "compute": 0.4})
    assert second.parts.engine.journal.open_operation() is None
    second.close()


def test_j_a_way_back_that_fails_halts_and_is_told_once():
    played = Played(simulated("relay", 0.6, "rate = 1.0") + simulated("compute", 0.4, "rate = 3.0"))
    adapters = played.parts.coordinator.adapters
    adapters["compute"].refuses = True
    adapters["relay"].refuses = lambda share: share > 0.5  # gives, and does not take back
    played.go(6)
    assert played.parts.engine.journal.halted()
    assert list(played.parts.engine.journal.frozen()) == ["relay"]
    assert played.alerts("halted") == 1
    assert played.of("move") == []
    assert adapters["relay"].share == pytest.approx(0.4)
    asyncio.run(played.parts.engine.resume(adapters))
    adapters["compute"].refuses = False
    played.go(3)
    assert played.now()["compute"] > 0.4


@pytest.mark.parametrize("allowed", [True, False])
def test_k_an_entry_larger_than_the_largest_change_needs_the_exception(allowed: bool):
    played = Played(
        simulated("storage", 0.0, "rate = 1.0", "entry_share = 0.25", "max_share = 0.25")
        + simulated("miner", 0.6, "rate = 0.1")
        + simulated("filler", 0.4, "rate = 0.1"),
        more=f"[limits]\nallow_one_unit = {str(allowed).lower()}",
    ).go(2)
    assert played.now()["storage"] == pytest.approx(0.25 if allowed else 0.0)


def test_l_equal_rates_that_swing_for_seven_days_move_nothing():
    keys = ("rate = 1.0", "noise = 0.1", "daily = 0.5")
    played = Played("".join(simulated(name, 0.25, *keys) for name in ("a", "b", "c", "d")), every="10m").go(7 * 24)
    assert played.of("move") == []
    assert played.runner.polls == 7 * 24 * 6 + 1


def test_m_a_restart_within_a_hold_goes_on_with_it(tmp_path: Path):
    protocols = simulated("relay", 0.6, "rate = 1.0") + simulated("compute", 0.4, "rate = 3.0")
    first = Played(protocols, ledger=tmp_path).go(0.25)
    moved = first.shares[0][0]
    assert len(first.of("move")) == 1
    first.close()
    second = Played(protocols, ledger=tmp_path).go(1.5)
    assert second.shares[0][1] == pytest.approx({"relay": 0.4, "compute": 0.6})
    times = [event.at for event in second.told if event.kind == "move"]
    assert len(times) == 1 and times[0] >= moved + timedelta(hours=1)
    assert times[0] <= moved + timedelta(hours=1, minutes=5)
    second.close()


class Node(Reader):
    """A node that says what it earned this month, in cents: 24 USD a day, whatever share it has."""

    share = 0.5

    def __init__(self, clock) -> None:
        series = Series("counter", resets="month")
        super().__init__(
            "node", series, Unit("cent"), share=0.5, most=None, clock=clock, capabilities=Capabilities(acts=False)
        )

    async def get_status(self):
        now = self._clock.now()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return self.status(100.0 * (now - month).total_seconds() / 3600.0, "this month")


def test_n_a_counter_that_starts_again_at_the_months_end_is_no_loss():
    played = Played(
        simulated("miner", 0.5, "rate = 2.0"),
        more="[simulation]\nstart = 2026-01-31T12:00:00Z",
    )
    played.parts.coordinator.register_adapter("node", Node(played.parts.clock))
    played.go(24)
    trends = asyncio.run(played.parts.monitor.get_earnings_trends(20))
    totals = [total for _, total in trends]
    assert totals == pytest.approx([2.0] * len(totals), rel=0.05)  # the hour around the reset is partly unknown
    assert sum(totals) / len(totals) == pytest.approx(2.0, rel=0.005)
    assert played.of("move") == []
    assert not any("node" in text for text in played.of("alert"))


def _hours(played: Played, at) -> float:
    return (at - played.shares[0][0]).total_seconds() / 3600.0
