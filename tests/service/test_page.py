"""The page in a real browser: what it shows, that it acts once, and what it says when nothing is heard."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from itertools import product
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

import reallot
from reallot.engine.ledger.event_log import KeptEvent
from reallot.engine.ledger.operator_requests import ActionState
from tests.service import browser as stage
from tests.service.browser import BAD_NAME, NAMES, Proxy, board, next_board
from tests.service.conftest import Asked

STATIC = Path(reallot.__file__).parent / "service" / "static"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
PICTURES = Path(os.environ["REALLOT_PICTURES"]) if "REALLOT_PICTURES" in os.environ else None
"""Where the guide's pictures are written, docs/pictures; nowhere without it."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    with stage.browser() as found:
        yield found


@pytest.fixture
def asked():
    found = Asked(board=board("earning"))
    yield found
    found.close()


class Opened:
    """A page with what it complained of and what it asked for."""

    def __init__(self, chromium, url, secret, *, size=DESK, scheme="light", clock=False, before=None, at=""):
        self.context = chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(8000)
        self.wrong, self.urls = [], []
        if clock:
            self.page.clock.install()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self._console(said))
        self.page.on("request", lambda request: self.urls.append(request.url))
        if before is not None:
            before(self.page)
        self.page.goto(f"{url}#{at}" if at else f"{url}#token={secret}")

    def _console(self, said):
        if said.type == "error" and "404" not in said.text:
            self.wrong.append(said.text)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def wait(self, expression):
        """Until an expression holds; the page's policy allows no script that waits by itself."""
        for _ in range(400):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never: {expression}; {self.page.locator('#verdict').inner_text()}; {self.wrong}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def shown(asked, chromium, condition="earning", **options):
    asked.hub.publish(board(condition, asked.hub.board.seq + 1))
    found = Opened(chromium, asked.server.url, asked.secrets["act"], **options)
    found.wait(f"document.getElementById('verdict').className === '{condition}'")
    return found


def test_the_page_is_small_and_takes_nothing_from_elsewhere():
    files = {each.name: each.read_bytes() for each in STATIC.iterdir()}
    assert sum(map(len, files.values())) <= 90_000
    assert sum(len(gzip.compress(each, 9)) for each in files.values()) <= 35_000
    scripts = [each.decode() for name, each in files.items() if name.endswith(".js")]
    assert len(scripts) <= 4 and sum(each.count("\n") for each in scripts) <= 700
    for name, each in files.items():
        text = each.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|document\.write|eval\(|\son\w+=\"|style=", text), name


def test_what_it_shows_are_the_numbers_of_the_state_and_they_change_with_it(chromium, asked):
    with shown(asked, chromium) as it:
        with asked.client() as client:
            state = client.get("/v1/state").json()
        assert state["verdict"]["text"].split(". ")[0] in it.text("#headline")
        rows = it.page.locator("#rows tr").all_inner_texts()
        assert len(rows) == len(NAMES)
        for name, share, earns in zip(state["names"], state["share"], state["earn"], strict=True):
            (row,) = [each for each in rows if each.startswith(name)]
            assert f"{100 * share:g} %" in row and (f"{earns:.3g}" if earns is not None else "?") in row
        assert "no answer: unreachable" in it.text("#rows") and "value 7 min old" in it.text("#rows")
        assert "rests 22 min" in it.text("#rows")
        better = f"{state['total'] - state['never_moving']:.4f}"[:5]
        assert better in it.text("#compared")
        asked.hub.publish(next_board(asked.hub.board, waiting=None, alerts=()))
        it.wait("document.querySelector('#alerts').innerText === 'None.'")
        event = KeptEvent(7, asked.hub.board.at, "move", "moved relay 0.20 -> 0.10", {"plan_id": "p1"}, 20)
        asked.hub.publish(None, (event,))
        it.wait("document.querySelector('#events').innerText.includes('moved relay')")
        assert "moved relay 0.20 → 0.10" in it.text("#reason")
        assert it.wrong == []


def test_it_asks_its_own_server_only_and_keeps_no_token_in_the_address(chromium, asked):
    with shown(asked, chromium, before=lambda page: page.add_init_script(REPORTS)) as it:
        it.page.locator("#theme").click()
        it.page.locator("button[data-days='7']").click()
        assert it.page.url == asked.server.url
        assert all(each.split("#")[0].startswith(asked.server.url) for each in it.urls)
        assert not any(asked.secrets["act"] in each.split("#")[0] for each in it.urls)
        assert it.page.evaluate("window.violations") == [] and it.wrong == []


REPORTS = """window.violations = [];
addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective))"""
FOREIGN = """([url, secret]) => new Promise(done => {
  try {
    const socket = new WebSocket(url, ['reallot.v1', 'token.' + secret]);
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
  } catch { done('refused'); }
})"""
BOXES = """[...document.querySelectorAll('header, main > section')].map(each => {
  const box = each.getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom];
})"""
TOO_WIDE = """[...document.querySelectorAll('#dialog-body td, #dialog-body th')]
  .filter(each => each.offsetWidth && each.scrollWidth > each.clientWidth + 1).map(each => each.innerText)"""
SMALL = """[...document.querySelectorAll('button')]
  .filter(each => each.offsetWidth && (each.offsetHeight < 44 || each.offsetWidth < 44)).map(each => each.innerText)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(chromium, asked, scheme):
    checker = stage.axe()
    pairs = product(("earning", "waiting", "halted", "blind"), (DESK, PHONE))
    with shown(asked, chromium, scheme=scheme) as it:
        it.page.evaluate(checker)
        for condition, size in pairs:
            it.page.set_viewport_size(size)
            asked.hub.publish(board(condition, asked.hub.board.seq + 1))
            it.wait(f"document.getElementById('verdict').className === '{condition}'")
            found = it.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


def test_a_plan_is_confirmed_without_a_mouse(chromium, asked):
    with shown(asked, chromium, "waiting") as it:
        keys = it.page.keyboard
        it.page.locator("#acts button").first.focus()
        keys.press("Enter")
        it.wait("document.querySelector('dialog').open")
        assert "rental" in it.text("#dialog-body") and "23 %" in it.text("#dialog-body")
        keys.press("Escape")
        it.wait("!document.querySelector('dialog').open")
        assert it.page.evaluate("document.activeElement.dataset.kind") == "confirm"
        outline = it.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        keys.press("Enter")
        it.page.locator("#dialog-acts button.main").focus()
        keys.press("Enter")
        it.wait("!document.querySelector('dialog').open")
        (row,) = asked.requests.page(5)
        assert (row.kind, row.body["plan_id"], row.via) == ("confirm", "20260601T120000-abcd", "page")


def test_a_double_click_and_a_dropped_answer_are_one_action(chromium, asked):
    with shown(asked, chromium, "waiting") as it:
        drops = iter([True])

        def route(found):
            if next(drops, False):
                found.fetch()  # it is heard, and the answer is lost
                found.abort()
            else:
                found.continue_()

        it.page.route("**/v1/actions", route)
        it.page.locator("[data-kind=confirm]").click()
        it.page.locator("#dialog-acts .main").dblclick()
        it.wait("document.querySelector('#action').innerText.includes('queued') || location.hash.includes('action=')")
        rows = asked.requests.page(5)
        assert len(rows) == 1
        it.page.reload()
        asked.requests.done(rows[0], ActionState.DONE)
        it.wait("document.querySelector('#action').innerText.includes('done')")


def test_a_plan_that_is_another_by_now_is_not_confirmed(chromium, asked):
    with shown(asked, chromium, "waiting") as it:
        it.page.locator("[data-kind=confirm]").click()
        asked.hub.board = next_board(asked.hub.board, waiting=replace_id(asked.hub.board.waiting))
        it.page.locator("#dialog-acts .main").click()
        it.wait("document.querySelector('#dialog-body').innerText.includes('went on since')")
        assert asked.requests.page(5) == []


def replace_id(plan):
    return plan.model_copy(update={"id": "another", "fingerprint": "beef"})


def test_a_phone_in_the_dark_shows_the_plan_and_its_buttons_first(chromium, asked, tmp_path):
    with shown(asked, chromium, "waiting", size=PHONE, scheme="dark") as it:
        it.page.screenshot(path=(PICTURES or tmp_path) / "phone.png")
        for kind in ("confirm", "why", "decline"):
            box = it.page.locator(f"[data-kind={kind}]").bounding_box()
            assert box["y"] + box["height"] <= PHONE["height"]


def test_taking_back_needs_the_word(chromium, asked):
    with shown(asked, chromium) as it:
        asked.hub.publish(None, (KeptEvent(9, asked.hub.board.at, "move", "moved relay", {}, 20),))
        asked.hub.publish(next_board(asked.hub.board))
        it.page.locator("[data-kind=rollback]").click()
        press = it.page.locator("#dialog-acts .main")
        assert press.is_disabled()
        it.page.locator("#word").fill("Back")
        assert press.is_enabled()


def test_an_alert_is_seen_and_muted_where_it_stands(chromium, asked):
    with shown(asked, chromium) as it:
        it.page.locator("#alerts button", has_text="seen").click()
        it.page.locator("#alerts button", has_text="mute 1 h").click()
        for _ in range(100):
            if len(asked.requests.page(5)) == 2:
                break
            it.page.wait_for_timeout(20)
        assert {(each.kind, each.body["alert"]) for each in asked.requests.page(5)} == {
            ("acknowledge", "silent:vpn"),
            ("mute", "silent:vpn"),
        }


def test_who_may_only_read_sees_no_button_that_acts(chromium, asked):
    asked.hub.publish(board("waiting", asked.hub.board.seq + 1))
    with Opened(chromium, asked.server.url, asked.secrets["read"]) as it:
        it.wait("document.getElementById('verdict').className === 'waiting'")
        assert it.page.locator("#acts button").all_inner_texts() == ["Why?"]


def test_a_wrong_token_is_asked_for_again(chromium, asked):
    with Opened(chromium, asked.server.url, "wrong") as it:
        it.wait("!document.querySelector('#login').hidden")
        it.page.locator("#token").fill(asked.secrets["read"])
        it.page.locator("#token").press("Enter")
        it.wait("document.getElementById('verdict').className === 'earning'")


def test_a_link_to_a_plan_asks_for_the_token_first_and_then_leads_there(chromium, asked):
    with Opened(chromium, asked.server.url, "", at="why=p7") as it:
        it.wait("!document.querySelector('#login').hidden")
        it.page.wait_for_timeout(400)
        assert not it.page.evaluate("document.querySelector('dialog').open")
        it.page.locator("#token").fill(asked.secrets["read"])
        it.page.locator("#token").press("Enter")
        it.wait("document.querySelector('dialog').open")
        it.wait("document.querySelector('#dialog-body').innerText.includes(\"no plan 'p7' is kept\")")


def test_money_has_a_sign_only_where_it_is_some(chromium, asked):
    with shown(asked, chromium) as it:
        signed = "import('./act.js').then(act => [0.25, -0.25, 0, -1e-12, null].map(act.signed))"
        assert it.page.evaluate(signed) == ["+0.250", "\u22120.250", "0", "0", "?"]


def test_the_period_that_was_pressed_last_is_the_one_that_is_shown(chromium, asked):
    answers = {"7": 3, "30": 1}  # the week is slow, and comes when the month is there

    def route(found):
        length = moment_in(found.request.url, "end") - moment_in(found.request.url, "start")
        days = str(round(length.total_seconds() / 86400))
        if waits := max(0, answers.get(days, 0) - 1):
            answers[days] = waits
            found.fulfill(status=503, json={"detail": "it takes long", "retry_after": 0.1})
        else:
            found.fulfill(json={**REPORT, "total_earnings": float(days)})

    with shown(asked, chromium, before=lambda page: page.route("**/v1/reports?*", route)) as it:
        it.page.locator("button[data-days='7']").click()
        it.page.locator("button[data-days='30']").click()
        it.wait("document.querySelector('#report').innerText.startsWith('Earned 30.0 USD')")
        it.page.wait_for_timeout(500)
        assert it.text("#report").startswith("Earned 30.0 USD")
        it.page.locator("button[data-days='7']").click()
        it.wait("document.querySelector('#report').innerText.startsWith('Earned 7.00 USD')")


REPORT = {"total_cost": 0.0, "net_earnings": 1.0, "reallocations": 0, "rollbacks": 0, "moves": []}


def moment_in(url, name):
    return datetime.fromisoformat(parse_qs(urlsplit(url).query)[name][0])


def test_when_nothing_is_heard_it_says_so_and_acts_no_more_until_the_server_is_back(chromium, asked):
    with shown(asked, chromium, "waiting", clock=True) as it:
        assert "live" in it.text("#live") and it.page.locator("[data-kind=confirm]").is_enabled()
        port = asked.server.port
        asked.server.stop()
        it.page.clock.run_for(50_000)
        assert it.text("#live").startswith("not live: last heard")
        assert it.page.locator("[data-kind=confirm]").is_disabled()
        again = Asked(board=board("earning", 9), port=port, tokens=asked.tokens)
        try:
            for _ in range(20):
                it.page.clock.run_for(2_000)
                if it.text("#live").startswith("live"):
                    break
                it.page.wait_for_timeout(100)
            it.wait("document.getElementById('verdict').className === 'earning'")
            assert it.text("#live").startswith("live, read")
        finally:
            again.close()


def test_silence_that_is_told_is_no_loss(chromium, asked):
    """Ten minutes without a change: the beats say that somebody is there."""
    with shown(asked, chromium, clock=True) as it:
        for _ in range(20):
            for client in list(asked.hub.clients):
                client.mailbox.put_event('{"t":"beat","seq":3}', monotonic())
            asked.hub.publish(None)
            it.page.wait_for_timeout(30)
            it.page.clock.run_for(30_000)
            assert it.text("#live").startswith("live")


def test_a_foreign_page_with_the_right_token_gets_nothing(chromium, asked):
    other = Asked(board=board("earning"))
    try:
        with Opened(chromium, other.server.url, other.secrets["read"]) as it:
            secret, url = asked.secrets["read"], asked.server.url
            it.page.route("**/*", lambda route: route.continue_())
            there = [url.replace("http", "ws") + "v1/stream", secret]
            assert it.page.evaluate(FOREIGN, there) == "refused"
        with asked.client("read", Origin="http://evil.example") as client:
            assert client.get("/v1/state").status_code == 403
        with asked.client("read", Host="evil.example") as client:
            assert client.get("/v1/state").status_code == 421
    finally:
        other.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_names_are_text_and_overflow_nothing(chromium, asked, size):
    names = (BAD_NAME, *NAMES[1:])
    asked.hub.publish(board("waiting", asked.hub.board.seq + 1, names))
    event = KeptEvent(8, asked.hub.board.at, "move", f"moved {BAD_NAME}", {}, 20)
    asked.hub.publish(None, (event,))
    with Opened(chromium, asked.server.url, asked.secrets["act"], size=size) as it:
        it.wait("document.getElementById('verdict').className === 'waiting'")
        it.page.locator("[data-kind=confirm]").click()
        it.page.wait_for_timeout(50)
        assert it.page.evaluate("window.hit") is None and it.page.locator("img").count() == 0
        assert BAD_NAME in it.page.locator("#rows").text_content()
        assert it.page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_it_works_under_a_path_and_falls_back_to_events_and_to_polling(chromium, asked):
    port, secret = asked.server.port, asked.secrets["read"]
    ways = [
        ((), "live, read"),
        (("/v1/stream",), "live by server-sent events"),
        (("/v1/stream", "/v1/stream/events"), "live by polling"),
    ]
    for cut, way in ways:
        proxy = Proxy(port, "/reallot", cut)
        try:
            with Opened(chromium, proxy.url, secret, clock=True) as it:
                for _ in range(40 if cut else 0):  # what is not cut needs no patience
                    it.page.clock.run_for(3_000)
                    if it.page.evaluate("document.getElementById('verdict').className") == "earning":
                        break
                    it.page.wait_for_timeout(50)
                it.wait(f"document.querySelector('#live').innerText.startsWith('{way}')")
        finally:
            proxy.close()


@pytest.mark.parametrize("condition", ["earning", "waiting", "halted"])
def test_what_matters_is_above_the_fold_and_nothing_lies_over_anything(chromium, asked, condition):
    with shown(asked, chromium, condition) as it:
        for size in (DESK, PHONE):
            it.page.set_viewport_size(size)
            boxes = it.page.evaluate(BOXES)
            assert boxes[1][3] <= size["height"]
            assert it.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            for i, one in enumerate(boxes):
                for other in boxes[i + 1 :]:
                    apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                    assert apart, (one, other)
            assert it.page.evaluate(SMALL) == []


def test_one_command_gives_a_page_that_lives(chromium):
    length = "24h" if PICTURES else "1h"
    command = [sys.executable, "-m", "reallot", "run", "ten.toml", "--simulate", length, "--serve", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            url = next(found[0] for line in run.stdout if (found := re.search(r"http://\S+#token=\S+", line)))
            address, secret = url.split("#token=")
            with Opened(chromium, address, secret) as it:
                it.wait("document.querySelectorAll('#rows tr').length === 10")
                if PICTURES:
                    next(line for line in run.stdout if "simulated time goes on" in line)
                    it.page.reload()
                    it.wait("document.querySelectorAll('#events time').length > 5")
                    it.page.screenshot(path=PICTURES / "desk.png", full_page=True)
                first = it.page.evaluate("document.querySelector('#time').innerText")
                it.wait(f"document.querySelector('#time').innerText !== {json.dumps(first)}")
                with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}) as client:
                    decided = client.get("/v1/plans").json()["items"]
                    kept = {each["verdict"]: each["plan"] for each in decided if each["plan"] and each["has_inputs"]}
                    plan = kept.get("declined") or kept["planned"]
                it.page.goto(f"{address}#why={plan['id']}")
                it.wait("document.querySelector('tfoot td') !== null")
                total = it.page.evaluate("Number(document.querySelector('tfoot td').dataset.sum)")
                assert total == pytest.approx(plan["net_benefit"], abs=1e-9)
                it.page.set_viewport_size(PHONE)
                assert it.page.evaluate(TOO_WIDE) == []
                assert it.page.evaluate("document.querySelectorAll('.sums tfoot th').length") == 5
                assert it.wrong == []
        finally:
            run.terminate()
