"""Pools of senders, whatever numbers, weights and recipients: stickiness, shares, and the hand-over of a banned number."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.campaigns.senders import Sender, as_field, sender_of
from paceline_worker.verdict.policy import Verdict
from tests.conftest import add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, Drive

GONE = Verdict("finish", "rejected", code="404", words="the number was not found")
NUMBERS = st.integers(0, 9_999_999).map(lambda number: f"+1555{number:07d}")
SENDERS = st.lists(
    st.builds(Sender, st.integers(0, 99).map(lambda number: f"+155501000{number:02d}"), st.integers(1, 5)),
    min_size=2,
    max_size=5,
    unique_by=lambda sender: sender.number,
).map(tuple)


@given(SENDERS, st.sets(NUMBERS, max_size=30), st.data())
def test_a_number_less_moves_its_own_recipients_only(
    senders: tuple[Sender, ...], people: set[str], data: st.DataObject
) -> None:
    """So a number more takes recipients from the others, and moves nobody between them."""
    gone = data.draw(st.sampled_from(senders))
    left = [sender for sender in senders if sender != gone]
    for to in people:
        before = sender_of(to, senders)
        assert before == sender_of(to, left) or before == gone.number
        assert before == sender_of(to, data.draw(st.permutations(senders)))


@given(SENDERS, st.sets(NUMBERS, max_size=30), st.data())
def test_a_greater_weight_draws_recipients_to_its_number_only(
    senders: tuple[Sender, ...], people: set[str], data: st.DataObject
) -> None:
    """Nobody goes to a number whose weight stayed."""
    chosen = data.draw(st.sampled_from(senders))
    heavier = [Sender(one.number, one.weight * 3) if one == chosen else one for one in senders]
    for to in people:
        assert sender_of(to, heavier) in {sender_of(to, senders), chosen.number}


def uploaded(uploads: Uploads, name: str, pool: tuple[Sender, ...], people: list[str]) -> None:
    uploads.open(name, account="fast", sender=pool[0].number, fs=as_field(pool))
    uploads.write(name, [{"to": to} for to in people])
    uploads.seal(name)


def run(drive: Drive, banned: str | None, after: int) -> list[tuple[str, str, str]]:
    """All calls until nothing is left: campaign, recipient and sender of those accepted. One number is banned after some."""
    accepted: list[tuple[str, str, str]] = []
    calls = 0
    while (due := drive.next_due_us()) is not None:
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            begun = drive.begin_at_slot(hint)
            if begun["s"] != "go":
                continue
            calls += 1
            refused = begun["sender"] == banned and calls > after
            drive.settle(hint, GONE if refused else ACCEPTED)
            if not refused:
                accepted.append((begun["campaign"], begun["to"], begun["sender"]))
        assert calls < 1000
    return accepted


@given(
    SENDERS,
    st.lists(NUMBERS, min_size=1, max_size=20, unique=True),
    st.integers(0, 20),
    st.booleans(),
    st.integers(0, 4),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_is_lost_and_nobody_has_it_twice(
    drive: Drive, pool: tuple[Sender, ...], people: list[str], after: int, bans: bool, which: int
) -> None:
    """Two campaigns, and perhaps a number that is banned in the middle of the first: each recipient has each message once."""
    drive.client.flushall()
    drive = Drive(drive.client)
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    uploads, banned = Uploads(drive), pool[which % len(pool)].number if bans else None
    accepted: list[tuple[str, str, str]] = []
    for name in ("c1", "c2"):
        uploaded(uploads, name, pool, people)
        accepted += run(drive, banned, after)

    expected = {(name, to) for name in ("c1", "c2") for to in people}
    assert Counter(expected) == Counter((name, to) for name, to, _ in accepted)
    # Whoever was not of the banned number keeps the number of the rule, over both campaigns.
    for to in people:
        numbers = [sender for _, recipient, sender in accepted if recipient == to]
        if sender_of(to, pool) != banned:
            assert [sender_of(to, pool)] * 2 == numbers
        elif numbers[0] != banned:
            assert numbers[0] == numbers[1]
