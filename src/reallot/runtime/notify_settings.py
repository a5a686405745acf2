"""[notify] of config.toml: who is told what, when, and by which way."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..engine.contracts.values import Part, Record, Window
from .operation import Zone
from .shared_settings import Variable, as_tuple

News = Literal["waiting", "halted", "rolled_back", "alert", "move", "advice"]
"""What a message may be about."""
USUAL: tuple[News, ...] = ("waiting", "halted", "rolled_back", "alert")
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Stretch = Annotated[tuple[TimeOfDay, TimeOfDay], BeforeValidator(as_tuple)]


class NotifyTarget(Record):
    """One place that messages go to: an address in an environment variable, or a program of the operator's.

    Parameters
    ----------
    name
        What the log and the metrics call it; "target 1" and so on where it is left out.
    url_env
        Environment variable with its address: http:// or https:// for a webhook, any other scheme for Apprise (extra
        `notify`).
    command
        A program and its arguments, "{text}" and "{title}" replaced; it also reads the text from standard input.
    env
        Environment variables that the program gets beside PATH, HOME and the locale.
    body
        What a webhook gets: "json" (title, text, kind and time) or "text".
    events
        What it is told of: "waiting" (a plan waits for a person), "halted", "rolled_back", "alert", "move", "advice".
    least_severity
        Alerts below this are not told, 0 to 1.
    quiet
        From when until when only halts and alerts of severity 1 are told, such as ["22:00", "07:00"], in `time_zone`.
    time_zone
        Of `quiet` and of times in the messages: "Europe/Berlin".
    digest
        What is neither grave nor waits for an answer is gathered for so long, and told together.
    """

    name: str = ""
    url_env: Variable | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    env: list[Variable] = Field(default_factory=list)
    body: Literal["json", "text"] = "json"
    events: Annotated[list[News], Field(min_length=1)] = Field(default_factory=lambda: list(USUAL))
    least_severity: Part = 0.6
    quiet: Stretch | None = None
    time_zone: Zone = "UTC"
    digest: Window = timedelta(0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url_env is None) == (self.command is None):
            raise ValueError("give url_env or command, one of the two")
        return self

    def variables(self) -> list[str]:
        """The environment variables that it names."""
        return [*self.env, *([] if self.url_env is None else [self.url_env])]


class NotifySection(Record):
    """Messages to people: what begins, what ends and what was done.

    Parameters
    ----------
    targets
        Places that messages go to, each as [[notify.targets]].
    page
        Address at which you open the page of this engine; messages link to it.
    """

    targets: list[NotifyTarget] = Field(default_factory=list)
    page: str = ""

    def named(self) -> dict[str, NotifyTarget]:
        """The targets by name; a number where they have none, or where another has it too."""
        found: dict[str, NotifyTarget] = {}
        for i, each in enumerate(self.targets, 1):
            name = each.name or f"target {i}"
            found[name if name not in found else f"{name} ({i})"] = each
        return found
