"""CommandAdapter: reads and acts by programs that the operator names; arguments are a list, there is never a shell."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.secrets import Secret, redact
from ..engine.contracts.validation import share as share_of
from ..errors import ConfigurationError, ErrorKind, ProtocolError
from .document import DocumentReader
from .http import parsed
from .price import LivePrice
from .series import Series, Unit

MOST_OUTPUT = 1 << 20
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
_READ = {69: ErrorKind.UNREACHABLE, 75: ErrorKind.TRANSIENT, 77: ErrorKind.AUTH}
_ACT = {64: ErrorKind.REFUSED, 69: ErrorKind.UNREACHABLE, 75: ErrorKind.TRANSIENT, 77: ErrorKind.REFUSED}


class CommandAdapter(DocumentReader):
    """Runs `read` for a JSON document on standard output, and `apply` with the share in place of "{share}".

    value, share, time  paths into the document, as in HttpJsonAdapter; `share` may be a number where it never changes
    env                 variables handed on beside PATH, HOME and the locale; their values are kept out of all messages
    time_zone, healthy, demand, quote, price, dollars, most
                        as in HttpJsonAdapter

    A program ends with 0. Reading, 69 is unreachable, 75 a failure of the moment, 77 a refused login, all others are a
    failure of the moment. Acting, 64 and 77 are a refusal, 69 and 75 say that nothing was done; after all others, and
    after the timeout, the share has to be read back. What runs over the timeout is killed with all that it started.

    >>> CommandAdapter("disk", ["/usr/local/bin/disk-earnings", "--json"], value="usd_per_hour")
    CommandAdapter('disk', '/usr/local/bin/disk-earnings')
    """

    def __init__(
        self,
        name: str,
        read: Sequence[str],
        *,
        value: str,
        apply: Sequence[str] | None = None,
        share: str | float | None = None,
        time: str | None = None,
        time_zone: str | None = None,
        healthy: str | None = None,
        demand: str | None = None,
        quote: str | None = None,
        price: LivePrice | None = None,
        series: Series | None = None,
        unit: Unit | None = None,
        env: Sequence[str] = (),
        dollars: bool = False,
        most: float | None = None,
        timeout: timedelta = timedelta(seconds=10),
        min_interval: timedelta = timedelta(0),
        delay: timedelta = timedelta(0),
        step: float = 0.0,
        floor: float = 0.0,
        restarts: bool = False,
        clock: Clock | None = None,
    ) -> None:
        series = series or Series()
        super().__init__(
            name,
            series,
            unit,
            value=value,
            time=time,
            share=share,
            healthy=healthy,
            demand=demand,
            quote=quote,
            price=price,
            dollars=dollars,
            most=most,
            clock=clock,
            time_zone=time_zone,
            capabilities=Capabilities(
                acts=apply is not None,
                step=step,
                floor=floor,
                restarts=restarts,
                delay=delay,
                timeout=timeout + timedelta(seconds=1) + (timedelta(0) if price is None else price.timeout),
                min_interval=min_interval,
                cadence=series.cadence,
            ),
        )
        self._read = _arguments(read, "read", name)
        self._apply = None if apply is None else _arguments(apply, "apply", name)
        if self._apply is not None and not any("{share}" in each for each in self._apply[1:]):
            raise ConfigurationError(f'{name}: apply has no "{{share}}" among its arguments')
        if self._apply is not None and not isinstance(share, str):
            raise ConfigurationError(
                f"{name}: what `apply` sets is read back; give the path of the share in what `read` prints as `share`"
            )
        self._secrets = {variable: Secret(variable) for variable in env}
        self._timeout = timeout.total_seconds()

    def __repr__(self) -> str:
        return f"CommandAdapter({self.name!r}, {self._read[0]!r})"

    async def apply_allocation(self, share: float) -> None:
        """Runs `apply`; raises ProtocolError by the code it ends with."""
        if self._apply is None:
            await super().apply_allocation(share)
            return
        try:
            wanted = share_of(share)
        except ProtocolError as error:
            raise ProtocolError(f"{self.name}: {error}", ErrorKind.REFUSED) from None
        code, _, errors = await self._run([each.replace("{share}", repr(wanted)) for each in self._apply], acts=True)
        if code:
            raise ProtocolError(
                f"{self.name}: apply ended with {code}{_words(errors)}", _ACT.get(code, ErrorKind.UNKNOWN)
            )

    async def document(self) -> Any:
        """What `read` prints; raises ProtocolError."""
        code, output, errors = await self._run(self._read, acts=False)
        if code:
            raise ProtocolError(
                f"{self.name}: read ended with {code}{_words(errors)}", _READ.get(code, ErrorKind.TRANSIENT)
            )
        if len(output) > MOST_OUTPUT:
            raise ProtocolError(f"{self.name}: more than {MOST_OUTPUT} bytes", ErrorKind.SHAPE)
        return parsed(output, self.name)

    async def _run(self, arguments: Sequence[str], *, acts: bool) -> tuple[int, bytes, bytes]:
        given = {variable: secret.value() for variable, secret in self._secrets.items()}
        return await run_program(arguments, name=self.name, seconds=self._timeout, given=given, acts=acts)


async def run_program(
    arguments: Sequence[str], *, name: str, seconds: float, given: Mapping[str, str] | None = None, acts: bool = False
) -> tuple[int, bytes, bytes]:
    """(code, standard output, standard error) of a program in a process group of its own; raises ProtocolError.

    It gets the variables in `given` beside PATH, HOME and the locale, and is killed after so many seconds. Where it
    `acts`, one that cannot be started is a refusal, and after one that was killed nobody knows what it did.
    """
    environment = {variable: os.environ[variable] for variable in _KEPT if variable in os.environ} | dict(given or {})
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        kind = ErrorKind.REFUSED if acts else ErrorKind.UNREACHABLE
        raise ProtocolError(f"{name}: {arguments[0]} cannot be started: {type(error).__name__}", kind) from None
    try:
        async with asyncio.timeout(seconds):
            output, errors = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            code = await process.wait()
    except TimeoutError:
        kind = ErrorKind.UNKNOWN if acts else ErrorKind.UNREACHABLE
        raise ProtocolError(f"{name}: {arguments[0]} did not end within {seconds:g} s", kind) from None
    finally:
        await _end(process)
    return code, output, errors


def _words(errors: bytes) -> str:
    """What a program wrote to standard error, as the end of a message."""
    told = redact(errors.decode("utf-8", "replace"))
    return f": {told}" if told else ""


def _arguments(given: Any, what: str, name: str) -> list[str]:
    """A program and its arguments; raises ConfigurationError, above all for one text with spaces."""
    if isinstance(given, (str, bytes, Mapping)) or not hasattr(given, "__iter__"):
        raise ConfigurationError(
            f'{name}: {what} is a {type(given).__name__}; give a list, such as ["/usr/bin/tool", "--json"]: '
            "no shell takes it apart"
        )
    found = list(given)
    if not found or not all(isinstance(each, str) and "\0" not in each for each in found) or not found[0].strip():
        raise ConfigurationError(f"{name}: {what} is a list of texts, the program first")
    return found


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    """All that is written, but no more than just over the limit is kept."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        if len(kept) <= MOST_OUTPUT:
            kept += chunk
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the program and all that it started, and waits for its end; what has ended may have left others behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()  # else a pipe held open by a grandchild would outlive the loop
