"""reallot config --schema: what a config.toml may say."""

from __future__ import annotations

import argparse
import json

from ..runtime.schema import config_schema


def schema(_options: argparse.Namespace) -> int:
    """Prints the JSON schema."""
    print(json.dumps(config_schema(), indent=2))
    return 0
