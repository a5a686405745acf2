"""A mailbox as a machine: bounded whatever comes, events in order and never twice, a gap told, the slow dismissed."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reallot.service.mailbox import BEHIND_SECONDS, MOST_EVENTS, MOST_MISSED, Fate, Mailbox


class MailboxMachine(RuleBasedStateMachine):
    """Against a model: the events since the last gap, the newest state, and how long the oldest has waited."""

    @initialize()
    def begin(self):
        self.box, self.now = Mailbox(), 0.0
        self.number = self.state = 0
        self.waits, self.newest, self.gap = [], None, False
        self.seen, self.skipped, self.missed = [], 0, 0
        self.since = None

    def came(self):
        if self.since is None:
            self.since = self.now

    @rule(count=st.sampled_from([1, 2, 7, MOST_EVENTS]))
    def event(self, count):
        for _ in range(count):
            self.number += 1
            self.box.put_event(f"e{self.number}", self.now)
            if self.gap:
                continue
            if len(self.waits) == MOST_EVENTS:
                self.waits, self.gap = [], True
            else:
                self.waits.append(self.number)
            self.came()

    @rule()
    def new_state(self):
        self.state += 1
        self.box.put_state(f"s{self.state}", self.now)
        self.skipped += self.newest is not None
        self.newest = self.state
        self.came()

    @rule(count=st.sampled_from([1, 3, MOST_EVENTS]), arrives=st.booleans())
    def take(self, count, arrives):
        for _ in range(count):
            found = self.box.take()
            if self.waits:
                expected = f"e{self.waits.pop(0)}"
                self.seen.append(int(expected[1:]))
            else:
                expected, self.newest = (f"s{self.newest}" if self.newest is not None else None), None
            assert found == expected
            if not self.waits and self.newest is None and not self.gap:
                self.since = None
            if found is None:
                break
            if arrives:
                self.box.sent(self.now)
                self.missed, self.since = 0, None if self.since is None else self.now
            else:
                self.box.failed()
                self.missed += 1

    @rule()
    def list_anew(self):
        if self.box.fate(self.now) is Fate.RESYNC:
            self.box.resynced()
            self.gap = False
            self.seen.append(None)  # the client lists what it missed
            if not self.waits and self.newest is None:
                self.since = None

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, BEHIND_SECONDS]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def is_bounded(self):
        assert len(self.box) <= MOST_EVENTS + 1 and len(self.box) == len(self.waits) + (self.newest is not None)
        assert self.box.skipped == self.skipped

    @invariant()
    def order_is_kept_and_nothing_comes_twice_or_is_left_out_without_a_gap(self):
        run = []
        for number in self.seen:
            if number is None:
                run = []
                continue
            assert not run or number == run[-1] + 1
            run.append(number)

    @invariant()
    def the_slow_and_only_they_are_dismissed(self):
        late = self.since is not None and self.now - self.since >= BEHIND_SECONDS
        slow = late or self.missed >= MOST_MISSED
        assert self.box.fate(self.now) is (Fate.DISMISS if slow else Fate.RESYNC if self.gap else Fate.KEEP)


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = settings(stateful_step_count=40)


def test_who_wants_no_states_gets_none():
    box = Mailbox(wants_states=False)
    box.put_state("s", 0.0)
    box.put_event("e", 0.0)
    assert (box.take(), box.take()) == ("e", None)
