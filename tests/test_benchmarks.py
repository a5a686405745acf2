"""Every benchmark runs in its smallest size, so that no spec rots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import imports, models  # noqa: F401  models registers its specs
from benchmarks.__main__ import main
from benchmarks.measure import measure
from benchmarks.registry import SPECS
from reallot.solvers.backends import BACKENDS


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SPECS, "whole", "imports", "traces"])
def test_a_benchmark_runs_in_smoke_mode(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    assert main(["--smoke", "--only", name, "--out", str(out)]) == 0
    assert f"{name}: " in capsys.readouterr().out
    written = json.loads(out.read_text(encoding="utf-8"))
    assert set(written) == {"machine", name}
    assert set(written["machine"]["versions"]) >= {"reallot", "numpy", "scipy", "pulp", "highspy"}


def test_every_backend_and_both_yardsticks_are_measured_somewhere() -> None:
    assert {backend for spec in SPECS.values() for backend in spec.backends} == set(BACKENDS)
    rows = measure(SPECS["single"], smoke=True, repeats=1)
    assert [row.backend for row in rows] == [*BACKENDS, "scipy alone", "CBC alone"]
    assert all(row.solve > 0.0 for row in rows)


def test_a_benchmark_with_unequal_answers_stops_instead_of_printing_times(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import measure as module
    from reallot import allocate

    def cheating(problem: object, *, solver: str) -> object:
        other = SPECS["single"].build(5, seed=1)() if solver == "highs" else problem
        return allocate(other, solver=solver)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "allocate", cheating)
    with pytest.raises(AssertionError, match="exact and highs differ"):
        module.measure(SPECS["single"], smoke=True, repeats=1)


def test_the_same_seed_builds_the_same_problem() -> None:
    for spec in SPECS.values():
        assert spec.build(spec.sizes[0])() == spec.build(spec.sizes[0])()
        assert spec.build(spec.sizes[0])() != spec.build(spec.sizes[0], seed=1)()
