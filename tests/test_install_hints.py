"""A command that an error tells to run works from a clone as well as from an index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from reallot.errors import how_to_install

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}


def test_a_hint_has_both_commands() -> None:
    assert how_to_install("http") == "pip install 'reallot[http]' (in a clone: pip install '.[http]')"


def test_every_hint_is_made_in_one_place_and_names_an_extra_that_exists() -> None:
    named = [name for text in SOURCES.values() for name in re.findall(r"how_to_install\(['\"](\w+)['\"]\)", text)]
    assert len(named) >= 5 and set(named) <= set(EXTRAS)


def test_no_other_hint_installs_this_package() -> None:
    wrong = {path.name: text for path, text in SOURCES.items() if re.search(r"pip install ['\"]?reallot", text)}
    assert set(wrong) <= {"errors.py"}


def test_every_extra_that_a_message_names_exists() -> None:
    named = {name for text in SOURCES.values() for name in re.findall(r"reallot\[(\w+)\]", text)}
    assert {"boost", "fast"} <= named <= set(EXTRAS)
