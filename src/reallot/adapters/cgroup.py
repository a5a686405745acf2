"""CgroupAdapter: a share of CPU or memory by the limits of a Linux control group, version 2 or 1; earns nothing itself.

Combine it with what reads the earnings: `combined(reader, CgroupAdapter(...))`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization
from ..engine.contracts.validation import share as share_of
from ..errors import ConfigurationError, ErrorKind, ProtocolError

PERIOD = 100_000
"""Microseconds in which a quota of CPU time is given."""
LEAST_QUOTA = 1_000
"""Microseconds; the kernel takes no less."""
PAGE = 4096


class CgroupAdapter:
    """One group: share 1 is `cpus` of CPU time, or `memory` bytes before the kernel slows it down.

    folder   of the group: "/sys/fs/cgroup/earning.slice/disk"; it must be there, and be writable to act
    cpus     at share 1 (cpu.max; cpu.cfs_quota_us in version 1)
    memory   bytes at share 1 (memory.high; memory.soft_limit_in_bytes in version 1), in place of cpus

    Share 0 freezes the group (version 2); where it cannot be frozen, less than a hundredth of a CPU is refused. A limit
    is written as an absolute value and read back; "max" is share 1, since it may use all.
    """

    def __init__(
        self,
        name: str,
        folder: str | Path,
        *,
        cpus: float | None = None,
        memory: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        if (cpus is None) == (memory is None):
            raise ConfigurationError(f"{name}: give either cpus or memory, which share 1 stands for")
        size = cpus if cpus is not None else memory
        if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 < size < 1e15:
            raise ConfigurationError(
                f"{name}: {'cpus' if cpus is not None else 'memory'} is {size!r}; give more than 0"
            )
        self.name, self.folder = name, Path(folder)
        self._cpus, self._memory = cpus, memory
        self._clock = clock or SystemClock()
        self._asked: float | None = None
        self._used: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"CgroupAdapter({self.name!r}, {str(self.folder)!r})"

    def capabilities(self) -> Capabilities:
        """It acts at once, without a restart; its floor is what the kernel takes."""
        floor = 0.0 if self._cpus is None or self._freezes() else LEAST_QUOTA / (self._cpus * PERIOD)
        return Capabilities(floor=min(floor, 1.0), timeout=timedelta(seconds=2))

    async def get_status(self) -> ProtocolStatus:
        """Share in force and use of it; NEVER_REPORTED as to earnings, of which a group knows nothing."""
        share, now = await self.get_allocation(), self._clock.now()
        part = self._use(share)
        used = {} if part is None else {"cpu" if self._cpus is not None else "memory": part}
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=None,
            allocation=share,
            utilization=ResourceUtilization(**used),
            observed_at=now,
            error=ErrorKind.NEVER_REPORTED,
            message="a control group earns nothing itself",
        )

    async def get_allocation(self) -> float:
        """The share that the kernel holds it to."""
        if self._freezes() and self._read("cgroup.freeze") == "1":
            return 0.0
        if self._asked is not None and self._limit() == self._units(self._asked):
            return self._asked  # without the rounding to microseconds and pages
        limit, whole = self._limit(), self._units(1.0)
        return 1.0 if limit is None else min(limit / whole, 1.0)

    async def apply_allocation(self, share: float) -> None:
        """Writes the limit; raises ProtocolError(REFUSED) where the kernel does not take it."""
        try:
            wanted = share_of(share)
        except ProtocolError as error:
            raise ProtocolError(f"{self.name}: {error}", ErrorKind.REFUSED) from None
        if wanted == 0.0 and self._freezes():
            self._write("cgroup.freeze", "1")
            return
        if self._cpus is not None and self._units(wanted) < LEAST_QUOTA:
            raise ProtocolError(
                f"{self.name}: share {wanted:g} is {self._units(wanted)} us of {PERIOD}, and the kernel takes "
                f"{LEAST_QUOTA} or more: at least share {self.capabilities().floor:g}",
                ErrorKind.REFUSED,
            )
        self._set(self._units(wanted))
        if self._freezes() and self._read("cgroup.freeze") == "1":
            self._write("cgroup.freeze", "0")
        self._asked = wanted

    async def close(self) -> None:
        """Nothing is open."""

    def _units(self, share: float) -> int:
        """Microseconds of a period, or bytes in whole pages."""
        if self._cpus is not None:
            return round(share * self._cpus * PERIOD)
        return int(share * (self._memory or 0)) // PAGE * PAGE

    def _limit(self) -> int | None:
        """The limit in force, in the same units; None where there is none."""
        if self._cpus is None:
            found = self._read("memory.high" if self._is_v2() else "memory.soft_limit_in_bytes")
            return None if found == "max" or _whole(found, self.name) > 1 << 60 else _whole(found, self.name)
        if self._is_v2():
            quota, _, period = self._read("cpu.max").partition(" ")
        else:
            quota, period = self._read("cpu.cfs_quota_us"), self._read("cpu.cfs_period_us")
        if quota in ("max", "-1"):
            return None
        length = _whole(period, self.name)
        if length <= 0:
            raise ProtocolError(f"{self.name}: a period of {length} us", ErrorKind.SHAPE)
        return round(_whole(quota, self.name) * PERIOD / length)

    def _set(self, units: int) -> None:
        if self._cpus is None:
            self._write("memory.high" if self._is_v2() else "memory.soft_limit_in_bytes", str(units))
        elif self._is_v2():
            self._write("cpu.max", f"{units} {PERIOD}")
        else:
            self._write("cpu.cfs_period_us", str(PERIOD))
            self._write("cpu.cfs_quota_us", str(units))

    def _use(self, share: float) -> float | None:
        """Part of the share that is in use since it was last asked; None where that is not known."""
        try:
            if self._cpus is None:
                found = self._read("memory.current" if self._is_v2() else "memory.usage_in_bytes")
                return min(_whole(found, self.name) / max(self._units(share), 1), 1.0)
            if self._is_v2():
                lines = dict(line.partition(" ")[::2] for line in self._read("cpu.stat").splitlines())
                used = _whole(lines.get("usage_usec", ""), self.name) / 1e6
            else:
                used = _whole(self._read("cpuacct.usage"), self.name) / 1e9
        except ProtocolError:
            return None
        before, self._used = self._used, (used, self._clock.monotonic())
        seconds = self._used[1] - before[1] if before else 0.0
        if before is None or seconds <= 0.0 or used < before[0] or share <= 0.0:
            return None
        return min((used - before[0]) / (seconds * self._cpus * share), 1.0)

    def _is_v2(self) -> bool:
        return (self.folder / "cgroup.controllers").exists()

    def _freezes(self) -> bool:
        return (self.folder / "cgroup.freeze").exists()

    def _read(self, file: str) -> str:
        try:
            return (self.folder / file).read_text(encoding="ascii").strip()
        except OSError as error:
            words = os.strerror(error.errno) if error.errno else type(error).__name__
            raise ProtocolError(f"{self.folder / file}: {words}", ErrorKind.UNREACHABLE) from None
        except UnicodeError:
            raise ProtocolError(f"{self.folder / file}: not text", ErrorKind.SHAPE) from None

    def _write(self, file: str, text: str) -> None:
        path = self.folder / file
        if not path.exists():  # never made by us: outside a control group a file would be a limit in name only
            raise ProtocolError(f"{path} is not there: is this controller enabled?", ErrorKind.REFUSED)
        try:
            path.write_text(text, encoding="ascii")
        except OSError as error:
            words = os.strerror(error.errno) if error.errno else type(error).__name__
            raise ProtocolError(f"{path} does not take {text!r}: {words}", ErrorKind.REFUSED) from None


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise ProtocolError(f"{name}: {text[:20]!r} is no whole number", ErrorKind.SHAPE)
    return int(text)
