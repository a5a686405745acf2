"""What a configuration file may say of each adapter, and the adapter that follows; imported when built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from ..engine.contracts.adapter import Capabilities, ProtocolAdapter
from ..engine.contracts.values import Part, Whole, Window
from ..errors import ConfigurationError
from ..problem import EarningsCurve, ProtocolSpec
from .shared_settings import (
    Amount,
    BuildPlace,
    Number,
    Pair,
    Settings,
    Variable,
    as_tuple,
)


class SimulatedSettings(Settings):
    """The public fake; it earns by the protocol's curve or rate.

    Parameters
    ----------
    share
        Share in force at the start.
    noise
        Relative standard deviation of the reported earnings.
    seed
        Seed of its noise; that of [simulation] where it is left out.
    daily
        Part by which earnings swing over the day.
    peak
        Time after midnight UTC at which they are highest.
    changes
        [[after, factor], ...]: from then on its earnings are so many times what they were at the start. A factor below
        0 is a loss.
    outages
        [[from, until], ...], counted from the start: it does not answer.
    late
        Time after which a change is in force.
    latency
        Time that each call takes.
    refuses
        True where every change is refused.
    acts
        False where it only reads.
    """

    simulates: ClassVar[bool] = True
    share: Part = 0.0
    noise: Annotated[float, Field(ge=0.0, le=2.0)] = 0.0
    seed: Whole | None = None
    daily: Part = 0.0
    peak: Window = timedelta(hours=18)
    changes: list[Annotated[tuple[Window, float], BeforeValidator(as_tuple)]] = Field(default_factory=list)
    outages: list[Annotated[tuple[Window, Window], BeforeValidator(as_tuple)]] = Field(default_factory=list)
    late: Window = timedelta(0)
    latency: Window = timedelta(0)
    refuses: bool = False
    acts: bool = True
    restarts: bool = False
    timeout: Window = timedelta(seconds=10)
    min_interval: Window = timedelta(0)
    cadence: Window = timedelta(0)

    def build(self, name: str, spec: ProtocolSpec | None, place: BuildPlace) -> ProtocolAdapter:
        """A SimulatedAdapter whose true earnings are the spec's curve, times what the hour makes of it."""
        from ..adapters.simulated import SimulatedAdapter

        if spec is None:
            raise ConfigurationError("a simulated protocol earns by a rate or a curve; give one of them")
        return SimulatedAdapter(
            name,
            _Earnings(spec.curves[0], self, place.start),
            share=self.share if place.share is None else place.share,
            clock=place.clock,
            noise=self.noise,
            seed=place.seed if self.seed is None else self.seed,
            outages=[(place.start + since, place.start + until) for since, until in self.outages],
            late=self.late,
            latency=self.latency.total_seconds(),
            refuses=self.refuses,
            capabilities=Capabilities(
                acts=self.acts,
                step=spec.step,
                floor=spec.decrease_floor,
                restarts=self.restarts,
                delay=self.late,
                timeout=self.timeout,
                min_interval=self.min_interval,
                cadence=self.cadence,
            ),
        )


class _Earnings:
    """USD/h of a share at a moment."""

    def __init__(self, curve: EarningsCurve, settings: SimulatedSettings, start: datetime) -> None:
        self._curve, self._daily = curve, settings.daily
        self._peak = settings.peak.total_seconds()
        self._changes = [(start + after, factor) for after, factor in sorted(settings.changes)]

    def __call__(self, share: float, moment: datetime) -> float:
        factor = 1.0
        for since, now in self._changes:
            factor = now if moment >= since else factor
        if self._daily:
            turns = (moment.timestamp() - self._peak) / 86_400.0
            factor *= 1.0 + self._daily * math.cos(2.0 * math.pi * turns)
        return factor * self._curve.value(share)


class ReplaySettings(Settings):
    """A recorded table: the first column holds moments, the first line names; the recording begins with the run.

    Parameters
    ----------
    file
        The CSV file; a relative path starts from the folder of the configuration.
    column
        Name of the column; the protocol's name where it is left out.
    share
        Share in force at the start.
    hold
        How long the last rate stands where no next one follows; twice the usual distance where it is left out.
    """

    simulates: ClassVar[bool] = True
    file: str
    column: str | None = None
    share: Part = 0.0
    hold: Window | None = None

    def build(self, name: str, spec: ProtocolSpec | None, place: BuildPlace) -> ProtocolAdapter:
        """A ReplayAdapter."""
        from ..adapters.replay import replay_adapters
        from ..errors import near_miss

        column = self.column or name
        path, share = place.folder / self.file, self.share if place.share is None else place.share
        found = replay_adapters(path, clock=place.clock, start=place.start, hold=self.hold)
        if column not in found:
            raise ConfigurationError(f"{self.file} has no column {column!r}; {near_miss(column, found)}")
        shares = dict.fromkeys(found, 0.0) | {column: share}
        return replay_adapters(path, shares=shares, clock=place.clock, start=place.start, hold=self.hold)[column]


class HttpJsonSettings(Number):
    """Any JSON endpoint.

    Parameters
    ----------
    url
        Address of the document, without secrets.
    value
        Path to the number: "currentMonth.payout". "nodes[*].earned" adds up.
    share
        Path to the share in force, or the share where it never changes.
    expect
        Path to value: what must stand there, such as {"result.unit" = "Mh/s"}; else the reading is refused.
    """

    adapter: ClassVar[str] = "http_json.HttpJsonAdapter"
    url: str
    value: str
    time: str | None = None
    time_zone: str | None = None
    share: str | Part | None = None
    expect: dict[str, Any] = Field(default_factory=dict)
    dollars: bool = False
    bearer_env: Variable | None = None
    basic_env: Pair | None = None
    headers_env: dict[str, Variable] = Field(default_factory=dict)
    params_env: dict[str, Variable] = Field(default_factory=dict)


class PrometheusSettings(Number):
    """A PromQL expression.

    Parameters
    ----------
    query
        PromQL of one series or one number, such as 'sum(rate(node_payout_cents_total[6h])) * 3600'.
    url
        Address of the server, without secrets.
    share
        PromQL of the share in force, or the share where it never changes.
    """

    adapter: ClassVar[str] = "prometheus.PrometheusAdapter"
    query: str
    url: str = "http://127.0.0.1:9090"
    share: str | Part | None = None
    bearer_env: Variable | None = None
    basic_env: Pair | None = None


class StorjSettings(Settings):
    """A storage node."""

    adapter: ClassVar[str] = "storj.StorjAdapter"
    url: str = "http://127.0.0.1:14002"
    share: Part | None = None
    most: Amount | None = 50.0
    timeout: Window = timedelta(seconds=10)
    min_interval: Window = timedelta(minutes=5)


class MysteriumSettings(Settings):
    """A node of the network of that name.

    Parameters
    ----------
    price_usd
        USD for one MYST. Without it the node has no value.
    user_env, password_env
        Environment variables with the login, where the node asks for one.
    window
        Time over which differences of its earnings are taken.
    """

    adapter: ClassVar[str] = "mysterium.MysteriumAdapter"
    url: str = "http://127.0.0.1:4050"
    price_usd: Amount | None = None
    user_env: Variable | None = None
    password_env: Variable | None = None
    share: Part | None = None
    most: Amount | None = 50.0
    window: Window = timedelta(hours=6)
    timeout: Window = timedelta(seconds=10)
    min_interval: Window = timedelta(minutes=1)


class XmrigSettings(Settings):
    """A miner.

    Parameters
    ----------
    usd_per_gigahash
        USD that 1e9 hashes bring.
    threads
        Number of threads at share 1.
    fee
        Part that pool and developers keep.
    most_hash_rate
        Hashes per second beyond which a number must be wrong.
    token_env
        Environment variable with its access token, which must not be restricted if it is to act.
    """

    adapter: ClassVar[str] = "xmrig.XmrigAdapter"
    url: str
    usd_per_gigahash: Amount
    threads: Annotated[Whole, Field(ge=1)]
    fee: Part = 0.01
    most_hash_rate: Amount | None = None
    token_env: Variable | None = None
    most: Amount | None = None
    timeout: Window = timedelta(seconds=5)
    min_interval: Window = timedelta(seconds=15)


class CommandSettings(Number):
    """A program that reads, and one that acts.

    Parameters
    ----------
    read
        The program and its arguments, as a list: it writes a JSON document to standard output.
    value
        Path to the number in the document.
    apply
        The program that sets a share and its arguments, as a list: the share stands in place of "{share}". Left out, it
        only reads.
    share
        Path to the share in force, or the share where it never changes.
    env
        Environment variables handed on beside PATH, HOME and the locale; their values are kept out of all messages.
    delay
        Time until a change is in force.
    step
        Shares come in multiples of this; 0 for any.
    floor
        Smallest share that may be asked for.
    """

    adapter: ClassVar[str] = "command.CommandAdapter"
    read: list[str]
    value: str
    apply: list[str] | None = None
    share: str | Part | None = None
    time: str | None = None
    time_zone: str | None = None
    env: list[Variable] = Field(default_factory=list)
    dollars: bool = False
    delay: Window = timedelta(0)
    step: Part = 0.0
    floor: Part = 0.0
    restarts: bool = False


class CgroupSettings(Settings):
    """Limits of CPU time or memory of a group of processes.

    Parameters
    ----------
    folder
        Folder of the group: "/sys/fs/cgroup/earning.slice/disk". It must be there, and be writable to act.
    cpus
        CPUs at share 1 (cpu.max; cpu.cfs_quota_us in version 1).
    memory
        Bytes at share 1 (memory.high; memory.soft_limit_in_bytes in version 1), in place of `cpus`.
    """

    adapter: ClassVar[str] = "cgroup.CgroupAdapter"
    folder: str
    cpus: float | None = None
    memory: Whole | None = None


ADAPTERS: Mapping[str, type[Settings]] = {
    "simulated": SimulatedSettings,
    "replay": ReplaySettings,
    "http_json": HttpJsonSettings,
    "prometheus": PrometheusSettings,
    "storj": StorjSettings,
    "mysterium": MysteriumSettings,
    "xmrig": XmrigSettings,
    "command": CommandSettings,
    "cgroup": CgroupSettings,
}
"""Settings by what `adapter` may say."""
