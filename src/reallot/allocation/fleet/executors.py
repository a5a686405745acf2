"""Shards of a fleet elsewhere: processes, Dask actors, Ray actors and plain executors behind one port.

A shard is sent once and stays with its worker; a round sends prices and brings back sums. A lost worker costs a round.
Its shard is made again from its source, the rounds that it remembered are repeated there, and the plan is the same to
the last bit. None of the libraries is needed where it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Protocol
from uuid import uuid4

from ...errors import InvalidInput
from ...problem.validation import brief, whole
from .decomposition import Crew, Here
from .shard import Shard

Maker = Callable[[], Shard]
TRIES = 3
"""How often a shard whose worker is lost is put elsewhere before it is worked on here."""


class Seats(Protocol):
    """Where shards can be put; each has a handle from then on."""

    lost: tuple[type[BaseException], ...]
    """What is raised where a worker is gone."""

    def place(self, number: int, maker: Maker) -> Any:
        """Put a shard on a worker; its handle."""

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        """Begin a method of the shard; a function that waits for its result."""

    def close(self) -> None:
        """Let go of all shards."""


class Elsewhere:
    """A crew whose shards are in seats."""

    def __init__(self, seats: Seats, makers: Sequence[Maker]) -> None:
        self.seats, self.makers = seats, list(makers)
        self.handles: list[Any] = [seats.place(i, maker) for i, maker in enumerate(self.makers)]
        self.rounds: list[tuple[Any, ...]] = []
        self.lost = 0

    def ask(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """What each shard answers, in the order of the shards."""
        given = [tuple(each[i] for each in arguments) for i in range(len(self.makers))]
        waiting = [self._begin(i, method, each) for i, each in enumerate(given)]
        results = []
        for i, each in enumerate(waiting):
            try:
                results.append(each())
            except self.seats.lost:
                results.append(self._again(i, method, given[i]))
        if method == "answer" and given:
            # a shard remembers as many rounds as its last call said
            self.rounds = [*self.rounds, given[0]][-int(given[0][1]) :]
        return results

    def _begin(self, i: int, method: str, given: tuple[Any, ...]) -> Callable[[], Any]:
        try:
            return self.seats.ask(self.handles[i], method, given)
        except self.seats.lost as error:
            return _raiser(error)

    def _again(self, i: int, method: str, given: tuple[Any, ...]) -> Any:
        """The same from a shard made anew, with the rounds that it has to remember; here where seats keep failing."""
        self.lost += 1
        for _ in range(TRIES):
            try:
                self.handles[i] = self.seats.place(i, self.makers[i])
                for before in self.rounds:
                    self.seats.ask(self.handles[i], "answer", before)()
                return self.seats.ask(self.handles[i], method, given)()
            except self.seats.lost:
                continue
        shard = self.makers[i]()
        for before in self.rounds:
            shard.answer(*before)
        self.handles[i] = _Local(shard)
        self.seats = _WithLocal(self.seats)
        return getattr(shard, method)(*given)


class _Local:
    def __init__(self, shard: Shard) -> None:
        self.shard = shard


class _WithLocal:
    """Seats, some of whose shards came back to this process."""

    def __init__(self, seats: Seats) -> None:
        self.seats, self.lost = seats, seats.lost
        self.place, self.close = seats.place, seats.close

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        if isinstance(handle, _Local):
            return lambda: getattr(handle.shard, method)(*arguments)
        return self.seats.ask(handle, method, arguments)


def _raiser(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


_RESIDENT: dict[tuple[str, int], Shard] = {}
"""The shards of this worker process, by run and number."""


def _keep(key: tuple[str, int], maker: Maker) -> None:
    for old in [each for each in _RESIDENT if each[0] != key[0]]:
        del _RESIDENT[old]
    _RESIDENT[key] = maker()


def _call(key: tuple[str, int], method: str, arguments: Sequence[Any]) -> Any:
    return getattr(_RESIDENT[key], method)(*arguments)


class Processes:
    """So many processes of this machine, each with the shards that were put there."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, workers: int) -> None:
        self.pools = [_process() for _ in range(workers)]
        self._run = uuid4().hex

    def place(self, number: int, maker: Maker) -> Any:
        """Put a shard on a worker; its handle."""
        seat = number % len(self.pools)
        try:
            self.pools[seat].submit(_keep, (self._run, number), maker).result()
        except BrokenExecutor:
            self.pools[seat] = _process()
            self.pools[seat].submit(_keep, (self._run, number), maker).result()
        return seat, (self._run, number)

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        """Begin a method of the shard; a function that waits for its result."""
        seat, key = handle
        wait: Callable[[], Any] = self.pools[seat].submit(_call, key, method, arguments).result
        return wait

    def close(self) -> None:
        """End the processes."""
        for pool in self.pools:
            pool.shutdown(cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    """One process that is started afresh: copies of this one would share the threads of its libraries."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


class Submits:
    """Any executor with `submit`: a shard may be asked of any worker, and is made there where it is not known."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, executor: Executor) -> None:
        self.executor, self._run = executor, uuid4().hex

    def place(self, number: int, maker: Maker) -> Any:
        """Put a shard on a worker; its handle."""
        return _Resident((self._run, number), maker)

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        """Begin a method of the shard; a function that waits for its result."""
        before = tuple(handle.rounds)
        if method == "answer":
            handle.rounds = [*handle.rounds, tuple(arguments)][-int(arguments[1]) :]
        waiting = self.executor.submit(_resume, handle.key, None, before, method, arguments)

        def wait() -> Any:
            known, result = waiting.result()
            if known:
                return result
            return self.executor.submit(_resume, handle.key, handle.maker, before, method, arguments).result()[1]

        return wait

    def close(self) -> None:
        """The executor belongs to the caller; shards are let go when the next fleet comes."""


class _Resident:
    def __init__(self, key: tuple[str, int], maker: Maker) -> None:
        self.key, self.maker = key, maker
        self.rounds: list[tuple[Any, ...]] = []


def _resume(
    key: tuple[str, int], maker: Maker | None, rounds: Sequence[Any], method: str, arguments: Sequence[Any]
) -> tuple[bool, Any]:
    """The method's result, after the rounds that this worker's shard has missed; (False, None) where it has none."""
    if key not in _RESIDENT:
        if maker is None:
            return False, None
        _keep(key, maker)
    shard = _RESIDENT[key]
    done = [prices.tobytes() for prices in shard.prices]
    if done != [each[0].tobytes() for each in rounds]:
        shard.prices, shard.answers = [], []
        for each in rounds:
            shard.answer(*each)
    return True, getattr(shard, method)(*arguments)


class DaskActors:
    """The workers of a Dask cluster: a shard is an actor there."""

    lost: tuple[type[BaseException], ...] = (ValueError, OSError)

    def __init__(self, client: Any) -> None:
        self.client = client

    def place(self, number: int, maker: Maker) -> Any:
        """Put a shard on a worker; its handle."""
        workers = sorted(self.client.nthreads())
        seat = [workers[number % len(workers)]]
        return self.client.submit(maker, actor=True, pure=False, workers=seat).result()

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        """Begin a method of the shard; a function that waits for its result."""
        waiting = getattr(handle, method)(*arguments)
        return lambda: waiting.result()

    def close(self) -> None:
        """Actors go with their handles."""


class RayActors:
    """The workers of a Ray cluster: a shard is an actor there."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self.lost: tuple[type[BaseException], ...] = (ray.exceptions.RayActorError,)
        self.actor, self._run = ray.remote(_RayShard), uuid4().hex

    def place(self, number: int, maker: Maker) -> Any:
        """Put a shard on a worker; its handle."""
        return self.actor.options(name=f"reallot-{self._run}-{number}-{uuid4().hex}").remote(maker)

    def ask(self, handle: Any, method: str, arguments: Sequence[Any]) -> Callable[[], Any]:
        """Begin a method of the shard; a function that waits for its result."""
        waiting = handle.ask.remote(method, tuple(arguments))
        return lambda: self.ray.get(waiting)

    def close(self) -> None:
        """Actors go with their handles."""


class _RayShard:
    def __init__(self, maker: Maker) -> None:
        self.shard = maker()

    def ask(self, method: str, arguments: Sequence[Any]) -> Any:
        return getattr(self.shard, method)(*arguments)


def _seats(executor: Any) -> Callable[[], Seats] | None:
    """What makes the seats that `executor` stands for; None for what is no executor."""
    if isinstance(executor, int) and not isinstance(executor, bool):
        return lambda: Processes(executor)
    if getattr(executor, "__name__", "") == "ray":
        return lambda: RayActors(executor)
    if callable(getattr(executor, "scheduler_info", None)):
        return lambda: DaskActors(executor)
    return (lambda: Submits(executor)) if callable(getattr(executor, "submit", None)) else None


def require_executor(executor: Any) -> None:
    """Raises InvalidInput for what is no executor."""
    if _seats(executor) is None:
        raise InvalidInput(
            f"executor is {brief(executor)}; give a number of processes, an executor with `submit`, a Dask Client, or "
            "the module ray after ray.init()"
        )
    if isinstance(executor, int):
        whole(executor, "executor (processes)", 1)


def crew_of(executor: Any, makers: Sequence[Maker]) -> tuple[Crew, Callable[[], None]]:
    """The shards where `executor` says, and what lets go of them."""
    make_seats = None if executor is None else _seats(executor)
    if make_seats is None:
        return Here([make() for make in makers]), lambda: None
    seats = make_seats()
    return Elsewhere(seats, makers), seats.close
