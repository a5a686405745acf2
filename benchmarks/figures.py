"""The figures to reach, in one list, and what was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .peers import NAMED
from .race import QUESTION, Row

LINPROG = ("linprog",)
SORTS = ("np.sort", "np.sort, no AVX-512")
BEST_HIGHS = ("highspy, one row",)


@dataclass(frozen=True)
class Target:
    """One figure. Of several in `against` the fastest counts; of several questions of one size the one in the middle.

    ratio    they take at least so many times as long
    seconds  and we take no longer than this for one problem; None where only the ratio counts
    """

    group: str
    size: str
    ours: str
    against: tuple[str, ...]
    ratio: float
    seconds: float | None = None

    @property
    def asked(self) -> str:
        """The figure in words."""
        if self.ratio < 1.0:
            return f"within {1.0 / self.ratio:g}x"
        if self.ratio == 1.0:
            return "ahead"
        return f"{self.ratio:,g}x" + ("" if self.seconds is None else f", under {1e6 * self.seconds:g} µs")

    def row(self, rows: Sequence[Row]) -> Row | None:
        """The comparison that decides; None where it was not measured."""
        fastest: dict[str, Row] = {}
        for row in rows:
            named = (row.group, row.size.split(QUESTION)[0], row.ours.name) == (self.group, self.size, self.ours)
            if named and row.theirs.name in self.against:
                fastest[row.size] = min(row, fastest.get(row.size, row), key=lambda each: each.ratio)
        ranked = sorted(fastest.values(), key=lambda each: each.ratio)
        return ranked[(len(ranked) - 1) // 2] if ranked else None

    def is_reached(self, row: Row) -> bool:
        """True where `row` shows the figure."""
        return row.ratio >= self.ratio and (self.seconds is None or row.ours.seconds <= self.seconds)


TARGETS = (
    *(
        Target("kernel", f"n = {size}", ours, against, ratio)
        for against, size, ratio in (
            (("PuLP + CBC",), "20", 150),
            (("PuLP + CBC",), "1,000", 1_000),
            (("PuLP + CBC",), "10,000", 1_500),
            (BEST_HIGHS, "20", 15),
            (BEST_HIGHS, "1,000", 40),
        )
        for ours in ("NumPy", "Numba")
    ),
    Target("whole", "n = 20", "allocate()", LINPROG, 5),
    Target("whole", "n = 1,000", "allocate()", LINPROG, 20),
    Target("kernel", "n = 1,000,000", "NumPy", SORTS, 1 / 7),
    Target("kernel", "n = 1,000,000", "Numba", SORTS, 1 / 2),
    Target("batch", "100,000 x 10", "NumPy", ("loop of linprog",), 1_000, 1.0e-6),
    Target("batch", "100,000 x 10", "Numba", ("loop of linprog",), 4_000, 0.35e-6),
    Target("horizon", "168 x 100, 10 hold", "HiGHS inside", ("HiGHS, whole program",), 4),
    Target("horizon", "168 x 100, 10 hold", "Numba", ("HiGHS, whole program",), 12),
    Target("horizon", "168 x 1000, 10 hold", "HiGHS inside", ("HiGHS, whole program",), 15),
    Target("horizon", "168 x 1000, 10 hold", "Numba", ("HiGHS, whole program",), 50),
    Target("nested", "n = 1,000", "NumPy", ("HiGHS",), 10),
    Target("equal_split", "168 x 100", "HiGHS inside", ("HiGHS, whole program",), 5),
    Target("equal_split", "168 x 1000", "HiGHS inside", ("HiGHS, whole program",), 10),
    Target("fee", "n = 200", "Python", ("HiGHS MILP",), 80),
    Target("fee", "n = 200", "Numba", ("HiGHS MILP",), 80),
    Target("resolve", "100 x 10 x 4", "kept", ("new",), 5),
    *(
        Target("peers", f"n = {size}", ours, tuple(NAMED), 1)
        for ours in ("allocate()", "allocate() from numbers")
        for size in ("20", "200", "2,000")
    ),
)
