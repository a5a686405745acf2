"""Every adapter of ours passes the suite that a stranger runs on his; and the suite finds what is wrong."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reallot.adapters.cgroup import CgroupAdapter
from reallot.adapters.combined import CombinedAdapter
from reallot.adapters.command import CommandAdapter
from reallot.adapters.replay import ReplayAdapter
from reallot.adapters.simulated import SimulatedAdapter
from reallot.adapters.xmrig import XmrigAdapter
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import ProtocolStatus
from reallot.errors import ErrorKind, ProtocolError
from reallot.testing.adapters import check_adapter
from tests.adapters.cases import CASES, START
from tests.adapters.server import Answer, Request
from tests.adapters.test_acting import Miner

ALL = ["port", "says", "reads", "together", "shares", "refuses", "acts", "cancels", "closes"]


@pytest.fixture
def serve() -> Iterator:
    """Starts servers in threads of their own: the suite runs event loops of its own."""
    running = []

    def start(answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                found = answer(Request(self.command, path, query, dict(self.headers), body))
                found = found if isinstance(found, Answer) else Answer(found, 404 if found is None else 200)
                text = b"" if found.status == 204 else json.dumps(found.body).encode()
                self.send_response(found.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        for method in ("GET", "PUT", "POST"):
            setattr(Handler, f"do_{method}", Handler.reply)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_http_adapter_conforms(case, serve):
    url = serve(Miner() if case.name == "xmrig" else lambda request: case.documents(0.0).get(request.path))
    assert check_adapter(lambda: case.make(url, ManualClock(START)), settle=lambda seconds: None) == ALL


def test_a_miner_conforms_without_knowing_its_profile(serve):
    url = serve(Miner("*", [-1] * 4, "cn/r"))

    def make():
        return XmrigAdapter("m", url, usd_per_gigahash=1.0, threads=4)

    assert check_adapter(make, settle=lambda seconds: None) == ALL


@pytest.mark.parametrize("can", [Capabilities(), Capabilities(step=0.25, floor=0.25), Capabilities(acts=False)])
def test_the_simulated_conforms(can):
    assert check_adapter(lambda: SimulatedAdapter("s", 1.0, share=0.5, capabilities=can)) == ALL


def test_the_simulated_with_a_late_effect_conforms():
    clock = ManualClock(START)
    late = timedelta(minutes=10)
    assert check_adapter(lambda: SimulatedAdapter("s", 1.0, clock=clock, late=late), settle=clock.advance) == ALL


def test_the_recorded_conforms():
    assert check_adapter(lambda: ReplayAdapter("r", {START: 1.0}, clock=ManualClock(START))) == ALL


def test_a_command_conforms(tmp_path):
    state = tmp_path / "share"
    state.write_text("0.5")
    read = f"import json; print(json.dumps(dict(usd=0.25, share=float(open({str(state)!r}).read()))))"
    write = f"import sys; open({str(state)!r}, 'w').write(sys.argv[1])"

    def make():
        return CommandAdapter(
            "c",
            [sys.executable, "-S", "-c", read],
            value="usd",
            share="share",
            apply=[sys.executable, "-S", "-c", write, "{share}"],
        )

    assert check_adapter(make) == ALL


def group(folder, version=2):
    """As much of a control group as its files show."""
    files = {"cgroup.controllers": "cpu memory", "cgroup.freeze": "0", "cpu.max": "max 100000", "memory.high": "max"}
    files |= {"cpu.stat": "usage_usec 0\nuser_usec 0", "memory.current": "4096"}
    if version == 1:
        files = {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "cpuacct.usage": "0"}
        files |= {"memory.soft_limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "4096"}
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    return folder


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("size", [{"cpus": 3.0}, {"memory": 10**9 + 1}])
def test_a_control_group_conforms(tmp_path, version, size):
    folder = group(tmp_path, version)
    assert check_adapter(lambda: CgroupAdapter("g", folder, **size)) == ALL


def test_a_combined_one_conforms(tmp_path):
    def make():
        reader = SimulatedAdapter("s", 1.0, share=1.0, capabilities=Capabilities(acts=False))
        return CombinedAdapter("both", reader, CgroupAdapter("g", group(tmp_path), cpus=2.0))

    assert check_adapter(make) == ALL


class Wrong(SimulatedAdapter):
    """A simulated one with a defect by name."""

    def __init__(self, defect) -> None:
        super().__init__("w", 1.0, share=0.5)
        self.defect = defect

    def __repr__(self):
        return "Wrong(canary-4711)" if self.defect == "repr" else "Wrong()"

    def capabilities(self):
        return {"step": 2} if self.defect == "capabilities" else super().capabilities()

    async def get_status(self):
        if self.defect == "naive":
            return ProtocolStatus.model_construct(
                **(await super().get_status()).__dict__ | {"earnings_per_hour": -1e10}
            )
        if self.defect == "silent":
            return (await super().get_status()).model_copy(update={"earnings_per_hour": None})
        if self.defect == "dead":
            raise ProtocolError("gone", ErrorKind.UNREACHABLE)
        if self.defect == "dict":
            return {}
        if self.defect == "secret":
            return (await super().get_status()).model_copy(update={"message": "canary-4711"})
        if self.defect == "share":
            return (await super().get_status()).model_copy(update={"allocation": 0.9})
        if self.defect == "deaf":
            import asyncio

            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                return await super().get_status()
        return await super().get_status()

    async def get_allocation(self):
        return 50 if self.defect == "percent" else await super().get_allocation()

    async def apply_allocation(self, share):
        if self.defect == "accepts":
            return
        if self.defect == "ignores" and isinstance(share, float) and 0 <= share <= 1:
            return
        if self.defect == "raises" and not (isinstance(share, float) and 0 <= share <= 1):
            raise ValueError("no")
        await super().apply_allocation(share)

    async def close(self):
        if self.defect == "task":
            import asyncio

            asyncio.get_running_loop().create_task(asyncio.sleep(0.01))


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("repr", "says: its repr shows a secret"),
        ("capabilities", "gives no Capabilities"),
        ("naive", "reads: raised ProtocolError: earnings"),
        ("silent", "must say why"),
        ("dead", "cannot be read now"),
        ("dict", "not a ProtocolStatus"),
        ("secret", "its status shows a secret"),
        ("share", "status says 0.9, get_allocation 0.5"),
        ("deaf", "a cancelled read gave a status"),
        ("percent", "shares: get_allocation gave 50"),
        ("accepts", "was not refused"),
        ("ignores", "is read back"),
        ("raises", "raised ValueError, not ProtocolError"),
        ("task", "1 tasks are left behind"),
    ],
)
def test_the_suite_finds_what_is_wrong(defect, words, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "canary-4711")
    with pytest.raises(ProtocolError, match=words):
        check_adapter(lambda: Wrong(defect), secrets=["MY_TOKEN", "NOT_SET"])
