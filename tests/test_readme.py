"""The README does what it says: its blocks run from top to bottom, and where output is shown, it is that output."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from reallot.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [
    README,
    *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line it starts on, and the prose since the block before."""

    language: str
    text: str
    line: int
    before: str


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    result, end = [], 0
    for match in FENCE.finditer(text):
        line = text[: match.start(2)].count("\n") + 1
        result.append(Block(match[1], match[2], line, text[end : match.start()]))
        end = match.end()
    return result


def lines(text: str) -> list[str]:
    """Lines without trailing blanks, and without empty lines at either end."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def run_python(block: Block, namespace: dict[str, object]) -> str:
    """Runs the block and returns what it printed; tracebacks name the README's line."""
    output = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.text, str(README), "exec")
    with contextlib.redirect_stdout(output):
        exec(code, namespace)
    return output.getvalue()


def run_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `reallot ...` prints; it must end with 0."""
    capsys.readouterr()
    code = main(words[1:])
    printed = capsys.readouterr()
    assert code == 0, f"{shlex.join(words)} ended with {code}: {printed.err}"
    return printed.out


def run_console(block: Block, capsys: pytest.CaptureFixture[str]) -> int:
    """Runs every `$ reallot` line; lines below it are its output. Returns how many ran."""
    count = 0
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command, comments=True)
        assert words[0] == "reallot", f"README line {block.line}: only reallot commands are run, not {words[0]}"
        output = run_command(words, capsys)
        if expected.strip():
            assert lines(output) == lines(expected), f"README line {block.line}: {command}"
        count += 1
    return count


def test_the_readmes_python_blocks_run_in_order_and_print_what_is_shown() -> None:
    namespace: dict[str, object] = {"__name__": "readme"}
    printed, ran, compared = None, 0, 0
    for block in blocks(README.read_text(encoding="utf-8")):
        if block.language == "python":
            printed, ran = run_python(block, namespace), ran + 1
            continue
        if block.language == "text" and printed is not None and not block.before.strip():
            assert lines(printed) == lines(block.text), f"README line {block.line}"
            compared += 1
        printed = None
    assert ran >= 2 and compared >= 1


@pytest.mark.slow
def test_the_readmes_commands_run_on_the_readmes_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in blocks(README.read_text(encoding="utf-8")):
        if block.language in ("toml", "json"):
            named = re.findall(rf"`([\w.-]+\.{block.language})`", block.before)
            assert named, f"README line {block.line}: say in backticks which file this is"
            Path(named[-1]).write_text(block.text, encoding="utf-8")
        if block.language == "console":
            ran += run_console(block, capsys)
    assert ran >= 2


def test_the_readmes_two_commands_name_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """They make an environment, so they are not run as they stand: their extras exist, and reallot's own part runs."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    last = []
    for block in blocks(README.read_text(encoding="utf-8")):
        if block.language != "bash":
            continue
        parts = [shlex.split(part) for part in block.text.split("&&")]
        for words in parts:
            for target in words:
                wanted = re.fullmatch(r"\.(?:\[([\w,-]+)\])?", target)
                assert not wanted or set((wanted[1] or "test").split(",")) <= set(extras), target
            if Path(words[0]).name == "reallot":
                assert run_command(["reallot", *words[1:]], capsys).strip()
        last.append(Path(parts[-1][0]).name)
    assert last == ["reallot", "pytest"]


def test_a_wrong_output_in_a_page_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    page = "Text.\n\n```python\nprint(1 + 1)\n```\n\n```console\n$ reallot --help\nnothing\n```\n"
    python, console = blocks(page)
    assert (python.line, run_python(python, {})) == (4, "2\n")
    with pytest.raises(AssertionError, match="reallot --help"):
        run_console(console, capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name if page.parent == ROOT else f"{page.parent.name}")
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    for target in targets:
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(place), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_named_in_the_architecture_page_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text))
    sources = ROOT / "src" / "reallot"
    there = {
        path.relative_to(top).as_posix()
        for top, folder in ((sources, sources), (ROOT, ROOT / "tests"), (ROOT, ROOT / "benchmarks"))
        for path in folder.rglob("*.py")
    }
    there |= {path.name for path in sources.rglob("*.py")}
    missing = sorted(named - there)
    assert named and not missing, missing


def test_the_architecture_page_is_two_screens_and_the_readme_three() -> None:
    most = {"ARCHITECTURE.md": 100, "README.md": 149}
    long = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in most}
    assert all(long[name] <= most[name] for name in most), long


def test_the_changelog_has_one_unreleased_section_and_one_line_an_entry() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")][:1] == ["## [Unreleased]"]
    assert text.count("## [Unreleased]") == 1
    entries = text.split("## [Unreleased]", 1)[1].split("\n## ", 1)[0]
    heads = [line for line in entries.splitlines() if line.startswith("### ")]
    assert heads == [f"### {kind}" for kind in ("Changed", "Added", "Fixed")]
    other = [line for line in entries.splitlines() if line and not line.startswith(("- ", "### "))]
    assert not other, f"an entry is one line: {other}"
    assert [line for line in entries.splitlines() if len(line) > 160] == []
