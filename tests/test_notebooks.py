"""Notebooks: one question each, public names only, short, and they run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reallot

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.py"))
MOST_CELLS, MOST_FIGURES, MOST_CHARACTERS = 15, 3, 250_000

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 8


@each_notebook
def test_a_notebook_asks_one_question_in_its_title_and_ends_with_a_conclusion(path: Path) -> None:
    cells = path.read_text(encoding="utf-8").split("\n# %%")[1:]
    assert len(cells) <= MOST_CELLS
    titles = re.findall(r"^# # (.+)$", "\n".join(cells), re.MULTILINE)
    assert len(titles) == 1 and titles[0].endswith("?")
    assert re.sub(r"\W+", "_", titles[0].lower()).strip("_") == path.stem
    assert "**Conclusion.**" in cells[-1]


@each_notebook
def test_a_notebook_uses_public_names_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^(?:from|import) reallot.*$", text, re.MULTILINE) == ["import reallot as ra"]
    assert set(re.findall(r"\bra\.(\w+)", text)) <= set(reallot.__all__)


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_in_a_kernel_and_shows_tables_and_a_few_figures(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out where the notebook extra is not installed."""
    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures are shown in the notebook only by the kernel's own
    pytest.importorskip("matplotlib")
    pytest.importorskip("ipykernel")
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    notebook = jupytext.read(path)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert "text/html" in kinds and 1 <= kinds.count("image/png") <= MOST_FIGURES
    assert sum(len(str(output)) for output in outputs) < MOST_CHARACTERS
