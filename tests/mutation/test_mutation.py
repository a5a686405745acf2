"""Mutants are made and killed, a sample of them here; `python -m tests.mutation` takes them all, at night."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.__main__ import TARGETS, chosen, reasons
from tests.mutation.mutants import mutants_of

ROOT = Path(__file__).parents[2]


def test_a_module_has_its_small_changes(tmp_path):
    path = tmp_path / "some.py"
    path.write_text('def least(one, two):\n    """Doc 1."""\n    return one if one < two else two + 1\n')
    assert {each.name for each in mutants_of(path)} == {
        "some.least: return one if one < two else two + 1 -> return None",
        "some.least: one if one < two else two + 1 -> not one < two",
        "some.least: one < two -> one <= two",
        "some.least: two + 1 -> two - 1",
        "some.least: 1 -> 2",
    }


def test_every_reason_is_one_of_a_mutant_that_exists():
    names = {each.name for target in TARGETS for each in chosen(target, [])}
    assert len(names) > 500
    assert not reasons().keys() - names


@pytest.mark.slow
def test_a_sample_of_mutants_of_the_machine_and_the_guards_is_killed():
    found = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "state_machine.", "guards.", "--every", "25"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "16 mutants, 100.0% killed" in found.stdout
