"""Every figure where matplotlib is not installed: one clear message, never an ImportError."""

from __future__ import annotations

import sys

import pytest

import reallot as ra
from reallot.plots import paper
from tests.plots.figures import FIGURES


@pytest.mark.parametrize("missing", ["matplotlib", "matplotlib.figure"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_without_matplotlib_is_refused_with_the_cure(
    name: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [missing, *(each for each in sys.modules if each.startswith(f"{missing}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    for remembered in (paper._advance, paper._shown_in_notebooks):
        remembered.cache_clear()
    with pytest.raises(ra.InvalidInput, match=r"drawing needs matplotlib: pip install 'reallot\[plot\]'"):
        FIGURES[name]()
