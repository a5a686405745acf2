"""Two runs beside each other: what takes longer, what became faster, and whether they can be compared at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

TIMES = (
    "seconds", "milliseconds", "cpu", "one_thread", "build", "solve", "certify", "explain", "exact_seconds",
    "kept_seconds", "highs_seconds", "built", "longest",
)  # fmt: skip
"""Names of the numbers that are times, in rows of every group."""
NAMES = (
    "group", "spec", "what", "case", "statement", "trace", "truth", "way", "kind", "name", "policy", "change",
    "scheme", "backend", "kernels", "ours", "theirs", "size", "protocols", "periods", "steps", "part", "k", "days",
    "seed", "ahead", "low", "high",
)  # fmt: skip
"""Names of what tells rows of one group apart."""
SAME_MACHINE = ("processor", "cores", "python", "versions")


@dataclass(frozen=True)
class Change:
    """One figure before and now: seconds or milliseconds, or the ratio of their time to ours."""

    group: str
    what: str
    figure: str
    before: float
    now: float

    @property
    def times(self) -> float:
        """How many times what it was; a ratio counts the other way round, so that above 1 is always worse."""
        return self.before / self.now if self.figure == "ratio" else self.now / self.before


def read(path: Path) -> dict[str, Any]:
    """A file that `python -m benchmarks --out` has written; raises ValueError for any other."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("machine"), dict):
        raise ValueError(f"{path} has no part 'machine'; give a file that python -m benchmarks --out has written")
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Every figure that is in both runs, from what got slowest to what got fastest."""
    old, new = dict(_figures(before)), dict(_figures(now))
    found = [Change(*key, old[key], new[key]) for key in new if old.get(key, 0.0) > 0.0 and new[key] > 0.0]
    return sorted(found, key=lambda change: -change.times)


def in_words(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The table of changes, with what stands in the way of comparing."""
    found = changes(before, now)
    if not found:
        return "### compare: no figure is in both runs"
    lines = ["| group | what | figure | before | now | times as long |", "|---|---|---|---:|---:|---:|"]
    lines += [
        f"| {each.group} | {each.what} | {each.figure} | {each.before:.3g} | {each.now:.3g} | {each.times:.2f} |"
        for each in found
    ]
    parts = [
        "### compare: the earlier run against this one, the slowest change first",
        "\n".join(lines),
        f"{len(found)} figures in both runs; the one in the middle takes {median(e.times for e in found):.2f} times as "
        "long. A ratio is the other's time divided by ours, and depends less on the machine than times do.",
    ]
    other = [key for key in SAME_MACHINE if before["machine"].get(key) != now["machine"].get(key)]
    if other:
        parts.append(f"The runs differ in {', '.join(other)}: compare ratios, not times.")
    return "\n\n".join(parts)


def _figures(run: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], float]]:
    """((group, what, figure), value) of every time and ratio in a run."""
    for group, rows in run.items():
        for row in rows if group != "machine" else ():
            sides = {side: row[side] for side in ("ours", "theirs") if isinstance(row.get(side), dict)}
            plain = row | {side: timing["name"] for side, timing in sides.items()} | dict(row.get("source", {}))
            plain |= {"seconds": sides["ours"]["seconds"]} if sides else {}
            what = ", ".join(str(plain[name]) for name in NAMES if plain.get(name) is not None and name != "group")
            for name in (*TIMES, "ratio"):
                if isinstance(plain.get(name), int | float):
                    yield (group, what, name), float(plain[name])
