"""Shards elsewhere: the same plan to the last bit whoever works on it, and a worker that is lost costs a round."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from reallot import Fleet, FleetLimits, InvalidInput, allocate_fleet
from reallot.allocation.fleet.decomposition import Progress
from reallot.allocation.fleet.executors import DaskActors, Elsewhere, Processes, RayActors, Submits, crew_of
from reallot.allocation.fleet.large import LargeFleet
from reallot.allocation.fleet.rows import rows_of
from tests.allocation.fleet.test_prices_and_columns import many

HOSTS, SHARDS = 140, 7


def large() -> LargeFleet:
    fleet, limits = many(HOSTS)
    return LargeFleet(fleet, limits, rows_of(fleet, limits), np.ones(HOSTS), shard=HOSTS // SHARDS)


def solved(executor: Any, tell: Callable[[Progress], None] | None = None) -> tuple[float, bytes, int]:
    """Bound, shares as bytes and number of rounds of the same fleet."""
    fleet = large()
    makers = fleet.makers()
    assert len(makers) == SHARDS
    crew, close = crew_of(executor, makers)
    try:
        found, shares = fleet.solve(crew, SHARDS, None, gap=1e-9, stake=1.0, deadline=math.inf, tell=tell)
    finally:
        close()
    assert shares is not None
    return found.bound, shares.tobytes(), found.rounds


def test_threads_that_share_shards_give_the_same_plan() -> None:
    with ThreadPoolExecutor(2) as pool:
        assert solved(pool) == solved(None)


@pytest.mark.slow
def test_one_process_and_seven_give_the_same_plan_bit_for_bit() -> None:
    assert solved(1) == solved(7) == solved(None)


def kill_one(seats: Processes) -> None:
    (pid,) = seats.pools[1]._processes  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_costs_a_round_and_never_the_answer() -> None:
    fleet, seats = large(), Processes(2)
    makers = fleet.makers()
    crew = Elsewhere(seats, makers)

    def tell(progress: Progress) -> None:
        if progress.round == 4:
            kill_one(seats)

    try:
        found, shares = fleet.solve(crew, SHARDS, None, gap=1e-9, stake=1.0, deadline=math.inf, tell=tell)
    finally:
        seats.close()
    assert crew.lost > 0 and shares is not None
    assert (found.bound, shares.tobytes(), found.rounds) == solved(None)


class Failing(Submits):
    """Seats that lose every shard from the third round on."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        super().__init__(executor)
        self.asked = 0

    def ask(self, handle: Any, method: str, arguments: Any) -> Callable[[], Any]:
        from concurrent.futures import BrokenExecutor

        self.asked += 1
        if self.asked > 2 * SHARDS:
            raise BrokenExecutor("gone")
        return super().ask(handle, method, arguments)


def test_where_all_workers_are_lost_the_work_is_done_here() -> None:
    fleet = large()
    with ThreadPoolExecutor(1) as pool:
        crew = Elsewhere(Failing(pool), fleet.makers())
        found, shares = fleet.solve(crew, SHARDS, None, gap=1e-9, stake=1.0, deadline=math.inf, tell=None)
    assert shares is not None
    assert (found.bound, shares.tobytes(), found.rounds) == solved(None)


@pytest.mark.slow
def test_dask_actors_give_the_same_plan_and_a_lost_worker_costs_a_round() -> None:
    distributed = pytest.importorskip("distributed", reason="extra `dask`")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        assert solved(client) == solved(None)
        fleet = large()
        crew = Elsewhere(DaskActors(client), fleet.makers())

        def tell(progress: Progress) -> None:
            if progress.round == 3:
                os.kill(cluster.workers[0].pid, signal.SIGKILL)

        found, shares = fleet.solve(crew, SHARDS, None, gap=1e-9, stake=1.0, deadline=math.inf, tell=tell)
        assert shares is not None and crew.lost > 0
        assert (found.bound, shares.tobytes(), found.rounds) == solved(None)


@pytest.mark.slow
def test_ray_actors_give_the_same_plan_and_a_killed_actor_costs_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="extra `ray`")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        assert solved(ray) == solved(None)
        fleet = large()
        crew = Elsewhere(RayActors(ray), fleet.makers())

        def tell(progress: Progress) -> None:
            if progress.round == 3:
                ray.kill(crew.handles[1])

        found, shares = fleet.solve(crew, SHARDS, None, gap=1e-9, stake=1.0, deadline=math.inf, tell=tell)
        assert shares is not None and crew.lost == 1
        assert (found.bound, shares.tobytes(), found.rounds) == solved(None)
    finally:
        ray.shutdown()


@pytest.mark.parametrize("executor", ["processes", 0, 1.5, object()])
def test_what_is_no_executor_is_refused(executor: object) -> None:
    fleet = Fleet.from_arrays([[1.0, 2.0]], [[1.0, 0.0]])
    with pytest.raises(InvalidInput, match="executor"):
        allocate_fleet(fleet, FleetLimits(), executor=executor)


def test_every_round_is_told() -> None:
    told: list[Progress] = []
    _, _, rounds = solved(None, told.append)
    assert len(told) == rounds
    bounds = [each.bound for each in told]
    assert bounds == sorted(bounds, reverse=True)
