"""CombinedAdapter: earnings from one source, the share by another: a node that reports, and the limit set on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ..engine.contracts.adapter import Capabilities, ProtocolAdapter
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.validation import capabilities_of
from ..errors import ProtocolError
from .reading import both


class CombinedAdapter:
    """Reads earnings and health from `reader`, reads and sets the share by `actor`.

    A reader that does not answer is not hidden by an actor that does; without its share a reading still counts.
    """

    def __init__(self, name: str, reader: ProtocolAdapter, actor: ProtocolAdapter) -> None:
        self.name, self.reader, self.actor = name, reader, actor

    def __repr__(self) -> str:
        return f"CombinedAdapter({self.name!r}, {self.reader!r}, {self.actor!r})"

    def capabilities(self) -> Capabilities:
        """What the actor can do, as often as the reader may be asked."""
        reads, acts = capabilities_of(self.reader), capabilities_of(self.actor)
        return replace(
            acts,
            timeout=max(reads.timeout, acts.timeout),
            min_interval=reads.min_interval,
            cadence=reads.cadence,
        )

    async def get_status(self) -> ProtocolStatus:
        """The reader's status with the actor's share, and its use where the reader says nothing of it."""
        read: ProtocolStatus
        acted: ProtocolStatus | None
        read, acted = await both(self.reader.get_status(), self._acted())
        changes: dict[str, object] = {"protocol": self.name, "allocation": None}
        if acted is not None:
            changes["allocation"] = acted.allocation
            parts = {
                **acted.utilization.model_dump(exclude_none=True),
                **read.utilization.model_dump(exclude_none=True),
            }
            changes["utilization"] = type(read.utilization)(**parts)
        return read.model_copy(update=changes)

    async def get_allocation(self) -> float:
        """The actor's share."""
        return await self.actor.get_allocation()

    async def apply_allocation(self, share: float) -> None:
        """Asks the actor."""
        await self.actor.apply_allocation(share)

    async def close(self) -> None:
        """Closes both."""
        for each in (self.reader, self.actor):
            close = getattr(each, "close", None)
            if callable(close):
                with suppress(ProtocolError, OSError):
                    await close()

    async def _acted(self) -> ProtocolStatus | None:
        try:
            return await self.actor.get_status()
        except Exception:
            return None
