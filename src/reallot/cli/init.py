"""reallot init: a commented config.toml to start from, which only advises; what answers on this machine is in it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from ..errors import InvalidInput

HOST = "127.0.0.1"
"""Nothing else is ever asked."""
PATIENCE_SECONDS = 0.5
MOST_BYTES = 1 << 20
HEAD = """\
# What `reallot run` does, made by `reallot init`. It only advises: nothing is changed until `mode` says so.
#
#   1. Put your own protocols at the end of this file.
#   2. reallot check {name}      asks each of them once, and moves nothing
#   3. reallot run {name}        reads, plans, and says what it would move
#   4. reallot status {name}     where it stands; reallot report {name}: what it brought
#
# Every key, with its meaning: reallot config --schema

[coordinator]
every = "1m"                        # how often every protocol is asked

[optimizer]
min_improvement_threshold = 0.01    # USD per hour that a plan must bring
min_improvement_percent = 5.0       # the same in percent of what is earned now
max_allocation_change = 0.2         # of capacity, per protocol and plan
move_cost = 0.0                     # USD for moving one unit of share
horizon_hours = 24.0                # a move must pay within this

[reallocation]
mode = "advise"                     # observe: reads. advise: says what it would do. confirm: asks. automatic: does it
min_hold_duration = "1h"            # a protocol rests so long after a change
max_per_hour = 4                    # plans in any hour

[monitor]
low_earnings_percent = 50.0         # of their own median of a day; an alert where earnings are below
connection_timeout = "5m"           # an alert where a protocol has not answered for so long

[ledger]
path = "ledger"                     # beside this file: what must survive a restart
"""
SIMULATED = """
# No protocol that is known here answered on this machine, so these two are simulated. Replace them by yours.

[protocols.first]
adapter = "simulated"
share = 0.5                         # of capacity, now
rate = 0.10                         # USD per hour of all the capacity
noise = 0.05

[protocols.second]
adapter = "simulated"
share = 0.5
rate = 0.25
noise = 0.05
"""
EXAMPLES = """
# Examples to fill in. `share` is a number where it never changes, or where the share in force is found.

# [protocols.disk]
# adapter = "http_json"             # any address that answers in JSON
# url = "http://127.0.0.1:8080/earnings"
# value = "today.usd"               # the path to a number in the answer
# series = "counter"                # rate: USD per hour. counter, balance: a total. event: single payments
# share = 0.4

# [protocols.gpu]
# adapter = "prometheus"
# query = "gpu_usd_per_hour"        # one series, or one number
# share = 0.3

# [protocols.cpu]
# adapter = "command"               # a program that prints JSON, and one that sets the share
# read = ["./cpu-earnings"]
# value = "usd_per_hour"
# share = "share"
# apply = ["./set-cpu", "{share}"]
"""


@dataclass(frozen=True)
class Service:
    """Something that may answer on this machine.

    path, key  an address that it answers with a JSON object, and a key of that which tells it from others
    lines      keys of its table; what stands after a `#` has to be filled in
    works      False where its table cannot be used before something is filled in
    """

    name: str
    adapter: str
    port: int
    path: str
    key: str
    lines: tuple[str, ...] = ()
    works: bool = True


SERVICES = (
    Service("storj", "storj", 14002, "/api/sno/", "nodeID"),
    Service(
        "mysterium", "mysterium", 4050, "/healthcheck", "uptime", ("price_usd = 0.20   # USD for one MYST",), False
    ),
    Service("metrics", "prometheus", 9090, "/api/v1/status/buildinfo", "status", ('query = ""   # PromQL',), False),
)


def init(options: argparse.Namespace) -> int:
    """Writes the file; raises InvalidInput where one is there, or where it cannot be written."""
    path: Path = options.config
    if path.suffix != ".toml":
        raise InvalidInput(f"{path}: a configuration is a .toml file; give its name: reallot init {path.stem}.toml")
    found = [service for service in SERVICES if answers(service)]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(path.name, found))
    except FileExistsError:
        raise InvalidInput(
            f"{path} is there already, and stays as it is; give another name: reallot init NAME.toml"
        ) from None
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from None
    names = ", ".join(f"{each.name} (port {each.port})" for each in found)
    print(f"Wrote {path}: it only advises. Found on this machine: {names or 'nothing that is known here'}.")
    print(f"Next: reallot check {path}")
    return 0


def answers(service: Service) -> bool:
    """True where something on this machine answers at its port as it does."""
    connection = HTTPConnection(HOST, service.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", service.path, headers={"Accept": "application/json"})
        document = json.loads(connection.getresponse().read(MOST_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError):
        return False
    finally:
        connection.close()
    return isinstance(document, dict) and service.key in document


def starter(name: str, found: Sequence[Service]) -> str:
    """The file's text, with a table for each that was found."""
    ready = [each for each in found if each.works]
    share = int(100 / max(len(ready), 1)) / 100
    text = HEAD.format(name=name) + ("" if ready else SIMULATED)
    for each in found:
        lines = [f"[protocols.{each.name}]", f'adapter = "{each.adapter}"', f'url = "http://{HOST}:{each.port}"']
        lines += [*each.lines, f"share = {share if each.works else 0.0}   # of capacity, now"]
        what = "answers on this machine" + ("" if each.works else "; fill in what is missing, and take the # away")
        text += f"\n# {each.name} {what}\n" + "".join(f"{'' if each.works else '# '}{line}\n" for line in lines)
    return text + EXAMPLES
