"""sweep(tables): backtests over traces and settings, with any executor, as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, near_miss
from ..policy.base import Policy
from ..policy.registry import DEFAULT, policies_of
from ..problem import Limits
from ..problem.validation import brief, by_name, in_order, known_names, yes_or_no
from ..text.progress import Bar
from .run import run_all
from .settings import Setting, require_setting
from .table import RateTable, read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Job:
    """One backtest of a sweep: its trace, what is varied there, and what is run."""

    trace: str
    varied: Mapping[str, Any]
    table: RateTable
    setting: Setting
    policies: tuple[str | Policy, ...]

    def run(self) -> pd.DataFrame:
        """The backtest's `to_frame`, with the trace, what is varied and the policy as columns in front."""
        result = run_all(self.table, self.policies, self.setting)
        frame = result.to_frame().reset_index()
        for key in reversed(list(self.varied)):
            frame.insert(0, key, [self.varied[key]] * len(frame))
        frame.insert(0, "trace", self.trace)
        return frame


def sweep(
    tables: Any,
    policies: str | Policy | Iterable[str | Policy] | None = None,
    setting: Setting | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    signals: Mapping[str, Any] | None = None,
    step_hours: float | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], None] = False,
) -> pd.DataFrame:
    """Backtest every table under every combination of what is varied.

    Parameters
    ----------
    tables
        Tables by name, a list of files, or one table; each as `backtest` takes it.
    policies
        As in `backtest`.
    setting
        What all backtests have in common.
    vary
        Values by the name of a field of Setting or of its Limits: {"cost_days": [0.1, 1], "max_turnover": [0.2]}.
    signals
        Signal tables by the name of their table.
    step_hours
        Length of a step (hours), where the index holds numbers.
    executor
        Anything with `submit` as in concurrent.futures: a ProcessPoolExecutor, or Dask's `Client.get_executor()`. None
        runs one backtest after the other here.
    progress
        A function, called with (done, all) after every backtest. True draws a bar on standard error where that is a
        terminal.

    Returns
    -------
    pandas.DataFrame
        One row for each policy of each backtest. Columns are trace, what is varied, policy, and those of
        `Backtest.to_frame`. Rows are in the order of tables and values, whatever finished first.

    Raises
    ------
    InvalidInput
        Before anything runs where an argument is wrong, and what a backtest raises.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import sweep
    >>> times = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> rates = pd.DataFrame({"relay": [2.0] * 48, "compute": [1.0] * 24 + [4.0] * 24}, index=times)
    >>> found = sweep({"mine": rates}, "greedy", vary={"cost_usd": [0.0, 0.5], "max_turnover": [0.2, 1.0]})
    >>> found.pivot(index="policy", columns=["cost_usd", "max_turnover"], values="net").loc["greedy"].round(2).tolist()
    [137.1, 141.5, 136.35, 140.75]
    """
    jobs = _jobs(tables, policies, Setting() if setting is None else setting, vary, signals, step_hours)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidInput(f"{brief(executor)} is no executor; give one with `submit`, as concurrent.futures has them")
    tell = progress if callable(progress) else Bar("backtests") if yes_or_no(progress, "progress") else _silent
    import pandas as pd

    return pd.concat(_results(jobs, executor, tell), ignore_index=True)


def _jobs(
    tables: Any,
    policies: str | Policy | Iterable[str | Policy] | None,
    setting: Setting,
    vary: Mapping[str, Sequence[Any]] | None,
    signals: Mapping[str, Any] | None,
    step_hours: float | None,
) -> list[Job]:
    require_setting(setting)
    chosen = tuple(policies_of(DEFAULT if policies is None else policies))
    sources, signals = _sources(tables), {} if signals is None else by_name(signals, "signals")
    known_names(signals, sources, "signals")
    read = {
        name: read_table(source, signal=signals.get(name), step_hours=step_hours, name=name)
        for name, source in sources.items()
    }
    columns = {
        key: in_order(values, f"vary {key}", "values")
        for key, values in by_name({} if vary is None else vary, "vary").items()
    }
    combinations = [dict(zip(columns, values, strict=True)) for values in product(*columns.values())]
    if not read or not combinations:
        raise InvalidInput(f"{len(read)} tables and {len(combinations)} settings; give at least one of each")
    return [
        Job(name, varied, table, varied_setting(setting, varied), chosen)
        for name, table in read.items()
        for varied in combinations
    ]


def _sources(tables: Any) -> dict[str, Any]:
    """Tables by name."""
    if isinstance(tables, Mapping):
        return dict(tables)
    if isinstance(tables, (list, tuple)):
        paths = [Path(each) if isinstance(each, (str, Path)) else None for each in tables]
        names = [each.name.split(".")[0] if each is not None else "" for each in paths]
        if not all(names) or len(set(names)) != len(names):
            raise InvalidInput("a list of tables is one of files with different names; give {name: table} instead")
        return dict(zip(names, tables, strict=True))
    if isinstance(tables, RateTable):
        return {tables.name: tables}
    return {Path(tables).name.split(".")[0] if isinstance(tables, (str, Path)) else "table": tables}


def varied_setting(setting: Setting, varied: Mapping[str, Any]) -> Setting:
    """The setting with other values of its fields, or of those of its limits; raises InvalidInput for other names.

    >>> varied_setting(Setting(), {"cost_usd": 2.0, "max_turnover": 0.1}).limits.max_turnover
    0.1
    """
    own, of_limits = ({each.name for each in fields(record)} for record in (Setting, Limits))
    for name in varied:
        if name not in own | of_limits:
            raise InvalidInput(
                f"vary names {name!r}, which neither Setting nor Limits has; {near_miss(name, own | of_limits)}"
            )
    changes = {name: value for name, value in varied.items() if name in own}
    for name, other in (("cost_days", "cost_usd"), ("cost_usd", "cost_days")):
        if name in changes and other not in changes:
            changes[other] = None
    limits = changes.get("limits", setting.limits)
    inner = {name: value for name, value in varied.items() if name not in own}
    return replace(setting, **{**changes, "limits": replace(limits, **inner) if inner else limits})


def _results(jobs: Sequence[Job], executor: Executor | None, tell: Callable[[int, int], None]) -> list[pd.DataFrame]:
    """Frames in the order of the jobs; the first error ends it, and what has not begun is not begun."""
    if executor is None:
        frames = []
        for done, job in enumerate(jobs, 1):
            frames.append(job.run())
            tell(done, len(jobs))
        return frames
    futures: list[Future[pd.DataFrame]] = [executor.submit(Job.run, job) for job in jobs]
    try:
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            tell(done, len(jobs))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [future.result() for future in futures]


def _silent(done: int, of: int) -> None:
    """Says nothing."""
