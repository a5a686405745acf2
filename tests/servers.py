"""Real servers for tests, from the system's packages: each in a folder of its own, on loopback or a socket there."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from threading import Thread

import pytest

PASSWORD = "canary/of 42"
"""In a connection string as `canary%2Fof%2042`; it must turn up nowhere."""


def program(name: str, package: str, *places: str) -> str:
    """The path of a server's program; skips the test where it is not installed."""
    found = shutil.which(name) or next((str(path) for place in places for path in sorted(Path("/").glob(place))), None)
    if found is None:
        pytest.skip(f"skipped: {name} is not installed (Debian package {package})")
    return found


class Process:
    """A program that says in its log when it is ready; `log` holds its last lines."""

    def __init__(self, command: list[str], ready: str, **options: object) -> None:
        self.log: deque[str] = deque(maxlen=200)
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        for line in self.process.stdout:
            self.log.append(line)
            if ready in line:
                break
        else:
            self.process.wait()
            raise RuntimeError(f"{command[0]} did not start:\n{''.join(self.log)}")
        self._reader = Thread(target=lambda: self.log.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def end(self, sign: int = signal.SIGTERM) -> None:
        """Ends it with this signal and waits for that."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        self.process.stdout.close()


class Postgres:
    """A PostgreSQL server of our own, on a socket in its folder, as a user other than root; with a password."""

    def __init__(self) -> None:
        versions = "usr/lib/postgresql/*/bin"
        initdb = program("initdb", "postgresql", f"{versions}/initdb")
        self._program = program("postgres", "postgresql", f"{versions}/postgres")
        self._user = _other_user() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="reallot-postgres-"))
        self._data = self._folder / "data"
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, password):
                os.chown(path, self._user, -1)
        command = [initdb, "-D", str(self._data), "-U", "reader", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [*command, "--auth=scram-sha-256", f"--pwfile={password}"], capture_output=True, text=True, **self._options
        )
        if made.returncode:
            shutil.rmtree(self._folder)
            raise RuntimeError(f"initdb did not work:\n{made.stdout}{made.stderr}")
        self._running: Process | None = None
        self.start()

    @property
    def _options(self) -> dict[str, object]:
        user = {} if self._user is None else {"user": self._user, "extra_groups": []}
        return {"cwd": self._folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}, **user}

    @property
    def url(self) -> str:
        return f"postgresql://reader:canary%2Fof%2042@/postgres?host={self._folder}"

    @property
    def log(self) -> str:
        return "".join(self._running.log)

    def run(self, *statements: str, base: str = "postgres") -> list[tuple]:
        """Statements as the owner of the server, each in a transaction of its own; the rows of the last one."""
        import psycopg

        with psycopg.connect(self.url.replace("/postgres?", f"/{base}?"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "fsync": "off"}
        command = [self._program, "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._running = Process(command, "ready to accept connections", **self._options)

    def stop(self) -> None:
        """At once, as if it had died."""
        self._running.end(signal.SIGQUIT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _other_user() -> int:
    """Whom a server runs as where the tests run as root: it refuses root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return pytest.skip("skipped: a PostgreSQL server does not run as root, and there is no user postgres or nobody")
