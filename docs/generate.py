"""Pages that are made from the code, so that no public name, key or option can be missing."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import reallot

MADE = "made"
"""Folder below `docs` with everything that is written here."""
GROUPS = {
    "Say what is to be decided": (
        "AllocationProblem ProtocolSpec EarningsCurve Tiers Limits Group LinearRule Goal Closest Near Largest Soft End "
        "LockIn Scenarios CVaR CDaR WorstCase ShortfallChance RateUncertainty "
        "problem_from_frame problem_from_dict problem_to_dict read_problem"
    ),
    "Decide and ask why": (
        "allocate allocate_many session Session frontier what_if explain Allocation Move Price Explanation BatchResult "
        "BatchStatus"
    ),
    "Decide for many hosts": "Fleet FleetLimits allocate_fleet FleetPlan",
    "The linear program": "formulate solve certify LinearProgram Solution Status Certificate",
    "Decide over time": (
        "backtest hindsight sweep Backtest Setting Policy Observation Values Target RegretBudget BandForecaster "
        "CurveLearner reliability"
    ),
    "The running engine": (
        "ProtocolCoordinator EarningsOptimizer ReallocationEngine RealtimeMonitor run_cycle cycles open_ledger "
        "OptimizerConfig ReallocationConfig MonitorConfig Mode ManualClock"
    ),
    "Records of the engine": (
        "ProtocolStatus ResourceUtilization AggregatedMetrics AllocationPlan AllocationChange OptimizationOpportunity "
        "DashboardSnapshot Alert PerformanceReport SeriesKind"
    ),
    "Adapters": "ProtocolAdapter Capabilities SimulatedAdapter ReplayAdapter replay_adapters check_adapter",
    "Figures": "plots",
    "Errors": (
        "ReallotError InvalidInput Infeasible SolverFailed OrchestrationError CoordinationError OptimizationError "
        "ReallocationError MonitoringError ProtocolError ErrorKind ConfigurationError DataError CalculationError"
    ),
}
"""Every public name, by what one wants of it."""


def write(docs: Path) -> None:
    """Writes all generated pages below `docs`/made, in place of those of an earlier run."""
    made = docs / MADE
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    (made / "api.md").write_text(api(), encoding="utf-8")
    (made / "http_api.md").write_text(http_api(docs), encoding="utf-8")
    (made / "cli.md").write_text(cli(), encoding="utf-8")
    (made / "configuration.md").write_text(configuration(), encoding="utf-8")
    (made / "life_of_a_move.md").write_text(states(), encoding="utf-8")
    (made / "files.md").write_text(files(), encoding="utf-8")
    for notebook in sorted((docs.parent / "notebooks").glob("*.py")):
        shutil.copyfile(notebook, made / f"{notebook.stem}.nb.py")


def api() -> str:
    """The API reference: every name of `reallot.__all__`, in the groups above."""
    listed = [name for names in GROUPS.values() for name in names.split()]
    missing = sorted(set(reallot.__all__) ^ set(listed))
    if missing or len(listed) != len(set(listed)):
        raise SystemExit(f"docs/generate.py: GROUPS and reallot.__all__ differ in {', '.join(missing) or 'twice'}")
    return "# API reference\n\nEverything below is imported from `reallot`.\n\n" + "\n".join(
        f"## {title}\n\n" + "\n".join(_directive(name) for name in names.split()) for title, names in GROUPS.items()
    )


def _directive(name: str) -> str:
    value = getattr(reallot, name)
    if isinstance(value, ModuleType):
        figures = "\n".join(_auto("function", f"reallot.{name}.{each}") for each in value.__all__)
        return f"### {name}\n\n{_auto('module', f'reallot.{name}')}\n{figures}"
    return f"### {name}\n\n" + _auto("class" if inspect.isclass(value) else "function", f"reallot.{name}")


def _auto(kind: str, target: str) -> str:
    options = ":members:\n" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. auto{kind}:: {target}\n" + (f"   {options}" if options else "") + "```\n"


def http_api(docs: Path) -> str:
    """Every path of the HTTP API, out of the description that is committed."""
    told = json.loads((docs / "openapi.json").read_text(encoding="utf-8"))
    rows = [
        f"| `{method.upper()} {path}` | {operation['x-scope']} | {operation.get('description', '').splitlines()[0]} |"
        for path, operations in sorted(told["paths"].items())
        for method, operation in operations.items()
    ]
    asked = [
        f"| `{name}` | {', '.join(map(str, field.get('enum', ()))) or field.get('description', '')} |"
        for name, field in told["components"]["schemas"]["Action"]["properties"].items()
    ]
    refusals = [f"| {code} | {each['description']} |" for code, each in sorted(told["components"]["responses"].items())]
    tables = (
        (HTTP, "path | scope | answers", rows),
        (ASKED, "member | values", asked),
        (REFUSED, "status | when", refusals),
    )
    parts = [f"{text}\n| {head} |\n|{'---|' * len(head.split('|'))}\n" + "\n".join(each) for text, head, each in tables]
    return "\n\n".join([*parts, STREAM])


HTTP = """# HTTP API

`reallot run config.toml --serve` (extra `service`) answers these paths on loopback. Each wants a token with the scope
that is named, in the header `Authorization: Bearer TOKEN`; `reallot token new NAME` makes one. The whole description is
`docs/openapi.json` (OpenAPI 3.1), and `GET /openapi.json` of a running server.

Times are RFC 3339 in UTC, money is USD, shares are 0 to 1, and null is what is not known. Lists have `items`, and
`next` for the page after, newest first. Answers to GET have an `ETag`, and are not sent again to who names it in
`If-None-Match`. Version 1 only adds members: ignore those that you do not know.
"""
ASKED = """## Actions

`POST /v1/actions` answers 202 with a row, which says later what came of it: `queued`, `running`, `done`, `refused` with
its reason, or `expired` where no engine heard it within 10 minutes. `GET /v1/actions/{number}?wait=20` waits for that.

`Idempotency-Key` is required: the same key again answers 200 with the first row. What moves capacity (`confirm`,
`execute`, `rollback`) also needs `If-Match`: the `ETag` of the state that it was decided on. An engine hears an action
within a second, whoever asks: this API, its page or the command line.
"""
REFUSED = """## Answers that say no

They are `application/problem+json` (RFC 9457): `type` is a stable name, `detail` the sentence that the library says.
A guard that refuses is named in `by`, with `until` where waiting helps.
"""
STREAM = """## Live stream

`GET /v1/stream` is a WebSocket; the token is offered as a subprotocol, `reallot.v1, token.TOKEN`. The same messages
come as server-sent events from `/v1/stream/events`, and `/v1/state` is the newest state alone.

| `t` | when | what |
|---|---|---|
| `hello` | first, and where names change | `names`, the order of all columns; `gap` where events were missed |
| `state` | after each cycle | everything, as columns beside `names`; a state that was missed costs nothing |
| `event` | when something happens | numbered without a gap by `seq` |
| `beat` | after 15 s of silence | `server_time` |
| `bye` | before the server closes | `code`, `reason`, `retry_in` seconds |

A client may send `{"t": "resume", "epoch": 7, "events_after": 5120}` once, to be told what it missed, and
`{"t": "pong"}`. One that does not read for 10 s is closed with code 1013, and named in the log.
"""


def cli() -> str:
    """The reference of the command line, from its parser: every command with every option."""
    from reallot.cli.main import parser

    pages = ["# Command line\n"]
    for name, command in _commands(parser()):
        usage = " ".join(command.format_usage().removeprefix("usage: ").split())
        pages.append(f"## reallot {name}\n\n{_help(command)}\n\n```text\n{usage}\n```\n")
        rows = [f"| `{_spelled(action)}` | {_plain(action)} |" for action in command._actions if action.dest != "help"]
        if rows:
            pages.append("| argument | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
        if command.epilog:
            pages.append(f"{command.epilog}\n")
    return "\n".join(pages)


def _commands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                command.description = command.description or helps.get(name) or ""
                yield name, command


def _help(command: argparse.ArgumentParser) -> str:
    text = command.description or ""
    return f"{text[:1].upper()}{text[1:]}."


def _spelled(action: argparse.Action) -> str:
    value = action.metavar or action.dest.upper()
    words = action.option_strings or [str(value)]
    takes = f" {value}" if action.option_strings and action.nargs != 0 else ""
    return ", ".join(words) + takes


def _plain(action: argparse.Action) -> str:
    return (action.help or "").replace("|", "\\|")


def configuration() -> str:
    """The reference of `config.toml`, from the models that read it: every section, adapter and key."""
    from reallot.problem.tables import keys_of
    from reallot.runtime.adapter_settings import ADAPTERS
    from reallot.runtime.config import Sections
    from reallot.runtime.notify_settings import NotifyTarget
    from reallot.runtime.operation import OperatingRules
    from reallot.runtime.schema import documented

    own = ", ".join(f"`{key}`" for key in keys_of(reallot.ProtocolSpec) if key != "name")
    pages = [
        "# Configuration\n",
        '`reallot run config.toml` reads one TOML file. A length of time is written as `"90s"`, `"15m"`, `"2h"` '
        'or `"7d"`. Names that end in `_env` name an environment variable; the secret itself is never written down.\n',
    ]
    for section, field in Sections.model_fields.items():
        model = field.annotation
        if section != "limits" and isinstance(model, type) and issubclass(model, BaseModel):
            pages.append(f"## [{section}]\n\n{_paragraphs(model)}\n\n{_keys(model)}")
    pages.append(f"### [[notify.targets]]\n\n{_paragraphs(NotifyTarget)}\n\n{_keys(NotifyTarget)}")
    pages.append(
        "## [limits]\n\nThe same keys as in a problem file: the fields of `reallot.Limits`, for the whole engine.\n\n"
        + _keys(Sections.model_fields["limits"].annotation)
    )
    pages.append(
        "## [protocols.NAME]\n\nOne table for each protocol. `adapter` says where its earnings are read. Beside it "
        "stand the keys of that adapter, on this page below. A table `actor` names another adapter that sets the "
        'share, such as `actor = { adapter = "cgroup", folder = "...", cpus = 4 }`. What a share may be and what a '
        f"change of it costs is said by the keys of `reallot.ProtocolSpec` ({own}), and `rate` or `curve` where its "
        f"earnings are known beforehand. Any protocol may have these too:\n\n{_keys(OperatingRules)}"
    )
    for name, model in ADAPTERS.items():
        pages.append(f'### adapter = "{name}"\n\n{_paragraphs(model)}\n\n{_keys(model)}')
    pages.append("## Tables as values\n\nWhat a key above may hold where it is a table of its own.\n")
    for name, model in sorted(tables_as_values().items()):
        pages.append(f"### {name}\n\n{_paragraphs(documented(model))}\n\n{_keys(model)}")
    return "\n".join(pages)


def tables_as_values() -> dict[str, type[BaseModel]]:
    """The tables that stand as values of keys, by what they hold: `Series` for `series = { kind = ... }`."""
    from reallot.problem.protocol_tables import ProtocolTable
    from reallot.runtime.adapter_settings import ADAPTERS
    from reallot.runtime.config import Sections
    from reallot.runtime.schema import tables_in

    sections = {field.annotation for field in Sections.model_fields.values()}
    found: dict[str, type[BaseModel]] = {}
    for place in (*ADAPTERS.values(), ProtocolTable, *sections):
        own = tables_in(place)
        found |= {name.removesuffix("Table"): model for name, model in own.items() if model is not place}
    del found["NotifyTarget"]  # has its place among the sections
    return found


def states() -> str:
    """The states of a move and which may follow which, from the table that the engine checks."""
    from reallot.engine.contracts.move_state import FOLLOWS, MoveState

    text = inspect.getdoc(MoveState) or ""
    said = dict(re.findall(r"^([A-Z_]+) +(.+)$", text, re.MULTILINE))
    rows = [
        f"| `{state}` | {said[state.name]} | {', '.join(f'`{each}`' for each in FOLLOWS[state])} |" for state in FOLLOWS
    ]
    verdicts = [f"| `{state}` | {said[state.name]} |" for state in MoveState if state not in FOLLOWS]
    return (
        "# The life of a move\n\nA plan that is carried out goes through these states. The journal keeps each of them, "
        "so that a restart knows where it stood; `reallot status` and `reallot history` show them. A start and every "
        "new cycle lead from any state to `reconciling`.\n\n| state | what it means | may become |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nA plan that is not carried out gets one of these verdicts.\n\n| verdict | what it means |\n|---|---|\n"
        + "\n".join(verdicts)
        + "\n"
    )


def files() -> str:
    """Every file of the library with the first line of its docstring, by package."""
    root = Path(reallot.__file__).parent
    pages = ["# Files\n\nWhat each file is for, by its own first line.\n"]
    for folder in sorted({path.parent for path in root.rglob("*.py")}):
        rows = []
        for path in sorted(folder.glob("*.py")):
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            if said:
                rows.append(f"| `{path.name}` | {said.splitlines()[0].replace('|', chr(92) + '|')} |")
        if rows:
            title = ".".join(("reallot", *folder.relative_to(root).parts))
            pages.append(f"## {title}\n\n| file | what it is for |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(pages)


def _paragraphs(model: type) -> str:
    """The first paragraph of the docstring; the table of keys says the rest."""
    text = inspect.getdoc(model) or ""
    return text.split("\n\n")[0]


def _keys(model: type) -> str:
    from reallot.runtime.schema import meanings

    fields = model.model_fields  # type: ignore[attr-defined]
    if not fields:
        return ""
    said = meanings(model)
    rows = []
    for name, field in fields.items():
        default = "required" if field.is_required() else f"`{_default(field.get_default(call_default_factory=True))}`"
        meaning = field.description or said.get(name, "")
        rows.append(f"| `{name}` | {default} | {meaning.replace('|', chr(92) + '|')} |")
    return "| key | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _default(value: object) -> str:
    from datetime import datetime, timedelta

    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds and seconds % size == 0:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"
    if isinstance(value, datetime):
        return value.isoformat()
    return "none" if value is None else str(value)
