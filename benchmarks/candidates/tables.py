"""The tables of the candidates: differences to the default with their standard errors, and domains left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import CANDIDATES, DEFAULT
from .runs import CHECK, CHECKING, CHOOSE, CHOOSING, COSTS, TRACE, Gain, cut

SAME = 1e-3
"""Gains that differ by less are alike."""
WANTED = 0.02
"""A candidate becomes the default that is so much better in the mean at the highest cost, and hurts at no other."""
PARTS = {
    CHOOSE: f"choosing worlds, {CHOOSING[0]} to {CHOOSING[-1]}",
    CHECK: f"check worlds, {CHECKING[0]} to {CHECKING[-1]}",
    TRACE: "recorded traces",
}


def table(rows: Sequence[Gain]) -> str:
    """Markdown: the candidates in each part at each cost, then the traces with their own domain left out."""
    parts = [
        f"{len(CANDIDATES) - 1} settings were looked at, each candidate with one. Gains are cut at -1. A difference is "
        f"the mean of pairs with one standard error, and how many places got better and worse by over {SAME:g}.",
        _lines(_compared(rows)),
        "Each domain with the candidate that was best in the mean over choosing worlds and all other domains, over all "
        "costs.",
        _lines(_left_out(rows)),
    ]
    return "\n\n".join(parts)


def better(rows: Sequence[Gain]) -> list[str]:
    """Candidates that the rule would make the default, by the check worlds."""
    found = []
    for name in CANDIDATES:
        apart = [_apart(rows, CHECK, days, name) for days in COSTS]
        if name != DEFAULT and all(each.size for each in apart) and apart[-1].mean() >= WANTED:
            found += [name] * all(each.mean() >= -_error(each) for each in apart[:-1])
    return found


def _compared(rows: Sequence[Gain]) -> list[list[str]]:
    lines = [["rates", "k", "default, median", "mean", *(name for name in CANDIDATES if name != DEFAULT)]]
    for part, said in PARTS.items():
        for days in COSTS:
            own = np.array(list(_by_place(rows, part, days, DEFAULT).values()))
            if own.size:
                cells = [_difference(_apart(rows, part, days, name)) for name in CANDIDATES if name != DEFAULT]
                lines.append(
                    [f"{said} ({own.size})", f"{days:g}", f"{np.median(own):.3f}", f"{own.mean():.3f}", *cells]
                )
    return lines


def _by_place(rows: Sequence[Gain], part: str, days: float, candidate: str) -> dict[tuple[str, str], float]:
    found = (cut(row) for row in rows if row.candidate == candidate and np.isfinite(row.gain))
    return {
        (row.place.group, row.place.name): row.gain for row in found if (row.place.part, row.place.days) == (part, days)
    }


def _apart(rows: Sequence[Gain], part: str, days: float, candidate: str, but: str = "") -> np.ndarray:
    """Gains less the default's, place by place, without those of the group `but`."""
    own, other = _by_place(rows, part, days, DEFAULT), _by_place(rows, part, days, candidate)
    return np.array([other[key] - own[key] for key in own if key in other and key[0] != but])


def _error(apart: np.ndarray) -> float:
    return float(apart.std(ddof=1) / np.sqrt(apart.size)) if apart.size > 1 else float("nan")


def _difference(apart: np.ndarray) -> str:
    if not apart.size:
        return ""
    up, down = int((apart > SAME).sum()), int((apart < -SAME).sum())
    return f"{apart.mean():+.3f} ± {_error(apart):.3f} ({up} up, {down} down)"


def _left_out(rows: Sequence[Gain]) -> list[list[str]]:
    lines = [["domain", "chosen without it", *(f"default, k = {days:g}" for days in COSTS)]]
    lines[0] += [f"chosen, k = {days:g}" for days in COSTS]
    for domain in dict.fromkeys(row.place.group for row in rows if row.place.part == TRACE):
        scores = {name: _score(rows, name, domain) for name in CANDIDATES}
        chosen = max(scores, key=lambda name: scores[name])
        cells = []
        for name in (DEFAULT, chosen):
            for days in COSTS:
                found = _by_place(rows, TRACE, days, name)
                mine = [gain for (group, _), gain in found.items() if group == domain]
                cells.append(f"{np.mean(mine):.3f}" if mine else "")
        lines.append([domain, chosen, *cells])
    return lines


def _score(rows: Sequence[Gain], candidate: str, but: str) -> float:
    means = []
    for days in COSTS:
        for part in (CHOOSE, TRACE):
            apart = _apart(rows, part, days, candidate, but)
            means += [float(apart.mean())] if apart.size else []
    return float(np.mean(means)) if means else 0.0


def _lines(lines: list[list[str]]) -> str:
    head, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rest])
