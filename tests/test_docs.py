"""The pages: examples run and print what is shown; no name, key or option is missing on the generated ones."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

import reallot
from reallot import errors
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.move_state import FOLLOWS, MoveState
from reallot.policy.registry import MAKERS
from reallot.runtime.adapter_settings import ADAPTERS
from reallot.runtime.build import adapter_of
from reallot.runtime.config import Sections, config_from_text
from reallot.runtime.operation import OperatingRules
from reallot.runtime.shared_settings import BuildPlace
from tests.test_readme import blocks, lines, run_python

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "made" not in page.parts]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run_and_print_what_is_shown(page: Path) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    printed = None
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "python":
            printed = run_python(block, namespace)
            continue
        if block.language == "text" and printed is not None and not block.before.strip():
            assert lines(printed) == lines(block.text), f"{page.name} line {block.line}"
        printed = None


def test_there_are_examples_on_the_pages() -> None:
    found = [
        block for page in PAGES for block in blocks(page.read_text(encoding="utf-8")) if block.language == "python"
    ]
    assert len(found) > 12


def test_the_guide_of_backtests_names_every_shipped_policy() -> None:
    page = (ROOT / "docs" / "guides" / "backtests.md").read_text(encoding="utf-8")
    assert not [name for name in MAKERS if f"`{name}`" not in page]


def test_every_public_name_is_on_the_reference_page(generate: ModuleType) -> None:
    page = generate.api()
    assert all(f"\n### {name}\n" in page for name in reallot.__all__)


def test_every_key_of_a_configuration_is_on_its_page(generate: ModuleType) -> None:
    page = generate.configuration()
    for section, field in Sections.model_fields.items():
        assert f"## [{section}]" in page
        keys = getattr(field.annotation, "model_fields", {})
        assert all(f"| `{key}` |" in page for key in keys), section
    assert all(f"| `{key}` |" in page for key in OperatingRules.model_fields)
    for name, model in ADAPTERS.items():
        part = page[page.index(f'### adapter = "{name}"') :]
        assert all(f"| `{key}` |" in part for key in model.model_fields), name
    tables = generate.tables_as_values()
    assert {"Series", "Price", "Group", "LinearRule", "Near", "LockIn"} <= tables.keys()
    for name, model in tables.items():
        part = page[page.index(f"\n### {name}\n") :]
        assert all(re.search(rf"^\| `{key}` \| .+ \| .{{8,}} \|$", part, re.MULTILINE) for key in model.model_fields), (
            name
        )


def test_the_page_of_errors_has_every_error_and_the_kinds_that_there_are() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    raised = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert not [
        name for name in sorted(raised) if f"`{name}`" not in page and name != "ReallotError" and name != "ErrorKind"
    ]
    kinds = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", page[page.index("| kind |") :], re.MULTILINE)
    assert kinds and set(kinds) == set(errors.ErrorKind)


def test_every_state_of_a_move_and_what_may_follow_it_is_on_its_page(generate: ModuleType) -> None:
    lines = generate.states().splitlines()
    assert len(FOLLOWS) > 10
    for state, following in FOLLOWS.items():
        [line] = [line for line in lines if line.startswith(f"| `{state}` |")]
        assert line.split(" | ")[-1] == f"{', '.join(f'`{each}`' for each in following)} |"
    assert all(f"| `{state}` |" in "\n".join(lines) for state in MoveState)


def test_every_path_of_the_api_is_on_its_page(generate: ModuleType) -> None:
    page = generate.http_api(ROOT / "docs")
    told = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    for path, operations in told["paths"].items():
        for method in operations:
            assert f"| `{method.upper()} {path}` | {operations[method]['x-scope']} | " in page
    assert "`kind` | confirm, decline, execute" in page and "| 412 | " in page


@pytest.mark.slow
def test_every_file_of_the_library_is_on_a_page(generate: ModuleType) -> None:
    page = generate.files()
    names = [
        path.name for path in Path(reallot.__file__).parent.rglob("*.py") if path.read_text(encoding="utf-8").strip()
    ]
    assert page.count("\n| `") == len(names) > 200


def test_every_command_and_option_is_on_its_page(generate: ModuleType) -> None:
    from reallot.cli.main import parser

    page = generate.cli()
    found = dict(generate._commands(parser()))
    assert {"solve", "explain", "demo", "backtest", "run", "report", "confirm", "rollback"} <= set(found)
    for name, command in found.items():
        assert f"## reallot {name}\n" in page
        options = {option for each in command._actions if each.dest != "help" for option in each.option_strings}
        assert not [option for option in options if f"`{option}" not in page and f", {option}" not in page]


CONFIGURATIONS = [
    pytest.param(block.text, id=f"{page.name}-{block.line}")
    for page in (ROOT / "README.md", *PAGES)
    for block in blocks(page.read_text(encoding="utf-8"))
    if block.language == "toml" and "[protocols." in block.text and "adapter = " in block.text
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_every_adapter_of_a_configuration_on_a_page_can_be_made(text: str, tmp_path: Path) -> None:
    config, clock = config_from_text(text, folder=tmp_path), ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    for name, section in config.protocols.items():
        adapter = adapter_of(config, name, section, BuildPlace(clock, clock.now(), tmp_path, 0))
        assert adapter.capabilities().timeout


def test_there_are_configurations_on_the_pages() -> None:
    assert len(CONFIGURATIONS) >= 2
