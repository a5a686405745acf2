"""A test that takes long and is not marked `slow` fails where the limit of the quick round is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pluggy import Result

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture
def conftest(request: pytest.FixtureRequest) -> Any:
    """The conftest of these tests, which holds the hook."""
    plugins = request.config.pluginmanager.get_plugins()
    [found] = [each for each in plugins if getattr(each, "__file__", None) == str(CONFTEST)]
    return found


class Marked:
    """As much of a test item as the hook looks at."""

    def __init__(self, *marks: str) -> None:
        self.marks = marks

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


def outcome_of(conftest: Any, limit: float, item: Marked, error: Exception | None = None) -> BaseException | None:
    """What the hook makes of a test that works a little and ends with `error`, at a limit in seconds."""

    def ended() -> None:
        if error is not None:
            raise error

    with pytest.MonkeyPatch.context() as patched:  # undone before this test is measured by the same hook
        patched.setattr(conftest, "QUICK", limit)
        result, hook = Result.from_call(ended), conftest.pytest_runtest_call(item)
        next(hook)
        sum(range(10_000))
        with pytest.raises(StopIteration):
            hook.send(result)
    return result.exception


def test_a_long_test_fails_and_says_what_to_do(conftest: Any) -> None:
    found = outcome_of(conftest, 1e-12, Marked())
    assert isinstance(found, pytest.fail.Exception)
    assert "make it less or mark it slow" in str(found)


def test_one_that_is_marked_or_quick_passes(conftest: Any) -> None:
    assert outcome_of(conftest, 1e-12, Marked("slow")) is None
    assert outcome_of(conftest, 60.0, Marked()) is None


def test_a_test_that_failed_keeps_its_own_error(conftest: Any) -> None:
    wrong = ValueError("wrong")
    assert outcome_of(conftest, 1e-12, Marked(), wrong) is wrong
