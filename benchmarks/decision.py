"""All figures about decisions by one command, `python -m benchmarks.decision`; JSON goes to results/decision.json."""

from __future__ import annotations

import sys

from .__main__ import HERE
from .__main__ import main as benchmarks

OUT = HERE / "results" / "decision.json"

if __name__ == "__main__":
    raise SystemExit(benchmarks(["--out", str(OUT), "--only", "decision", *sys.argv[1:]]))
