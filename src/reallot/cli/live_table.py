"""What a run shows: a table that is redrawn on a terminal; elsewhere, one line per change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from ..engine.contracts.reports import PerformanceReport
from ..errors import ErrorKind
from ..orchestration.cycle import CycleResult
from ..text.durations import format_duration
from ..text.numbers import count, percent, share, shown, usd
from .screen import BOLD, Screen, has_rich

EVERY_SECONDS = 0.1
"""A table is drawn again at most so often."""


class Lines:
    """Writes lines as they come. `lost` is True once the stream takes no more: then nothing is written any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.lost = stream, False

    def line(self, text: str) -> None:
        """One change."""
        self.block(text)

    def block(self, text: str) -> None:
        """Lines as they are, where no table is drawn."""
        if not self.lost:
            with self._until_broken():
                print(text, file=self._stream, flush=True)

    def show(self, result: CycleResult) -> None:
        """Nothing: a state is no change."""

    def end(self) -> None:
        """Nothing is left on the screen."""

    @contextmanager
    def _until_broken(self) -> Iterator[None]:
        """What is written in here is lost, and that is told on standard error once, where nobody takes it any more."""
        try:
            yield
        except (OSError, ValueError, SystemExit) as error:  # rich answers a broken pipe with an exit
            already, self.lost = self.lost, True
            if already:
                return
            told = f"reallot: what the engine says cannot be written ({error or 'no reader'}); it goes on without"
            with suppress(OSError, ValueError):
                print(told, file=sys.stderr, flush=True)
            with suppress(OSError, ValueError):  # what is left must not be written at the exit either
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class Live(Lines):
    """Keeps a table at the bottom of a terminal, and writes lines above it (extra `cli`)."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as Region

        super().__init__(stream)
        console = Console(file=stream, force_terminal=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._region, self._at = Region(console=console, auto_refresh=False, transient=True), float("-inf")

    def line(self, text: str) -> None:
        """One change, above the table."""
        if not self.lost:
            with self._until_broken():
                self._region.console.print(text)

    def show(self, result: CycleResult) -> None:
        """The table of this cycle, if the last one stood long enough."""
        from rich.text import Text

        now = time.monotonic()
        if self.lost or now - self._at < EVERY_SECONDS:
            return
        self._at = now
        with self._until_broken():
            self._region.start()
            self._region.update(Text.from_ansi(state_table(result, Screen.of(self._stream))), refresh=True)

    def end(self) -> None:
        """Takes the table away."""
        with self._until_broken():  # also where it is lost: its threads end
            self._region.stop()


def display(stream: TextIO) -> Lines:
    """A live table where `stream` is a terminal that can redraw, and rich is there to do so."""
    is_terminal = bool(getattr(stream, "isatty", lambda: False)())
    return Live(stream) if is_terminal and Screen.of(stream).color and has_rich() else Lines(stream)


def state_table(result: CycleResult, screen: Screen, *, alerts: bool = True) -> str:
    """Where everything stands after one cycle; `alerts` False where they were told before."""
    metrics = result.metrics
    head = f"{result.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if metrics is None:
        return f"{head}  no poll: {'; '.join(result.errors.values())}"
    optimal = result.plan.allocation if result.plan is not None else {}
    rows = [["", "share", "plan", "USD/h before" if result.acted else "USD/h", ""]]
    for name in sorted({*metrics.connection_status, *metrics.allocation_by_protocol}):
        held, earned = metrics.allocation_by_protocol.get(name), metrics.earnings_by_protocol.get(name)
        status = metrics.statuses.get(name)
        note, old = "", f"value {format_duration(metrics.stale[name])} old" if name in metrics.stale else ""
        if not metrics.connection_status.get(name, False):
            note = f"no answer: {status.error.value if status is not None and status.error is not None else 'unknown'}"
            note = "an answer that cannot be read" if note.endswith(ErrorKind.SHAPE) else note
        note = ", ".join(each for each in (note, old) if each)
        rows.append([shown(name), share(held), share(optimal.get(name)), _money(earned), note])
    total, measured = metrics.total_earnings_per_hour, metrics.measured_earnings_per_hour
    of_it = f"{_money(measured)} measured" if metrics.stale and measured is not None else ""
    shares = metrics.allocation_by_protocol.values()
    rows.append(["total", share(sum(shares) if shares else None), "", _money(total), of_it])
    open_alerts = [] if result.dashboard is None or not alerts else result.dashboard.alerts
    lines = [screen.paint(head, BOLD), screen.table(rows, range(1, 4))]
    if result.dashboard is not None and result.dashboard.verifying:
        lines.append(screen.folded(shown(result.dashboard.verifying)))
    lines += [f"! {shown(alert.message)}"[: screen.width - 1] for alert in open_alerts[:5]]
    return "\n".join(lines)


def final_table(report: PerformanceReport, first: Mapping[str, float], now: Mapping[str, float], screen: Screen) -> str:
    """A period by protocol: share then and now, earned, how long it answered."""
    rows = [["", "began", "ends", "earned USD", "answered"]]
    for name in sorted({*report.earnings_by_protocol, *first, *now}):
        earned, up = report.earnings_by_protocol.get(name), report.uptime.get(name)
        rows.append([shown(name), share(first.get(name)), share(now.get(name)), _money(earned), percent(up)])
    rows.append(["total", share(sum(first.values())), share(sum(now.values())), _money(report.total_earnings), ""])
    return screen.table(rows, range(1, 5))


def report_text(report: PerformanceReport) -> str:
    """The sums of a period in sentences."""
    lines = [
        f"{report.period_start:%Y-%m-%d %H:%M} to {report.period_end:%Y-%m-%d %H:%M} UTC, "
        f"{percent(report.covered)} covered.",
        f"Earned {usd(report.total_earnings)} USD, moves cost {usd(report.total_cost)} USD, "
        f"net {usd(report.net_earnings)} USD; {usd(report.average_earnings_per_hour)} USD/h on average.",
        f"{count(report.reallocations, 'move')}, {report.rollbacks} taken back, {count(report.alerts, 'alert')}.",
    ]
    judged = [move for move in report.moves if move.measured is not None]
    if judged:
        predicted = sum(move.predicted for move in judged)
        measured = sum(move.measured or 0.0 for move in judged)
        lines.append(
            f"{count(len(judged), 'move')} could be judged: {usd(predicted, sign=True)} USD/h predicted, "
            f"{usd(measured, sign=True)} measured."
        )
    lines += [f"Note: {shown(note)}." for note in report.notes]
    return "\n".join(lines)


def _money(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"
