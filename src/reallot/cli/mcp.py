"""reallot mcp: an engine that serves, as tools of the Model Context Protocol over standard input and output."""

from __future__ import annotations

import argparse

from ..engine.contracts.secrets import Secret
from ..errors import ConfigurationError, ProtocolError
from ..service.client import EngineClient, ServiceProblem
from ..service.mcp_server import server


def mcp(options: argparse.Namespace) -> int:
    """Serves until standard input ends."""
    try:
        token = Secret(options.token_env).value()
    except ProtocolError as error:
        raise ConfigurationError(f"{error}: export {options.token_env}=... with a token of the engine") from None
    with EngineClient(options.url, token) as client:
        try:
            made = server(client)
        except ServiceProblem as error:
            raise ConfigurationError(f"{options.url}: {error}") from None
        made.run("stdio")
    return 0
