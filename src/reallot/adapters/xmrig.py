"""XmrigAdapter: a miner by its HTTP API; reads hash rates, acts by the number of its threads.

The miner knows no earnings: they are the hash rate times what the operator says a hash brings, less rejects and fee.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization
from ..engine.contracts.secrets import redact
from ..engine.contracts.validation import amount
from ..engine.contracts.validation import share as share_of
from ..errors import ConfigurationError, ErrorKind, ProtocolError
from .http import Http
from .reading import Detail, Reader, look_up
from .series import Series, Unit, exact


class XmrigAdapter(Reader):
    """One miner. A share is a number of threads out of `threads`; share 0 pauses it.

    usd_per_gigahash  USD that 1e9 hashes bring
    threads           at share 1
    fee               part that pool and developers keep
    most_hash_rate    H/s beyond which a number must be wrong
    token_env         variable with its access token, which must not be restricted if it is to act

    >>> XmrigAdapter("miner", "http://127.0.0.1:8080", usd_per_gigahash=0.02, threads=8)
    XmrigAdapter('miner', 'http://127.0.0.1:8080')
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        usd_per_gigahash: float,
        threads: int,
        fee: float = 0.01,
        most_hash_rate: float = math.inf,
        token_env: str | None = None,
        most: float | None = None,
        timeout: timedelta = timedelta(seconds=5),
        min_interval: timedelta = timedelta(seconds=15),
        clock: Clock | None = None,
    ) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ConfigurationError(f"{name}: threads is {threads!r}; give a whole number, 1 or more")
        if not 0.0 <= usd_per_gigahash < math.inf or not 0.0 <= fee < 1.0 or not most_hash_rate > 0.0:
            raise ConfigurationError(
                f"{name}: give usd_per_gigahash from 0, a fee within [0, 1), most_hash_rate above 0"
            )
        super().__init__(
            name,
            Series(),
            Unit(),
            share=None,
            most=most,
            clock=clock,
            capabilities=Capabilities(
                step=1.0 / threads,
                restarts=False,
                delay=timedelta(seconds=60),  # warm-up: its first window of hash rates
                timeout=3 * timeout,
                min_interval=min_interval,
            ),
        )
        self._http = Http(url, bearer_env=token_env, timeout=timeout)
        self._usd_per_gigahash, self._fee, self._most_hash_rate = usd_per_gigahash, fee, most_hash_rate
        self._threads = threads
        self._known: list[Any] = []

    def __repr__(self) -> str:
        return f"XmrigAdapter({self.name!r}, {self._http.origin!r})"

    async def get_status(self) -> ProtocolStatus:
        """Earnings at the newest hash rate that there is; raises ProtocolError."""
        summary = await self._http.get("/2/summary")
        share, rate = self._in_force(summary), self._hash_rate(summary)
        good, rejected = self._shares(summary)
        hourly = rate * 3600 / Decimal(10**9) * Decimal(repr(float(self._usd_per_gigahash)))
        kept = Decimal(repr((1.0 - self._fee) * (1.0 - (rejected / (good + rejected) if good + rejected else 0.0))))
        pool = look_up(summary, "connection.uptime", self.name)
        details: dict[str, Detail] = {
            "hash_rate": float(rate),
            "algorithm": redact(str(look_up(summary, "algo", self.name)), 40),
            "rejected": rejected,
        }
        status = self.status(
            hourly * kept,
            "hash rate",
            healthy=bool(exact(pool, "connection.uptime") > 0),
            utilization=ResourceUtilization(cpu=0.0 if share == 0.0 else 1.0),
            details=details,
        )
        return status.model_copy(update={"allocation": share})

    async def get_allocation(self) -> float:
        """Threads that run, out of all; 0 where it is paused."""
        return self._in_force(await self._http.get("/2/summary"))

    async def apply_allocation(self, share: float) -> None:
        """Sets the threads of the algorithm in use, or pauses; raises REFUSED where the share is no whole thread."""
        wanted = self._whole(share)
        summary = await self._http.get("/2/summary")
        if look_up(summary, "restricted", self.name) is not False:
            raise ProtocolError(f"{self.name}: its API is restricted: it may be read only", ErrorKind.REFUSED)
        if wanted == 0:
            await self._act("POST", "/json_rpc", {"method": "pause", "id": 1})
            return
        if self._running(summary) != wanted:
            await self._set_threads(summary, wanted)
        if look_up(summary, "paused", self.name):
            await self._act("POST", "/json_rpc", {"method": "resume", "id": 1})

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()

    def _whole(self, share: float) -> int:
        try:
            given = share_of(share)
        except ProtocolError as error:
            raise ProtocolError(f"{self.name}: {error}", ErrorKind.REFUSED) from None
        wanted = round(given * self._threads)
        if abs(given * self._threads - wanted) > 1e-6 * self._threads:
            raise ProtocolError(
                f"{self.name}: share {given:g} is {given * self._threads:g} of {self._threads} threads; "
                f"nearest: {wanted / self._threads:g}",
                ErrorKind.REFUSED,
            )
        return wanted

    async def _set_threads(self, summary: Any, wanted: int) -> None:
        config = await self._http.get("/1/config")
        cpu = look_up(config, "cpu", self.name)
        if not isinstance(cpu, Mapping):
            raise ProtocolError(f"{self.name}: a configuration without a cpu part", ErrorKind.SHAPE)
        key = _profile(cpu, str(look_up(summary, "algo", self.name)))
        self._known = max(self._known, _threads_of(cpu[key]), key=len)
        changed = {**config, "cpu": {**cpu, key: (self._known + [-1] * wanted)[:wanted]}}
        await self._act("PUT", "/1/config", _plain(changed))

    async def _act(self, method: str, path: str, body: Any) -> None:
        """One change; a refused one is REFUSED, one without an answer UNKNOWN."""
        try:
            _, answer = await self._http.ask(method, path, body=body)
        except ProtocolError as error:
            refused = error.kind in (ErrorKind.AUTH, ErrorKind.SHAPE) and "status 4" in str(error)
            kind = ErrorKind.REFUSED if refused else error.kind
            # after an answer that is no sound one, nobody knows
            kind = ErrorKind.UNKNOWN if kind in (ErrorKind.SHAPE, ErrorKind.TRANSIENT) else kind
            raise ProtocolError(str(error), kind, retry_after_seconds=error.retry_after_seconds) from None
        if isinstance(answer, Mapping) and answer.get("error"):
            raise ProtocolError(f"{self.name}: {method} {path} was refused", ErrorKind.REFUSED)

    def _in_force(self, summary: Any) -> float:
        paused = look_up(summary, "paused", self.name)
        if not isinstance(paused, bool):
            raise ProtocolError(f"{self.name}: paused is neither true nor false", ErrorKind.SHAPE)
        return 0.0 if paused else share_of(min(self._running(summary) / self._threads, 1.0))

    def _running(self, summary: Any) -> int:
        threads = look_up(summary, "hashrate.threads", self.name)
        if threads is not None and not isinstance(threads, list):
            raise ProtocolError(f"{self.name}: hashrate.threads is no list", ErrorKind.SHAPE)
        return len(threads or [])

    def _hash_rate(self, summary: Any) -> Decimal:
        """H/s over a minute, or over ten seconds where the minute is not filled yet."""
        if look_up(summary, "paused", self.name) is True:
            return Decimal(0)
        totals = look_up(summary, "hashrate.total", self.name)
        if not isinstance(totals, list) or not totals:
            raise ProtocolError(f"{self.name}: hashrate.total is no list of windows", ErrorKind.SHAPE)
        filled = [exact(each, "hashrate.total") for each in (*totals[1:2], totals[0], *totals[2:]) if each is not None]
        if not filled:
            raise ProtocolError(f"{self.name}: no window of its hash rate is filled yet", ErrorKind.NEVER_REPORTED)
        rate = filled[0]
        amount(rate, f"{self.name}: the hash rate (H/s)", min(self._most_hash_rate, 1e18))
        highest = look_up(summary, "hashrate.highest", self.name)
        if highest is not None and rate > 10 * exact(highest, "hashrate.highest") > 0:
            raise ProtocolError(f"{self.name}: a hash rate far above the highest it ever had", ErrorKind.SHAPE)
        return rate

    def _shares(self, summary: Any) -> tuple[int, int]:
        """(good, rejected) since it started."""
        good, total = (
            exact(look_up(summary, f"results.{key}", self.name), key) for key in ("shares_good", "shares_total")
        )
        if not 0 <= good <= total:
            raise ProtocolError(f"{self.name}: {good} good shares of {total}", ErrorKind.SHAPE)
        return int(good), int(total - good)


def _profile(cpu: Mapping[str, Any], algorithm: str) -> str:
    """The entry of the configuration that holds for an algorithm: its own, its family's, or all others'."""
    for key in (algorithm, algorithm.partition("/")[0], "*"):
        found = cpu.get(key)
        if isinstance(found, str) and found in cpu:  # an alias
            return found
        if isinstance(found, (list, Mapping)):
            return key
    raise ProtocolError(f"the configuration has no threads for {redact(algorithm, 40)!r}", ErrorKind.REFUSED)


def _threads_of(entry: Any) -> list[Any]:
    """The threads of an entry: a list as it is, or the short object written out."""
    if isinstance(entry, Mapping):
        number = entry.get("threads", 0)
        each = [entry.get("intensity", 1), entry.get("affinity", -1)]
        return [each] * number if isinstance(number, int) and 0 <= number <= 4096 else []
    return list(entry) if isinstance(entry, list) else []


def _plain(value: Any) -> Any:
    """A document as it came, with fractions as floats again, to be written."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value
