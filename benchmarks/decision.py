"""All figures about decisions by one command, `python -m benchmarks.decision`; JSON goes to results/decision.json.

With `--candidates` it compares candidates for a better default instead, and goes on where it was stopped.
"""

from __future__ import annotations

import sys

from .__main__ import HERE
from .__main__ import main as benchmarks
from .candidates import runs, tables

OUT = HERE / "results" / "decision.json"
KEPT = HERE / "results" / "candidates.jsonl"


def candidates(smoke: bool) -> str:
    """The tables of the candidates; without smoke mode what was found is kept, and not run again."""
    rows = list(runs.run(smoke, None if smoke else KEPT))
    better = ", ".join(tables.better(rows)) or "none"
    return f"{tables.table(rows)}\n\nBetter by the rule on check worlds: {better}."


if __name__ == "__main__":
    if "--candidates" in sys.argv:
        print(candidates("--smoke" in sys.argv))
    else:
        raise SystemExit(benchmarks(["--out", str(OUT), "--only", "decision", *sys.argv[1:]]))
