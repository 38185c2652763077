"""The moves of test_books.py that concern campaigns: uploads, and what operators do with them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from paceline.operations import SendMessage
from paceline.window import from_text
from tests.properties.campaign_ledger import CAMPAIGNS, CampaignLedger
from tests.properties.ledger import ACCOUNTS, SENDERS, TARGETS, Sent
from tests.properties.moves import Delivering, Sending
from tests.properties.places import ROOT
from tests.properties.uploads import capped, openings

campaigns = st.sampled_from(list(CAMPAIGNS))
# Seconds from now on: never open again, open soon, now, and now and later.
WINDOWS: tuple[list[tuple[float, float]], ...] = ([], [(20, 40), (700, 760)], [(0, 30)], [(-5, 2), (3, 4), (60, 3000)])
CAPS_US = (50_000, 1_000_000, 7_000_000)
rows = st.lists(
    st.tuples(st.sampled_from(TARGETS), st.integers(0, 3), st.sampled_from(["", "", "", "later", "short"])),
    min_size=1,
    max_size=6,
)


class Uploading(Sending, CampaignLedger):
    """Services upload campaigns, again and in pieces."""

    @rule(
        name=campaigns,
        policy=st.sampled_from(["reconcile", "resend", "hold"]),
        paused=st.booleans(),
        seal=st.booleans(),
    )
    def open_campaign(self, name: str, policy: Any, paused: bool, seal: bool) -> None:
        """For the first time, or to continue it, which may come after its end."""
        account, sender = CAMPAIGNS[name]
        known = self.uploads.fields(name)
        reply = self.uploads.open(
            name, account=account, sender=sender, on_unknown=known.get("unk", policy), max_attempts=4, paused=paused
        )
        assert self._expected(known) == reply
        if seal and reply in {"opened", "continued"}:
            self.uploads.seal(name)

    def _expected(self, known: dict[str, str]) -> str:
        if not known:
            return "opened"
        if known.get("hold") == "cancelled":
            return "cancelled"
        return "forgotten" if int(known.get("forgets_at", self.drive.now_us + 1)) <= self.drive.now_us else "continued"

    @rule(name=campaigns, rows=rows, at_once=st.booleans())
    def upload(self, name: str, rows: list[tuple[str, int, str]], at_once: bool) -> None:
        """One chunk, perhaps of an upload whose campaign is sealed, complete, or cancelled meanwhile."""
        found = self.uploads.fields(name)
        if not found:
            return
        values = [self._row(*row) for row in rows]
        reply, ids = self.uploads.write(name, values, accept=at_once)
        assert ("cancelled campaign" if found.get("hold") == "cancelled" else "written") == reply
        self.drive.advance(0.000001)
        if reply != "written":
            return
        self.offered += len(ids)
        account, sender = CAMPAIGNS[name]
        for op, value in zip(ids, values, strict=True):
            if op in self.sent:
                continue
            self.sent[op] = Sent(op, account, sender, "message.to_number", campaign=name)
            if "not_before" not in value:
                pair = (account, sender, value["to"], name)
                self.pair_of[op] = pair
                self.enqueued[pair].append(op)

    def _row(self, to: str, place: int, when: str) -> dict[str, str]:
        row = {"to": to, "key": f"{to}/{place}"}
        if when == "later":
            row["not_before"] = (self.drive.now + timedelta(seconds=20)).isoformat()
        if when == "short":
            row["valid_until"] = (self.drive.now + timedelta(seconds=40)).isoformat()
        return row

    @rule(name=campaigns)
    def seal(self, name: str) -> None:
        self.uploads.seal(name)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        sender=st.sampled_from(SENDERS),
        to=st.sampled_from(TARGETS),
        begins=st.integers(-1, 1),
    )
    def send_in_a_window(self, account: str, sender: str, to: str, begins: int) -> None:
        """A single one with hours of its own: two minutes of each day."""
        opens = self.drive.now + timedelta(minutes=begins)
        window = f"{opens:%H:%M}-{opens + timedelta(minutes=2):%H:%M} UTC"
        self.offer(
            SendMessage(
                account=account, sender=sender, to=to, text="Hi", priority="bulk", window=window, max_attempts=4,
            )
        )  # fmt: skip


class Controlling(Delivering):
    """Operators hold campaigns back, let them go on, and change what they may."""

    @rule(name=campaigns, verb=st.sampled_from(["pause", "resume", "resume", "cancel"]))
    def control(self, name: str, verb: str) -> None:
        found = self.uploads.fields(name)
        reply = self.uploads.control(verb, name)
        if not found:
            assert "unknown campaign" == reply
        elif found.get("hold") == "cancelled":
            assert "cancelled" == reply
        else:
            assert ("complete" if "completed_at" in found else "done") == reply

    @rule(verb=st.sampled_from(["pause", "cancel"]))
    def hold_back_what_is_granted(self, verb: str) -> None:
        """The command comes between a grant and its call."""
        known = len(self.hints)
        for _ in range(3):
            self.wait_until_due()
            self.grant(capacity=1000)
        for hint in self.hints[known:]:
            if campaign := self.sent[hint.id].campaign:
                self.control(campaign, verb)
            self.drive.set_time(max(self.drive.now_us, hint.slot_us - 30_000))
            self.note_begun(hint, self.drive.begin([hint], owner="w1")[0], "w1")

    def change(self, name: str, options: dict[str, str]) -> bool:
        return self.uploads.change(name, options) == "done"

    @rule(name=campaigns, weight=st.sampled_from([1, 2, 1000]))
    def change_weight(self, name: str, weight: int) -> None:
        self.change(name, {"weight": str(weight)})

    @rule(name=campaigns, percent=st.sampled_from(["0", "1", "100"]))
    def change_auto_pause(self, name: str, percent: str) -> None:
        self.change(name, {"auto_pause": percent})

    @rule(name=campaigns, cap_us=st.sampled_from([0, *CAPS_US]))
    def change_cap(self, name: str, cap_us: int) -> None:
        if self.change(name, capped(cap_us) if cap_us else {"cap": "", "rate": ""}):
            self.limits_of[name].cap_us = cap_us
            self.limits_of[name].changes += 1

    @rule(name=campaigns, stretches=st.sampled_from([None, *WINDOWS[1:], *WINDOWS]))
    def change_window(self, name: str, stretches: list[tuple[float, float]] | None) -> None:
        options = {"window": "", "openings": ""} if stretches is None else openings(self.drive.now, *stretches)
        if self.change(name, options):
            self.limits_of[name].openings = None if stretches is None else from_text(options["openings"])

    @rule(account=st.sampled_from(ACCOUNTS), percent=st.sampled_from([0, 50, 90]))
    def change_reserve(self, account: str, percent: int) -> None:
        self.client.hset(f"{ROOT}:a:{account}", "reserve", percent)

    @rule(name=campaigns)
    @precondition(lambda self: self.sent)
    def send_what_follows_a_campaigns(self, name: str) -> None:
        """A single operation that waits for the outcome of one of a campaign's."""
        mine = [op for op, sent in self.sent.items() if sent.campaign == name]
        if mine:
            account, sender = CAMPAIGNS[name]
            follower = SendMessage(
                account=account, sender=sender, group=mine[-1], text="Hi", max_attempts=4,
                valid_until=self.drive.now + timedelta(minutes=5), idempotency_key=f"own-{self.offered}",
            )  # fmt: skip
            op = self.drive.submit(follower)
            self.drive.advance(0.000001)
            self.offered += 1
            self.sent[op] = Sent(op, account, sender, follower.kind, follower.follows)

    def let_go(self) -> None:
        """Nothing holds a campaign back any more, and all of it was uploaded."""
        for name in CAMPAIGNS:
            hold = self.uploads.fields(name).get("hold")
            if hold == "cancelled":
                continue
            if hold:
                self.uploads.control("resume", name)
            self.change_window(name, None)
            self.change_auto_pause(name, "100")
            if self.uploads.fields(name)["sealed"] == "0":
                self.uploads.seal(name)
