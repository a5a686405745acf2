"""Random worlds whose sources lose, jump as of units, say 0 and go away: laws that hold whatever happens in them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.orchestration.played import Played, simulated

pytestmark = pytest.mark.slow
STEP = 0.2
factors = st.sampled_from(
    [0.0, 1.0, 0.3, 2.0, 6.5, -0.5, -3.0, 24.0, 60.0, 1000.0, 3600.0, 1e6, 1 / 24, 1 / 60, 1e-3, 1e-6]
)
changes = st.lists(st.tuples(st.integers(1, 11), factors), max_size=4, unique_by=lambda each: each[0])
protocol = st.tuples(
    st.sampled_from([0.5, 1.0, 2.0]), changes, st.none() | st.integers(1, 9), st.sampled_from([0, 400])
)


@settings(max_examples=12)
@given(protocols=st.lists(protocol, min_size=2, max_size=3), idle=st.booleans())
def test_capacity_is_kept_and_what_jumped_or_fell_moves_one_step_and_alerts_begin_and_end_in_turn(protocols, idle):
    text = ""
    for number, (rate, changed, outage, watts) in enumerate(protocols):
        keys = [f"rate = {rate}", f"watts = {watts}"]
        keys.append("changes = [" + ", ".join(f'["{hour}h", {factor}]' for hour, factor in sorted(changed)) + "]")
        keys += [f'outages = [["{outage}h", "{outage + 1}h30m"]]'] if outage else []
        text += simulated(f"p{number}", round(1.0 / len(protocols), 6), *keys)
    power = '[power]\nusd_per_kwh = { "00:00" = 0.1, "06:00" = 0.4 }\n'
    played = Played(text, every="10m", optimizer=f"allow_idle = {str(idle).lower()}", more=power)
    bases: dict[str, float] = {}
    lows: dict[str, float] = {}
    for _ in range(73):
        played.go(0.0)
        metrics = played.runner.last.metrics
        shares = played.now()
        assert sum(shares.values()) <= 1.0 + 1e-6
        bases = {name: bases.get(name, base) for name, base in metrics.doubted.items()}
        for name, base in bases.items():
            assert shares[name] <= base + STEP + 1e-6, name
        lows = {name: lows.get(name, base) for name, base in metrics.fallen.items()}
        for name, base in lows.items():
            assert shares[name] >= base - STEP - 1e-6, name
        assert metrics.stale or metrics.measured_earnings_per_hour == metrics.total_earnings_per_hour
        played.parts.clock.advance(600.0)
    open_now: Counter[str] = Counter()
    for event in played.told:
        if event.kind in ("alert", "recovered"):
            open_now[str(event.fields["key"])] += 1 if event.kind == "alert" else -1
            assert open_now[str(event.fields["key"])] in (0, 1), event.text
    still = {alert.key for alert in played.parts.monitor.open_alerts}
    assert {key for key, count in open_now.items() if count} <= still
    played.close()
