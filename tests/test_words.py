"""The words of the field: the glossary holds, and its words to avoid name nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import reallot
from tests.sources import ROOT as SOURCES
from tests.sources import texts, trees

ROOT = Path(__file__).resolve().parents[1]
TESTS = re.compile(r"def (test_\w+)")
GLOSSARY = (ROOT / "docs" / "concepts" / "glossary.md").read_text(encoding="utf-8")
PAGES = [page for page in (ROOT / "docs").rglob("*.md") if page.name != "glossary.md" and "made" not in page.parts]


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the glossary, without its head."""
    part = GLOSSARY.split(f"{heading}\n", 1)[1]
    lines = part[part.index("\n|") :].strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


TERMS = {term: code for term, _, code in table("# Glossary")}
AVOIDED = {word for listed, _ in table("## Words that name nothing here") for word in listed.split(", ")}


def defined(tree: ast.AST) -> Iterator[str]:
    """Every name that is made in a file: of functions, classes, arguments and whatever is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr  # those of other objects are named by their makers


def words(name: str) -> list[str]:
    """The words of an identifier: `RateRules` is rate and rules, `max_usd` is max and usd."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def misnamed(names: Iterable[str], avoided: Iterable[str]) -> list[str]:
    """Of the names those with a word to avoid."""
    return [name for name in names if set(words(name)) & set(avoided)]


def test_the_walk_sees_names_of_every_kind() -> None:
    found = set(
        defined(ast.parse("class A:\n def f(self, b):\n  c, self.d = 1, 2\n  return other.e\nasync def g(): ..."))
    )
    assert found == {"A", "f", "self", "b", "c", "d", "g"}
    assert words("RateRules") == ["rate", "rules"] and words("_max_usd") == ["max", "usd"]
    assert misnamed(["old_swap", "swapped", "TmpFile"], ["swap", "tmp"]) == ["old_swap", "TmpFile"]
    assert len(TERMS) > 25 and len(AVOIDED) > 25
    assert {"ProtocolSpec", "allocate", "max_change"} <= {name for names in made().values() for name in names}


@pytest.fixture(scope="module", autouse=True)
def _read() -> None:
    """What all tests look at is no time of the first that looks."""
    made()


@cache
def made() -> dict[Path, list[str]]:
    """The names that each file makes, and its own."""
    return {path: sorted({*defined(tree), path.stem}) for path, tree in trees().items()}


def test_every_term_of_the_glossary_occurs_in_the_package_or_on_other_pages() -> None:
    spelled = {word for term in TERMS for word in re.split(r" \(|\)", term.lower()) if word}
    text = "\n".join([*texts().values(), *(page.read_text(encoding="utf-8") for page in PAGES)]).lower()
    missing = [word for word in spelled if not re.search(r"[\s#>|\"-]+".join(map(re.escape, word.split())), text)]
    assert not missing


def test_every_term_stands_where_the_glossary_says() -> None:
    names_made = {name for names in made().values() for name in names}
    for term, code in TERMS.items():
        named = re.findall(r"`([^`]+)`", code)
        assert named, term
        for each in named:
            if "/" in each:
                assert (SOURCES / each).exists(), each
            else:
                assert set(each.removeprefix("plan.").split(".")) <= names_made, each


def test_no_name_has_a_word_to_avoid() -> None:
    wrong = [
        f"{path.relative_to(SOURCES)}: {name}" for path, names in made().items() for name in misnamed(names, AVOIDED)
    ]
    assert not wrong, "the glossary says what to say instead:\n" + "\n".join(wrong)


def test_public_names_are_none_of_the_words_to_avoid() -> None:
    assert misnamed(reallot.__all__, AVOIDED) == []


def test_no_test_is_named_by_a_number_of_a_list() -> None:
    """A reader has no such list: the name says what holds."""
    named = [
        name for path in (ROOT / "tests").rglob("*.py") for name in TESTS.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 1000
    assert [name for name in named if re.match(r"test_[a-z]?\d+_", name)] == []


def test_no_file_cites_a_numbered_document_that_a_reader_does_not_have() -> None:
    """ "R18", "I3", "Item 3", "issue 12", "#7": a sentence says what holds instead."""
    cited = re.compile(r"[IRi#](?<![\w&].)(?:(?<!i)\d{1,2}|(?:tem|ssue) #?\d+)\b(?!;)")
    assert all(cited.search(text) for text in ("see R18", '("I3", 1)', "Item 3", "as issue 12 says", "of #7."))
    tests = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve())
    read = {**texts(), **{path: path.read_text(encoding="utf-8") for path in (*tests, *PAGES)}}
    found = [f"{path.name}: {hit.group()}" for path, text in read.items() for hit in cited.finditer(text)]
    assert not found


MOST_WORDS = 35
"""Of a sentence on a page that people read from top to bottom; 25 is what to aim at."""


def sentences(page: str) -> Iterator[str]:
    """The sentences of a Markdown page: without code blocks and tables, code in a line as one word."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)", text):
        if not part.lstrip().startswith(("|", "    ")):
            yield from re.split(r"(?<=[.!?;])\s+", re.sub(r"`[^`]*`", "code", re.sub(r"\]\([^)]*\)", "]", part)))


def test_sentences_are_told_apart() -> None:
    page = "# Head\n\nOne `a. b` is [here](x. y). Two is\nthere; three.\n\n```text\nno. no\n```\n- four\n\n| no. no |\n"
    assert [" ".join(each.split()) for each in sentences(page) if each.strip()] == [
        "# Head",
        "One code is [here].",
        "Two is there;",
        "three.",
        "- four",
    ]


def test_sentences_of_the_guides_are_short() -> None:
    read = [
        page for page in PAGES if page.parent.name in ("guides", "concepts") or page.stem in ("index", "quickstart")
    ]
    assert len(read) > 15
    long = {
        f"{page.name}: {' '.join(each.split())}": size
        for page in (ROOT / "README.md", *read)
        for each in sentences(page.read_text(encoding="utf-8"))
        if (size := len(re.findall(r"\w[\w'/.-]*", each))) > MOST_WORDS
    }
    assert not long, "two sentences say it better:\n" + "\n".join(long)
