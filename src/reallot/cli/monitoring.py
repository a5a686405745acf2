"""reallot rules and reallot board: what Prometheus and Grafana need to watch an engine."""

from __future__ import annotations

import argparse
import json

from ..service import monitoring_rules


def rules(_options: argparse.Namespace) -> int:
    """Prints the alert rules."""
    print(monitoring_rules.RULES, end="")
    return 0


def board(_options: argparse.Namespace) -> int:
    """Prints the board."""
    print(json.dumps(monitoring_rules.board(), indent=2))
    return 0
