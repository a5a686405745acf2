"""A table of rates is read by name, on an even clock; what does not fit is said, never guessed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reallot import InvalidInput
from reallot.backtest.table import read_table
from tests.backtest.made import times

FRAME = pd.DataFrame({"relay": [2.0, 2.1, 2.2, 2.0], "compute": [1.0, 1.5, 3.0, 1.0]}, index=times(4))
QUOTES = FRAME * 2.0


def test_a_table_has_names_times_rates_and_the_length_of_a_step() -> None:
    table = read_table(FRAME, name="mine")
    assert (table.name, table.names, table.step_hours, table.steps) == ("mine", ("relay", "compute"), 1.0, 4)
    assert np.array_equal(table.rates, FRAME.to_numpy())
    assert table.index.equals(pd.DatetimeIndex(FRAME.index).as_unit("ns"))
    assert table.quotes is None
    assert read_table(table) is table


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_file_reads_as_the_frame_it_was_written_from(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trace.{ending}"
    FRAME.to_csv(path)
    table, from_frame = read_table(path), read_table(FRAME)
    assert table.name == "trace" and table.names == from_frame.names
    assert np.array_equal(table.rates, from_frame.rates) and np.array_equal(table.times, from_frame.times)


def test_times_of_another_zone_and_without_a_zone_are_utc_in_the_end() -> None:
    zoned = read_table(FRAME.tz_convert("Europe/Berlin"))
    naive = read_table(FRAME.tz_localize(None))
    assert np.array_equal(zoned.times, naive.times)


def test_an_index_of_numbers_needs_the_hours_of_a_step() -> None:
    numbered = FRAME.reset_index(drop=True)
    with pytest.raises(InvalidInput, match="say with step_hours"):
        read_table(numbered)
    assert read_table(numbered, step_hours=24.0).step_hours == 24.0
    with pytest.raises(InvalidInput, match="above 0"):
        read_table(numbered, step_hours=0.0)
    with pytest.raises(InvalidInput, match=r"1 h apart, step_hours says 2"):
        read_table(FRAME, step_hours=2.0)


def test_a_signal_is_aligned_by_name() -> None:
    table = read_table(FRAME, signal=QUOTES[["compute", "relay"]])
    assert table.quotes is not None and np.array_equal(table.quotes, QUOTES.to_numpy())


def gap(frame: pd.DataFrame) -> pd.DataFrame:
    broken = frame.copy()
    broken.iloc[2, 1] = np.nan
    return broken


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[0, 1, 1, 2]]


def missing_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[0, 1, 3]]


BROKEN: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("gap", gap, r"compute has no rate at 2026-01-01T02:00:00Z \(1 such"),
    ("infinite", lambda frame: frame.replace(3.0, np.inf), r"compute is inf, beyond 1e\+15"),
    ("text", lambda frame: frame.astype(object).replace(3.0, "three"), r"compute holds what is no number.*three"),
    ("twice", twice, r"2026-01-01T01:00:00Z stands twice"),
    ("unsorted", lambda frame: frame.iloc[::-1], r"2026-01-01T03:00:00Z is followed by 2026-01-01T02:00:00Z"),
    ("uneven", missing_row, r"uneven: 2 h after 2026-01-01T01:00:00Z where 1.5 h|uneven: 1 h after .* where 1.5 h"),
    ("same names", lambda frame: frame.set_axis(["relay", "relay"], axis=1), r"two columns are named 'relay'"),
    ("empty", lambda frame: frame.iloc[:0], r"0 rows of 2 alternatives"),
    ("no columns", lambda frame: frame[[]], r"4 rows of 0 alternatives"),
    ("no times", lambda frame: frame.set_axis(["x", "y", "z", "w"]), r"neither numbers nor times such as"),
    (
        "day or month",
        lambda frame: frame.set_axis(["01/02/2026", "02/02/2026", "03/02/2026", "04/02/2026"]),
        r"neither",
    ),
    ("one row", lambda frame: frame.iloc[:1], r"it has one row"),
    (
        "times in a column",
        lambda frame: frame.reset_index(names="when"),
        r"'when' holds times; .*\.set_index\('when'\)",
    ),
    (
        "times in a later column",
        lambda frame: frame.assign(when=frame.index.astype(str)).set_index(frame.columns[0]),
        r"'when' holds times; .*\.set_index\('when'\), or the first column of a file",
    ),
    (
        "times as text in a column",
        lambda frame: frame.reset_index(names="when").astype({"when": str}),
        r"'when' holds times; .*\.set_index\('when'\)",
    ),
    (
        "periods",
        lambda frame: frame.set_axis(pd.period_range("2026-01-01", periods=4, freq="h")),
        r"holds periods; .*\.to_timestamp\(\)",
    ),
]


@pytest.mark.parametrize(("change", "message"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_a_broken_table_is_refused_in_words(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_table(change(FRAME))


SIGNALS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("other name", lambda frame: frame.set_axis(["relay", "compote"], axis=1), r"'compote' .*did you mean 'compute'"),
    ("name missing", lambda frame: frame[["relay"]], r"'compute' of the table is missing"),
    ("later", lambda frame: frame.set_axis(times(5)[1:]), r"row 0 is 2026-01-01T01:00:00Z there and 2026-01-01T00"),
    ("shorter", lambda frame: frame.iloc[:3], r"it has 3 rows, the table 4"),
    ("numbers", lambda frame: frame.reset_index(drop=True), r"holds numbers"),
    ("gap", gap, r"the signal: compute has no rate"),
]


@pytest.mark.parametrize(("change", "message"), [pytest.param(*case[1:], id=case[0]) for case in SIGNALS])
def test_a_signal_that_does_not_fit_is_refused(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_table(FRAME, signal=change(QUOTES))


FILES = [
    ("cut.csv.gz", gzip.compress(b"time,a\n2026-01-01,1\n2026-01-02,1\n" * 50)[:40], "cannot be read"),
    ("plain.csv.gz", b"time,a\n2026-01-01,1\n", "cannot be read"),
    ("empty.csv", b"", "cannot be read"),
    ("bytes.csv", b"time,\xff\xfe\n1,2\n", "cannot be read"),
    ("ragged.csv", b"time,a,b\n2026-01-01,1\n2026-01-02,1\n", "first line has 3 names, the next 2"),
    ("longer.csv", b"time,a\n2026-01-01,1\n2026-01-02,1,2\n", "cannot be read"),
    ("same.csv", b"time,a,a\n2026-01-01,1,1\n2026-01-02,1,2\n", "two columns are named 'a'"),
    ("header.csv", b"time,a\n", "cannot be read|0 rows"),
    ("headless.csv", b"2026-01-01,1,2\n2026-01-02,3,4\n", "its first line is 2026-01-01, 1, 2 .*add a line of names"),
    ("counted.csv", b"0,1.5,2\n1,3,4\n", "its first line is 0, 1.5, 2 .*add a line of names"),
    ("semicolons.csv", b"time;a;b\n2026-01-01;1;2\n2026-01-02;3;4\n", "separated by ';'; .*sep=';'"),
    ("tabs.csv", b"time\ta\n2026-01-01\t1\n", "separated by tabs; .*sep="),
    ("nothing.txt", b"x", "is a .csv, .csv.gz or .parquet file"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES, ids=[case[0] for case in FILES])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_table(path)


@pytest.mark.parametrize("first", ["time", ""])
def test_alternatives_may_be_named_by_numbers(first: str, tmp_path: Path) -> None:
    path = tmp_path / "numbered.csv"
    path.write_text(f"{first},1,2\n2026-01-01,1,2\n2026-01-02,3,4\n")
    assert read_table(path).names == ("1", "2") and read_table(path).steps == 2


@pytest.mark.parametrize("name", ["xyz.csv", "trase.csv"])
def test_what_else_lies_in_a_folder_is_not_told(name: str, tmp_path: Path) -> None:
    for other in ("trace.csv", "private-letters.csv", "salaries.parquet"):
        (tmp_path / other).write_text("x")
    with pytest.raises(InvalidInput, match="no such file") as caught:
        read_table(tmp_path / name)
    assert "letters" not in str(caught.value) and "salaries" not in str(caught.value)


def test_a_file_that_is_not_there_is_named_with_the_near_miss(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "trace.csv")
    with pytest.raises(InvalidInput, match=r"no such file; did you mean 'trace.csv'"):
        read_table(tmp_path / "trase.csv")
    with pytest.raises(InvalidInput, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(InvalidInput, match="not a list"):
        read_table([1.0, 2.0])


def test_parquet_is_read_where_its_engine_is_installed_and_asked_for_where_not(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    try:
        FRAME.to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(InvalidInput, match="needs the package pyarrow"):
            read_table(path)
        return
    assert np.array_equal(read_table(path).rates, FRAME.to_numpy())
    FRAME.rename_axis("time").reset_index().to_parquet(path)
    assert read_table(path).names == ("relay", "compute")
    FRAME.reset_index(drop=True).to_parquet(path)
    assert read_table(path, step_hours=1.0).names == ("relay", "compute")
