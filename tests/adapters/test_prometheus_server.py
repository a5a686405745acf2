"""A real Prometheus server, where one is installed: started on loopback with its own rules, asked, and stopped."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest

from reallot.adapters.prometheus import PrometheusAdapter
from reallot.errors import ErrorKind, ProtocolError

PROGRAM = shutil.which("prometheus")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Prometheus server: install the Debian package prometheus"),
]
CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
scrape_configs: []
rule_files: [rules.yml]
"""
RULES = """
groups:
  - name: earned
    rules:
      - record: node_usd_per_hour
        expr: vector(0.036)
        labels: {node: one}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(CONFIG)
    (folder / "rules.yml").write_text(RULES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = [f"--web.listen-address={address}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"]
    process = subprocess.Popen(
        [PROGRAM, f"--config.file={folder / 'prometheus.yml'}", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(ready(f"http://{address}", process))
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def ready(url, process) -> None:
    """Waits until its rule has been worked out once: there is no other way to see that it is up."""
    adapter = PrometheusAdapter("p", "node_usd_per_hour", url)
    for _ in range(600):
        assert process.poll() is None, "the server has ended"
        try:
            await adapter.get_status()
            break
        except ProtocolError:
            await asyncio.sleep(0.05)
    else:
        raise AssertionError("the server did not come up within 30 s")
    await adapter.close()


def asked(url, query, **others):
    async def run():
        adapter = PrometheusAdapter("p", query, url, **others)
        try:
            return await adapter.get_status()
        except ProtocolError as error:
            return error.kind
        finally:
            await adapter.close()

    return asyncio.run(run())


@pytest.mark.parametrize("query", ["node_usd_per_hour", 'sum(node_usd_per_hour{node="one"})', "scalar(vector(0.036))"])
def test_a_query_gives_its_number(server, query):
    found = asked(server, query, share="vector(0.25)")
    assert (found.earnings_per_hour, found.allocation, found.connected) == (0.036, 0.25, True)
    assert abs(found.source_time - found.observed_at) < timedelta(minutes=1)


def test_a_loss_is_a_number(server):
    assert asked(server, "vector(-1)").earnings_per_hour == -1.0


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("no_such_series", ErrorKind.NEVER_REPORTED),
        ("vector(0) / 0", ErrorKind.SHAPE),
        ("vector(1) / 0", ErrorKind.SHAPE),
        ('label_replace(vector(1), "a", "b", "", "") or vector(2)', ErrorKind.SHAPE),
        ("node_usd_per_hour[5m]", ErrorKind.SHAPE),
        ("sum(", ErrorKind.SHAPE),
        ('"text"', ErrorKind.SHAPE),
    ],
)
def test_what_is_not_one_number_has_a_kind(server, query, kind):
    assert asked(server, query) is kind
