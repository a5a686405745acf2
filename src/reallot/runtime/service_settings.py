"""[service] of config.toml: by which names the page and the API may be reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..engine.contracts.values import Record

HostName = Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:]+\])$")]


class ServiceSection(Record):
    """The page and the API of `reallot run --serve`.

    Parameters
    ----------
    hosts
        Names by which a browser reaches it beside those of this machine, without a port: "box.example.net". It listens
        beyond this machine only where there are some.
    solve
        Whether any token may have problems solved (`POST /v1/solve`), in a process of its own.
    """

    hosts: list[HostName] = Field(default_factory=list)
    solve: bool = False
