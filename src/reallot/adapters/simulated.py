"""SimulatedAdapter: the public fake. It earns by a curve, and fails, refuses, delays and comes late when told to."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from ..engine.contracts.adapter import Capabilities, EarningsCurve
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization
from ..errors import ConfigurationError, ErrorKind, InvalidInput, ProtocolError

_BUSY, _IDLE = ResourceUtilization(cpu=1.0), ResourceUtilization(cpu=0.0)
Earn = Callable[[float, datetime], float]
"""USD/h of a share at a moment."""


class SimulatedAdapter:
    """Simulate one protocol that is read and acted on, the same at every run.

    Parameters
    ----------
    name
        Name of the protocol.
    earnings
        USD/h per unit of share, a curve of USD/h against share, or a function of share and moment.
    share
        Share in force at the start.
    clock
        The clock that is asked for the time. None is the system's.
    noise
        Relative standard deviation of the reported earnings, drawn from `seed`, name and moment.
    seed
        Seed of the noise.
    outages
        Periods (start, end) in which it does not answer.
    late
        Time after which a change is in force.
    latency
        Seconds that each call takes, on the clock.
    refuses
        True, or a function of the share that is asked for: the change is refused.
    capabilities
        What it says that it can do. None is everything, with `late` as its delay.

    Attributes
    ----------
    changes
        Moments and shares that were put in force, in order.

    Examples
    --------
    >>> import asyncio
    >>> from reallot import EarningsCurve, SimulatedAdapter
    >>> adapter = SimulatedAdapter("relay", EarningsCurve.through([(0, 0), (0.5, 1.0)]), share=0.25)
    >>> asyncio.run(adapter.get_status()).earnings_per_hour
    0.5
    """

    def __init__(
        self,
        name: str,
        earnings: float | EarningsCurve | Earn,
        *,
        share: float = 0.0,
        clock: Clock | None = None,
        noise: float = 0.0,
        seed: int = 0,
        outages: Iterable[tuple[datetime, datetime]] = (),
        late: timedelta = timedelta(0),
        latency: float = 0.0,
        refuses: bool | Callable[[float], bool] = False,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name, self.noise, self.seed = name, noise, seed
        self._random = random.Random(0)  # noqa: S311  noise of a simulation
        try:
            if callable(earnings):
                self._earn: Earn = earnings
            else:
                curve = EarningsCurve.of(earnings)
                self._earn = lambda share, moment: curve.value(share)
        except InvalidInput as error:
            raise ConfigurationError(f"{name}: {error}") from None
        self.outages, self.late, self.latency, self.refuses = list(outages), late, latency, refuses
        self.changes: list[tuple[datetime, float]] = []
        self._clock = clock or SystemClock()
        self._share = _checked(share, name, ConfigurationError)
        self._coming: list[tuple[float, float]] = []
        self._capabilities = capabilities or Capabilities(delay=late)

    def __repr__(self) -> str:
        return f"SimulatedAdapter({self.name!r}, share={self.share:g})"

    @property
    def share(self) -> float:
        """The share in force now."""
        while self._coming and self._coming[0][0] <= self._clock.monotonic():
            self._share = self._coming.pop(0)[1]
            self.changes.append((self._clock.now(), self._share))
        return self._share

    def capabilities(self) -> Capabilities:
        """Return what the adapter can do.

        Returns
        -------
        Capabilities
            What was given, else everything with `late` as the delay.
        """
        return self._capabilities

    def earns(self, share: float, moment: datetime) -> float:
        """Return what a share really earns, without noise.

        Parameters
        ----------
        share
            Fraction of capacity.
        moment
            Time (aware).

        Returns
        -------
        float
            USD/h; a loss is below 0.
        """
        return float(self._earn(share, moment))

    async def get_status(self) -> ProtocolStatus:
        """Return the earnings of the share in force, with noise.

        Returns
        -------
        ProtocolStatus
            Earnings (USD/h) and share.

        Raises
        ------
        ProtocolError
            With kind UNREACHABLE in an outage.
        """
        await self._call()
        now, share = self._clock.now(), self.share
        draw = 0.0
        if self.noise:
            self._random.seed(f"{self.seed}:{self.name}:{now.timestamp():.3f}")
            draw = self._random.gauss(0.0, 1.0)
        # lognormal, so that the mean stays and no gain becomes a loss
        factor = math.exp(self.noise * draw - 0.5 * self.noise**2)
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=self.earns(share, now) * factor,
            allocation=share,
            utilization=_BUSY if share else _IDLE,
            observed_at=now,
            source_time=now,
            healthy=True,
        )

    async def get_allocation(self) -> float:
        """Return the share in force.

        Returns
        -------
        float
            Fraction of capacity.
        """
        await self._call()
        return self.share

    async def apply_allocation(self, share: float) -> None:
        """Put a share in force, after `late`.

        Parameters
        ----------
        share
            Fraction of capacity.

        Raises
        ------
        ProtocolError
            With kind REFUSED where it refuses, with kind UNREACHABLE in an outage.
        """
        await self._call()
        wanted = _checked(share, self.name, ProtocolError)
        floor, step = self._capabilities.floor, self._capabilities.step
        if not self._capabilities.acts or (self.refuses(wanted) if callable(self.refuses) else self.refuses):
            raise ProtocolError(f"{self.name} refuses share {wanted:g}", ErrorKind.REFUSED)
        if wanted < floor - 1e-12:
            raise ProtocolError(f"{self.name}: share {wanted:g} is below its floor {floor:g}", ErrorKind.REFUSED)
        if step and abs(wanted / step - round(wanted / step)) > 1e-6:
            raise ProtocolError(f"{self.name}: share {wanted:g} is no multiple of {step:g}", ErrorKind.REFUSED)
        if wanted != (self._coming[-1][1] if self._coming else self.share):
            self._coming.append((self._clock.monotonic() + self.late.total_seconds(), wanted))
        _ = self.share

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    async def _call(self) -> None:
        if self.latency:
            await self._clock.sleep(self.latency)
        if self.outages and any(start <= self._clock.now() < end for start, end in self.outages):
            raise ProtocolError(f"{self.name} does not answer: an outage", ErrorKind.UNREACHABLE)


def _checked(share: float, name: str, error: type[ProtocolError] | type[ConfigurationError]) -> float:
    """`share` where it is one; ProtocolError is a refusal."""
    number = isinstance(share, (int, float)) and not isinstance(share, bool)
    if number and 0.0 <= share <= 1.0 + 1e-9:
        return min(float(share), 1.0)
    text = f"{name}: share {share!r} is not in [0, 1]"
    raise ProtocolError(text, ErrorKind.REFUSED) if error is ProtocolError else error(text)
