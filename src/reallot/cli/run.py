"""reallot run: polls, decides, moves and watches, in real time or in simulated time."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from ..engine.contracts.configs import Mode
from ..engine.contracts.move_state import MoveState
from ..engine.execution.pause import PAUSED
from ..errors import ConfigurationError, DataError, MonitoringError
from ..orchestration.cycle import CycleResult
from ..runtime.build import Parts, build, close_quietly, remember
from ..runtime.config import Config
from ..runtime.events import LogEvent
from ..runtime.runner import Runner
from ..text.durations import format_duration
from ..text.numbers import percent, usd
from .beside import Beside
from .config_file import config_of
from .live_table import Lines, display, final_table, report_text, state_table
from .logs import logging_to, tell
from .screen import Screen
from .terminal import Terminal

NO_MODE = (
    "the file names none, so nothing is moved; to let it act, set "
    'mode = "automatic" or "confirm" under [reallocation], or give --mode'
)
NOT_FINISHED = (MoveState.ROLLED_BACK, MoveState.SETTLING, MoveState.HALTED)
ENDED, NOTHING, PUT_BACK, CUT_SHORT, UNHEARD = 0, 3, 5, 6, 7
"""Ended well, or stopped between two steps or after finishing one; nothing answered; stopped, and the step under way
was put back; stopped in the middle of a step, which the journal tells the next start; ended well, and nobody read all
that was said."""


def run(options: argparse.Namespace) -> int:
    """Runs a configuration until its end, or until it is stopped; returns the exit code."""
    if options.once and options.serve is not None:
        raise ConfigurationError("--once ends after one cycle, and --serve shows an engine that goes on: leave one out")
    config = config_of(options.config)
    if options.once and (missing := config.missing_variables()):
        told = ", ".join(f"{place} names {variable}" for place, variable in missing)
        names = " ".join(f"{variable}=..." for variable in dict.fromkeys(variable for _, variable in missing))
        raise ConfigurationError(f"{config.source}: variables are not set: {told}; before it runs: export {names}")
    mode = None if options.mode is None else Mode(options.mode)
    parts = build(config, simulate=options.simulate is not None, mode=mode, ledger=options.ledger)
    shows = Lines(sys.stdout) if options.json_log else display(sys.stdout)
    try:
        with logging_to(shows.line, parts.clock, as_json=options.json_log):
            return asyncio.run(_run(parts, options, shows))
    finally:
        parts.engine.close()
        parts.ledger.close()


class _Stop:
    """The first signal asks for an end between two steps, the second for one at once.

    amid     True where the first one came in the middle of a cycle
    why      what to say of it beside
    trouble  True where the one cycle of `--once` was not made as configured
    """

    def __init__(self, runner: Runner) -> None:
        self.asked, self.at_once, self.amid, self.why = asyncio.Event(), False, False, ""
        self.trouble = False
        self.task: asyncio.Task[None] | None = None
        self._runner = runner

    def __call__(self) -> None:
        if not self.asked.is_set():
            self.amid = self._runner.acting
            self.asked.set()
        elif self.task is not None:
            self.at_once = True
            self.task.cancel()


async def _run(parts: Parts, options: argparse.Namespace, shows: Lines) -> int:
    beside = Beside.of(parts, tell, simulated=options.simulate is not None)
    runner = Runner(parts, tell if beside is None else beside.tell)
    stopping = _Stop(runner)
    stopping.task = asyncio.ensure_future(_loop(runner, options, shows, stopping, beside))
    answers: dict[int, Callable[[], None]] = {signal.SIGINT: stopping, signal.SIGTERM: stopping}
    if hasattr(signal, "SIGHUP"):
        answers[signal.SIGHUP] = _hangup(runner, stopping, options)
    loop = asyncio.get_running_loop()
    heard = [each for each, answer in answers.items() if _hears(loop, each, answer)]
    try:
        await stopping.task
    except asyncio.CancelledError:
        if not stopping.at_once:
            raise
    finally:
        for each in heard:
            loop.remove_signal_handler(each)
        if beside is not None:
            beside.end()
        shows.end()
        await close_quietly(parts)
    return _code(runner, stopping, shows)


def _hangup(runner: Runner, stopping: _Stop, options: argparse.Namespace) -> Callable[[], None]:
    """What SIGHUP asks for: an end where the terminal is gone, unless `nohup` said no; else the configuration again."""
    terminal, stays = Terminal(), signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def again() -> Config:
        config, mode = config_of(options.config), options.mode
        rules = config.reallocation
        rules = rules if mode is None else rules.model_copy(update={"mode": Mode(mode)})
        return replace(config, reallocation=rules)

    def heard() -> None:
        if stays or not terminal.gone():
            runner.reload(again)
        elif not stopping.asked.is_set():
            stopping.why = ": the terminal is gone"
            stopping()

    return heard


def _hears(loop: asyncio.AbstractEventLoop, each: int, answer: Callable[[], None]) -> bool:
    """True where the signal is answered so from now on; else it ends the process as it always did, without asking.

    Loops of some systems hear no signals (NotImplementedError), and no loop does outside of the main thread.
    """
    try:
        loop.add_signal_handler(each, answer)
    except (NotImplementedError, ValueError, RuntimeError):
        return False
    return True


def _code(runner: Runner, stopping: _Stop, shows: Lines) -> int:
    """How it ended, and the line that says so where it was stopped."""
    at = runner.parts.clock.now()
    if stopping.at_once:
        lost = "" if runner.parts.ledger.folder else "; nothing was kept, since the ledger was in memory"
        tell(LogEvent("stopped", at, f"stopped at once: the next start ends what was begun{lost}"))
        return CUT_SHORT
    if stopping.asked.is_set():
        state = runner.parts.engine.state
        if state.phase is MoveState.VERIFYING:
            text = f"stopped{stopping.why}; {state.reason}: the next start goes on with it"
            tell(LogEvent("stopped", at, text))
            return CUT_SHORT
        verdict = runner.report.verdict if runner.report is not None else None
        if stopping.amid and verdict is not None and verdict in NOT_FINISHED:
            text = f"stopped{stopping.why}; the step under way was not finished: {verdict.words}"
            tell(LogEvent("stopped", at, text))
            return PUT_BACK
        text = "; the step under way was finished" if stopping.amid else ""
        tell(LogEvent("stopped", at, f"stopped{stopping.why}{text}"))
    if runner.polls == 0 or stopping.trouble:
        return NOTHING
    return UNHEARD if shows.lost else ENDED


def _is_in_trouble(runner: Runner) -> bool:
    """True where the one cycle was not made as configured: its ledger halts or cannot be used, or a step failed.

    Where no share is known there is nothing to plan, and that is no failure; nor is a pause that a person asked for.
    """
    last, journal = runner.last, runner.parts.engine.journal
    if journal.observe_only or journal.halted() not in ("", PAUSED) or last is None:
        return True
    has_shares = last.metrics is not None and bool(last.metrics.allocation_by_protocol)
    return (has_shares and bool(last.errors)) or (last.plan is not None and bool(last.plan.conflict))


async def _loop(
    runner: Runner, options: argparse.Namespace, shows: Lines, stopping: _Stop, beside: Beside | None
) -> None:
    parts = runner.parts
    began, known = parts.clock.now(), 0
    try:
        known = await remember(parts)
    except DataError as error:
        tell(LogEvent("ledger", began, f"what was known before cannot be read: {error}", level=30))
    _hello(parts, began, known, options)
    until = began + options.simulate if options.simulate is not None else None

    def seen(result: CycleResult) -> None:
        shows.show(_after_move(result, parts))
        if beside is not None:
            beside.cycle(runner)

    if options.serve is not None:
        from .serve import serve

        say = partial(_address_in_log, began) if options.json_log else shows.block
        counts = None if beside is None or beside.notifier is None else beside.notifier.counts
        await serve(runner, options.serve, say, counts).run(seen, until, stopping.asked)
    else:
        async for result in runner.cycles(stopping.asked, began if options.once else until):
            seen(result)
    stopping.trouble = options.once and _is_in_trouble(runner)
    shows.end()
    if options.once and runner.last is not None and not options.json_log:
        shows.block(state_table(_after_move(runner.last, parts), Screen.of(sys.stdout), alerts=False))
    elif not options.once:
        await _goodbye(runner, began, options.json_log, shows)


def _address_in_log(at: datetime, text: str) -> None:
    """Tells the address without its token: logs are kept, and read by others."""
    tell(LogEvent("serve", at, f"{text.partition('#')[0]} (to be let in, make a token with reallot token new NAME)"))


def _after_move(result: CycleResult, parts: Parts) -> CycleResult:
    """The cycle with the shares that its move left, which its poll could not know."""
    if not result.acted or result.metrics is None:
        return result
    committed, polled = parts.engine.journal.committed(), result.metrics.allocation_by_protocol
    shares = {name: committed.get(name, share) for name, share in polled.items()}
    metrics = result.metrics.model_copy(update={"allocation_by_protocol": shares})
    return result.model_copy(update={"metrics": metrics})


def _hello(parts: Parts, began: datetime, known: int, options: argparse.Namespace) -> None:
    config, count = parts.config, len(parts.config.protocols)
    every = format_duration(config.coordinator.every)
    text = f"{count} protocols, polled every {every}, mode {parts.mode.value}"
    if options.mode is None and not config.names_mode:
        text += f" ({NO_MODE})"
    if options.simulate is not None:
        text += f", {format_duration(options.simulate)} of simulated time"
    in_memory = "ledger in memory" if options.simulate is not None else parts.engine.loses
    text += f"; ledger in the folder {parts.ledger.folder}" if parts.ledger.folder else f"; {in_memory}"
    if known:
        text += f"; {known} polls are known from before"
    tell(LogEvent("start", began, text, {"protocols": count, "mode": parts.mode.value}))
    for note in parts.notes:
        tell(LogEvent("ledger", began, note, level=30))
    journal = parts.engine.journal
    if journal.observe_only:
        tell(LogEvent("ledger", began, journal.observe_only, level=30))
    elif parts.mode in (Mode.OBSERVE, Mode.ADVISE) and (halted := journal.halted()):  # the others say it at each plan
        tell(LogEvent("ledger", began, f"halted: {halted}", level=30))


async def _goodbye(runner: Runner, began: datetime, as_json: bool, shows: Lines) -> None:
    """The whole period, at its end."""
    parts = runner.parts
    try:
        report = await parts.monitor.generate_report(began, max(parts.clock.now(), began + timedelta(seconds=1)))
    except MonitoringError:
        return
    if as_json:
        fields = {"total_earnings": report.total_earnings, "polls": runner.polls, "moves": runner.moves}
        tell(LogEvent("end", parts.clock.now(), f"earned {usd(report.total_earnings)} USD", dict(fields)))
        return
    last = runner.last.metrics.allocation_by_protocol if runner.last and runner.last.metrics else {}
    now = {name: getattr(parts.coordinator.adapters[name], "share", share) for name, share in last.items()}
    table = final_table(report, runner.first, now, Screen.of(sys.stdout))
    shows.block(f"\n{table}\n\n{report_text(report)}\n{summary(runner)}")


def summary(runner: Runner) -> str:
    """What moving brought, where simulated protocols know what staying would have earned."""
    if not runner.never or not runner.moves:
        return f"{runner.polls} polls."
    gain = runner.earned - runner.never
    part = f" ({percent(gain / runner.never)})" if runner.never > 0.0 else ""
    return (
        f"{runner.polls} polls, {runner.moves} moves. Without noise: {usd(runner.earned)} USD earned, "
        f"{usd(runner.never)} USD by never moving: {usd(gain, sign=True)} USD{part}, "
        f"{usd(gain - runner.spent, sign=True)} USD after the cost of moving."
    )
