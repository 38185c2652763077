"""What must be true of campaigns after each move of test_books.py."""

from collections import defaultdict
from dataclasses import dataclass

from hypothesis.stateful import invariant

from paceline.literals import OUTCOMES
from paceline.window import from_text
from paceline_worker.state.values import Hint
from tests.properties.ledger import SENDERS, Ledger
from tests.properties.places import Places, look
from tests.properties.uploads import Uploads
from tests.support.drive import NOT_MADE

# Campaign to its account and sender: two share a lane, one has it to itself but for single operations.
CAMPAIGNS = {"c1": ("fast", SENDERS[0]), "c2": ("fast", SENDERS[0]), "c3": ("acme", SENDERS[1])}
# A campaign makes up for so much lateness of ours.
LEAD_US = 250_000


@dataclass
class Limits:
    """What holds a campaign back, as it was asked for last.

    Args:
        openings: when its window is open (us), None always.
        cap_us: least time between two calls, 0 none.
        changes: how often the cap was changed.
    """

    openings: list[tuple[int, int]] | None = None
    cap_us: int = 0
    changes: int = 0


class CampaignLedger(Ledger):
    """The machine's memory of campaigns, and its invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads = Uploads(self.drive)
        self.limits_of: dict[str, Limits] = defaultdict(Limits)
        # Grants of campaigns: their cap was changed so often before.
        self.under_cap: dict[tuple[str, str], int] = {}

    def check_granted(self, hint: Hint, slot_us: int | None = None) -> None:
        """A slot is inside the window of its operation, and of its campaign; a look-up sends nothing."""
        slot_us = slot_us or hint.slot_us
        fields = self.drive.operation(hint.id)
        if "ph" in fields:
            return
        if "wi" in fields:
            assert any(opens <= slot_us < closes for opens, closes in from_text(fields["wi"])), fields
        if "c" in fields:
            limits = self.limits_of[fields["c"]]
            self.under_cap.setdefault((hint.id, hint.token), limits.changes)
            inside = limits.openings is None or any(opens <= slot_us < closes for opens, closes in limits.openings)
            assert inside, (hint, limits)

    def check_begun(self, hint: Hint, phase: str) -> None:
        """Nothing of a campaign on hold begins, unless it looks something up."""
        campaign = self.sent[hint.id].campaign
        assert phase or not campaign or "hold" not in self.uploads.fields(campaign)

    @invariant()
    def the_books_of_campaigns_balance(self) -> None:
        """received = duplicates + refused + inbox + in one of its places + outcomes, and `left` are those without outcome."""
        places = look(self.client)
        for name, fields in places.campaigns.items():
            number = {
                what: int(fields.get(what, 0)) for what in ("received", "inbox", "written", "duplicate", "refused")
            }
            ended = {outcome: int(fields.get(outcome, 0)) for outcome in OUTCOMES}
            there = places.of_campaign(name)
            left = [op for op, one in there.items() if one["s"] != "d"]
            assert self.uploads.offered.get(name, 0) == number["received"]
            assert number["received"] == sum(number[what] for what in ("inbox", "written", "duplicate", "refused"))
            assert len(left) == number["written"] - sum(ended.values()) == int(fields.get("left", 0)), (name, fields)
            for outcome in OUTCOMES:
                counted = sum(one.get("oc") == outcome for one in there.values())
                assert counted == ended[outcome] or (outcome == "cancelled" and counted < ended[outcome])
            self._complete_exactly_at_its_end(places, name)

    @staticmethod
    def _complete_exactly_at_its_end(places: Places, name: str) -> None:
        fields = places.campaigns[name]
        over = not int(fields.get("left", 0)) and not int(fields.get("inbox", 0))
        final = over and (fields["sealed"] == "1" or fields.get("hold") == "cancelled")
        complete = "completed_at" in fields
        assert complete == ((fields["a"], name) not in places.open)
        assert final if complete else (not final or name in places.wakes), (name, fields)

    @invariant()
    def what_may_send_is_in_turn(self) -> None:
        """A source with work has its turn, is on hold, or has a time; a lane with a turn is ready, busy or paused."""
        places = look(self.client)
        for (account, sender, source), ops in places.lists.items():
            if source == "" or not ops:
                continue
            hold = places.campaigns[source].get("hold") if source != "-" else None
            in_turn = source in places.turns.get((account, sender), {})
            assert in_turn or hold == "paused" or source in places.wakes, (account, sender, source)
            for op in ops:
                assert source in ("-", places.operations[op].get("c")), (source, op)
        for (account, sender), turns in places.turns.items():
            assert turns.keys() <= {"-"} | {name for name, lane in CAMPAIGNS.items() if lane == (account, sender)}
            assert all(0 <= tag < 2**53 for tag in turns.values())
            self._ready(places, account, sender, transactional=False)
        for account, sender, source in places.lists:
            if source == "":
                self._ready(places, account, sender, transactional=True)

    def _ready(self, places: Places, account: str, sender: str, *, transactional: bool) -> None:
        lane = (account, sender)
        busy = lane in places.heads or places.pauses.get(lane, 0) > 0
        ready = places.ready.get(account, {})
        assert busy or (sender in ready and (ready[sender] or not transactional)), (lane, transactional)

    @invariant()
    def an_account_is_due_when_its_campaigns_are(self) -> None:
        places = look(self.client)
        for name, at in places.wakes.items():
            assert places.timers[CAMPAIGNS[name][0]] <= at

    @invariant()
    def no_cap_is_exceeded(self) -> None:
        """Any number of calls in a row keeps the distance that the cap asks for, but for the lead."""
        slots: dict[tuple[str, int], list[int]] = defaultdict(list)
        for (op, token), changes in self.under_cap.items():
            call = self.calls.get((op, token))
            if call and call.verdict is not NOT_MADE:
                slots[self.sent[op].campaign, changes].append(call.slot_us)
        for (name, changes), used in slots.items():
            cap_us = self.limits_of[name].cap_us if changes == self.limits_of[name].changes else 0
            free = 0
            for slot in sorted(used) if cap_us else []:
                assert slot >= free, (name, cap_us, used)
                free = max(free, slot - LEAD_US) + cap_us
