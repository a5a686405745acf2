"""Ways to send one message: a webhook, a program of the operator's, or Apprise; each says whether it arrived."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from ...engine.contracts.secrets import Secret, redact
from ...errors import ProtocolError, how_to_install
from ...runtime.notify_settings import NotifyTarget
from .rules import Notice

ATTEMPT_SECONDS = 10.0
"""Longest time of one attempt."""
CONNECT_SECONDS = 4.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
NOT_DONE = (69, 75)
"""Codes by which a program says that nothing was sent: unavailable, try again later."""


class Arrival(StrEnum):
    """Whether a message arrived."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Message:
    """One message, as every way sends it."""

    title: str
    text: str
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended, and why, without secrets."""

    outcome: Arrival
    why: str = ""


def send(target: NotifyTarget, message: Message) -> Attempt:
    """One attempt; it may hang as long as a resolver or a library does, so it runs in a thread of its own."""
    try:
        given = {variable: Secret(variable).value() for variable in target.variables()}
    except ProtocolError as error:
        return Attempt(Arrival.NOT_SENT, str(error))
    message = Message(redact(message.title), _clean(message.text), message.notices)
    if target.command is not None:
        return _command(target.command, {name: given[name] for name in target.env}, message)
    url = given[target.url_env or ""]
    if url.partition("://")[0].lower() in ("http", "https"):
        return _webhook(url, target.body, message)
    return _apprise(url, message)


def _clean(text: str) -> str:
    return "\n".join(redact(line, 800) for line in text.splitlines())


def _webhook(url: str, body: str, message: Message) -> Attempt:
    """One POST; redirects are not followed, and of the answer only the status is read."""
    if body == "json":
        kinds = sorted({each.kind for each in message.notices})
        at = max(each.at for each in message.notices).isoformat()
        told = {"title": message.title, "text": message.text, "kinds": kinds, "at": at}
        data, kind = json.dumps(told).encode(), "application/json"
    else:
        data, kind = f"{message.title}\n{message.text}".encode(), "text/plain; charset=utf-8"
    begun = False
    try:
        parts = urlsplit(url)
        make = http.client.HTTPSConnection if parts.scheme.lower() == "https" else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    except (ValueError, http.client.HTTPException):  # whose words quote it
        return Attempt(Arrival.NOT_SENT, "its address cannot be read: it has the form https://host:port/path")
    try:
        try:
            connection.connect()
            begun = True
            assert connection.sock is not None
            connection.sock.settimeout(ATTEMPT_SECONDS)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, data, {"Content-Type": kind, "User-Agent": "reallot"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        slow = isinstance(error, (TimeoutError, socket.timeout))
        return Attempt(Arrival.UNSURE if begun else Arrival.NOT_SENT, "no answer in time" if slow else _said(error))
    if 200 <= status < 300:
        return Attempt(Arrival.SENT)
    surely_not = 300 <= status < 500 or status == 503
    return Attempt(Arrival.NOT_SENT if surely_not else Arrival.UNSURE, f"it answered with status {status}")


def _command(command: list[str], given: dict[str, str], message: Message) -> Attempt:
    """Runs a program without a shell, in a process group of its own; what runs over the time is killed."""
    arguments = [each.replace("{text}", message.text).replace("{title}", message.title) for each in command]
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | given
    try:
        process = subprocess.Popen(  # noqa: S603  # the operator names the program, and no shell takes it apart
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Attempt(Arrival.NOT_SENT, f"{command[0]} cannot be started: {type(error).__name__}")
    try:
        process.communicate(f"{message.title}\n{message.text}\n".encode(), timeout=ATTEMPT_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Attempt(Arrival.UNSURE, f"{command[0]} did not end within {ATTEMPT_SECONDS:g} s")
    if process.returncode == 0:
        return Attempt(Arrival.SENT)
    outcome = Arrival.NOT_SENT if process.returncode in NOT_DONE else Arrival.UNSURE
    return Attempt(outcome, f"{command[0]} ended with {process.returncode}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    import signal

    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _apprise(url: str, message: Message) -> Attempt:
    """Apprise says only yes or no: no may be a message that arrived all the same."""
    try:
        import apprise
    except ImportError:
        return Attempt(Arrival.NOT_SENT, f"an Apprise address needs the library apprise: {how_to_install('notify')}")
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it names addresses, which are secrets
    sender = apprise.Apprise()
    if not sender.add(f"{url}{'&' if '?' in url else '?'}rto=4&cto=4"):
        return Attempt(Arrival.NOT_SENT, "Apprise does not know this kind of address")
    if sender.notify(title=message.title, body=message.text):
        return Attempt(Arrival.SENT)
    return Attempt(Arrival.UNSURE, "Apprise could not send it, or got no answer")


def _said(error: BaseException) -> str:
    return redact(f"{type(error).__name__}: {error}")
