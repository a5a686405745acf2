"""A hundred adapters with 200 ms each, over real sockets on loopback: under half a second."""

from __future__ import annotations

import asyncio
import time

import pytest

from reallot.adapters.http_json import HttpJsonAdapter
from reallot.orchestration.coordinator import ProtocolCoordinator
from tests.adapters.server import Answer, Server


@pytest.mark.slow
def test_a_hundred_adapters_of_200_ms_take_under_half_a_second():
    async def run():
        async with Server(lambda request: Answer({"usd": 0.01}, delay=0.2)) as server, ProtocolCoordinator() as many:
            for number in range(100):
                many.register_adapter(f"p{number}", HttpJsonAdapter(f"p{number}", server.url, value="usd"))
            times = []
            for _ in range(4):
                started, used = time.perf_counter(), time.process_time()
                metrics = await many.poll_all()
                times.append((time.perf_counter() - started, time.process_time() - used))
            return metrics, times

    metrics, times = asyncio.run(run())
    assert metrics.total_earnings_per_hour == pytest.approx(1.0)
    # one after another they would take 20 s; what a busy machine does besides is not counted
    assert min(wall for wall, _ in times) < 2.0
    assert min(min(wall, 0.2 + used) for wall, used in times) < 0.5, times
