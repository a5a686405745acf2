"""Every benchmark runs in its smallest size, so that no spec rots, and none prints times of unequal answers."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kernel, peers, report
from benchmarks.__main__ import main
from benchmarks.figures import TARGETS, Target
from benchmarks.groups import DUELS, GROUPS
from benchmarks.measure import measure
from benchmarks.race import Contender, Row, Timing, Unequal, race
from benchmarks.registry import SPECS
from benchmarks.step import Step, allocations
from reallot.solvers.backends import BACKENDS
from reallot.solvers.kernels.split import Split
from reallot.solvers.numba import dispatch


@pytest.mark.slow
@pytest.mark.skipif("REALLOT_SMOKE_LATER" in os.environ, reason="smoke mode is a later step, with all other libraries")
@pytest.mark.parametrize("name", GROUPS)
def test_a_benchmark_runs_in_smoke_mode(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    assert main(["--smoke", "--only", name, "--out", str(out)]) == 0
    assert f"### {name}: " in capsys.readouterr().out
    written = json.loads(out.read_text(encoding="utf-8"))
    assert set(written) == {"machine", name}
    assert set(written["machine"]["versions"]) >= {"reallot", "numpy", "scipy", "pulp", "highspy"}
    assert written["machine"]["processor"]
    measured = {(row["ours"]["name"], row["theirs"]["name"]) for row in written[name] if "theirs" in row}
    for target in TARGETS:
        here = dispatch.available() if target.ours == "Numba" else name != "peers" or not peers.missing()
        if target.group == name and here:
            assert any((target.ours, against) in measured for against in target.against), target


@pytest.mark.slow
@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_gives_the_worth_that_allocate_gives(peer: peers.Peer) -> None:
    pytest.importorskip(peer.package, reason=f"{peer.package} is not installed; it comes with the extra bench")
    step = Step.of(8, variants=2)
    with peers.quiet():
        rows = race("peers", "n = 8", allocations(step), [peer.contender(step)], variants=2, repeats=1)
    assert {row.theirs.name for row in rows} == {peer.name}


@pytest.mark.slow
def test_peers_that_are_not_installed_are_left_out_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ghost = replace(peers.PEERS[0], name="ghost", package="not_installed_anywhere")
    monkeypatch.setattr(peers, "PEERS", (ghost, peers.PEERS[-1]))
    rows = peers.measure(smoke=True, repeats=1)
    assert {row.theirs.name for row in rows} == {peers.PEERS[-1].name}
    assert "not_installed_anywhere; install the extra bench" in DUELS["peers"].left_out()


def test_unequal_answers_stop_a_race_before_any_time_is_there() -> None:
    calls = []

    def contender(name: str, worth: float) -> Contender:
        return Contender(name, "", lambda k: calls.append(name), lambda k, answer: worth, tolerance=1e-9)

    with pytest.raises(Unequal, match=r"g, n = 1: theirs differs from ours by 1.0e-06 of the scale, allowed 1e-09"):
        race("g", "n = 1", [contender("ours", 1.0)], [contender("theirs", 1.000001)], variants=1, repeats=3)
    assert calls == ["ours", "theirs"]


def test_shares_that_break_a_rule_are_no_answer() -> None:
    step = Step.of(5, variants=1)
    with pytest.raises(Unequal, match="breaks a rule"):
        step.worth(0, np.full(5, 0.3))


def test_a_kernel_whose_price_does_not_prove_it_is_no_answer() -> None:
    step = Step.of(50, variants=1)
    answer = kernel.kernels(step)["NumPy"](0)
    proved = kernel._proved(step, "NumPy")
    assert proved(0, answer) == pytest.approx(step.bound(0, answer.capacity), rel=1e-12)
    with pytest.raises(Unequal, match="its price leaves"):
        proved(0, Split(answer.shares, answer.capacity + 0.1))


def row(group: str, size: str, ours: str, theirs: str, our_seconds: float, their_seconds: float) -> Row:
    def timing(name: str, seconds: float) -> Timing:
        return Timing(name, "", seconds, seconds, seconds, 1, 0.0, 1e-9)

    return Row(group, size, timing(ours, our_seconds), timing(theirs, their_seconds))


def test_a_figure_counts_the_fastest_of_those_it_names() -> None:
    target = Target("g", "n = 1", "ours", ("a", "b"), 2.0)
    rows = [row("g", "n = 1", "ours", name, 1.0, seconds) for name, seconds in (("a", 3.0), ("b", 1.5), ("c", 0.1))]
    found = target.row(rows)
    assert found is not None
    assert (found.theirs.name, found.ratio, target.is_reached(found)) == ("b", 1.5, False)
    assert target.row(rows[2:]) is None


def test_a_figure_takes_the_question_in_the_middle() -> None:
    target = Target("g", "n = 1", "ours", ("a",), 2.0)
    rows = [row("g", f"n = 1, question {k}", "ours", "a", 1.0, ratio) for k, ratio in enumerate((9.0, 1.0, 3.0))]
    found = target.row(rows)
    assert found is not None and found.ratio == 3.0


def test_a_figure_may_ask_for_seconds_as_well() -> None:
    target = Target("g", "n = 1", "ours", ("a",), 2.0, seconds=0.5)
    assert not target.is_reached(row("g", "n = 1", "ours", "a", 1.0, 3.0))
    assert target.is_reached(row("g", "n = 1", "ours", "a", 0.4, 3.0))


def test_the_table_of_figures_says_what_is_reached() -> None:
    target = TARGETS[0]
    rows = [row(target.group, target.size, target.ours, target.against[0], 1e-5, 1e-5 * 1.5 * target.ratio)]
    lines = report.figures(rows, {name: group.seeds for name, group in DUELS.items()}).splitlines()
    assert len(lines) == 2 + len(TARGETS)
    assert "10 µs" in lines[2] and [cell.strip() for cell in lines[2].split("|")][-3:-1] == ["yes", "0"]
    assert lines[3].rstrip(" |").endswith("not measured")


def test_the_last_run_is_replaced_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\ntext\n\n## Last run\n\nold\n", encoding="utf-8")
    report.replace_last_run(page, ["new", "table"])
    assert page.read_text(encoding="utf-8") == "# Title\n\ntext\n\n## Last run\n\nnew\n\ntable\n"
    page.write_text("no such heading", encoding="utf-8")
    with pytest.raises(ValueError, match="Last run"):
        report.replace_last_run(page, ["new"])


@pytest.mark.slow
def test_every_backend_and_both_yardsticks_are_measured_somewhere() -> None:
    assert {backend for spec in SPECS.values() for backend in spec.backends} == set(BACKENDS)
    rows = measure(SPECS["single"], smoke=True, repeats=1)
    assert [row.backend for row in rows] == [*SPECS["single"].backends, "scipy alone", "CBC alone"]
    assert all(row.solve > 0.0 for row in rows)


@pytest.mark.slow
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
