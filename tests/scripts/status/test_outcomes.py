"""The streams of outcomes: what stands in them, reading on, gaps, and a campaign's end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

import pytest

from paceline import names
from paceline.errors import InvalidOperation, NotFound, StateUnavailable
from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk, common_fields
from paceline.outcomes import OutcomeEntry, Outcomes, OutcomesTrimmed
from paceline.state import connect
from paceline.times import instant
from paceline_sandbox.embedded import free_port
from paceline_worker.review.held import Held
from paceline_worker.verdict.policy import Verdict
from tests.conftest import SENDER
from tests.support.drive import ACCEPTED, REJECTED, UNKNOWN, Drive
from tests.support.wait import wait_until

ALL = f"{names.STATE_ROOT}:outcomes"
SPRING = f"{names.STATE_ROOT}:c:spring:out"
RETENTION = timedelta(hours=1)


@pytest.fixture
def reader(drive: Drive) -> Outcomes:
    def never(seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")

    return Outcomes(drive.client, sleep=never)


@pytest.fixture
def held(drive: Drive) -> Held:
    return Held(drive.client, retention=RETENTION)


def upload(drive: Drive, recipients: int, *, seal: bool = True) -> list[str]:
    """Campaign `spring` with so many recipients (those it has stay); returns their ids."""
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=drive.now + timedelta(days=1), now=drive.now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign("spring", common, "digest")
    targets = [f"+1555020{i:04}" for i in range(recipients)]
    rows = [{"id": derived_id("campaign", "spring", to), "to": to, "p": "{}"} for to in targets]
    rid = new_id()
    body = chunk(campaign="spring", account="acme", sender=SENDER, priority="bulk", rows=rows)
    drive.state.submit(rid, "acme", SENDER, len(rows), body, campaign="spring")
    drive.worker.accept([rid])
    if seal:
        drive.state.seal_campaign("spring", recipients, 0)
    return [row["id"] for row in rows]


def finish(drive: Drive) -> None:
    """Let dispatchers look until campaign `spring` is complete; no operation of it waits."""
    for _ in range(5):
        if drive.campaign().completed_at_us:
            return
        drive.go_to_next_due()
        assert not drive.grant().hints
    raise AssertionError("the campaign is not complete")


def told(entries: Sequence[OutcomeEntry] | Iterator[OutcomeEntry]) -> list[tuple[str, str]]:
    return [(entry.id, entry.outcome) for entry in entries]


def crowd(drive: Drive, stream: str, entries: int) -> None:
    """Let so many outcomes of other operations be written into a stream."""
    fields: Any = dict.fromkeys(("campaign", "code", "message_uuid", "words"), "") | {
        "id": "x", "account": "acme", "kind": "message.to_number", "outcome": "accepted",
        "accepted_at_us": "1", "settled_at_us": "1",
    }  # fmt: skip
    with drive.client.pipeline(transaction=False) as pipe:
        for _ in range(entries):
            pipe.xadd(stream, fields)
        pipe.execute()


def trim(drive: Drive, keep: int, stream: str = ALL) -> None:
    drive.client.xtrim(stream, maxlen=keep, approximate=False)


def test_an_entry_says_what_became_of_an_operation(drive: Drive, reader: Outcomes) -> None:
    """Its outcome with the provider's code, handle and words, when, and whom it was sent to."""
    accepted, rejected = drive.deliver_sent(ACCEPTED), drive.deliver_sent(REJECTED)
    first, second = reader.read()
    assert (accepted, "acme", None, "message.to_number") == (first.id, first.account, first.campaign, first.kind)
    assert ("accepted", "202", "MSG1", None) == (first.outcome, first.code, first.message_uuid, first.words)
    assert (rejected, "rejected", "422", None, "no such number") == (
        second.id, second.outcome, second.code, second.message_uuid, second.words,
    )  # fmt: skip
    assert instant(drive.operation(rejected)["te"]) == second.settled_at
    assert instant(drive.operation(rejected)["t"]) == second.accepted_at
    assert ("+15550100002", None) == (first.to, first.count)


def test_nothing_is_told_before_there_is_something(reader: Outcomes) -> None:
    """An empty stream is read, and is no gap."""
    assert [] == reader.read()
    assert [] == list(reader.each())


def test_a_consumer_resumes_after_the_last_entry_it_handled(drive: Drive, reader: Outcomes) -> None:
    """Page by page, each entry once and in the order in which it was written."""
    ops = [drive.deliver_sent(ACCEPTED) for _ in range(5)]
    after, seen = "0", []
    while entries := reader.read(after=after, limit=2):
        seen.append([entry.id for entry in entries])
        after = entries[-1].entry_id
    assert [ops[:2], ops[2:4], ops[4:]] == seen
    later = drive.deliver_sent(REJECTED)
    assert [(later, "rejected")] == told(reader.read(after=after))


def test_pages_join_without_a_seam(drive: Drive, reader: Outcomes) -> None:
    """More entries than a page holds: each once, in order."""
    crowd(drive, ALL, 1203)
    ids = [entry.entry_id for entry in reader.each()]
    kept: Any = drive.client.xrange(ALL)
    assert [entry_id for entry_id, _ in kept] == ids
    assert ids[500:] == [entry.entry_id for entry in reader.each(after=ids[499])]


@pytest.mark.parametrize("strange", [{"a": "b"}, {"id": "x", "account": "acme"}, {"recipients": "[1]"}])
def test_entries_of_strangers_are_passed_over(drive: Drive, reader: Outcomes, strange: dict[Any, Any]) -> None:
    """A receiver may write to the stream; readers go on behind what they cannot read, also where a page holds nothing else."""
    first = drive.deliver_sent(ACCEPTED)
    for _ in range(3):
        drive.client.xadd(ALL, strange)
    second = drive.deliver_sent(ACCEPTED)
    assert [first, second] == [entry.id for entry in reader.each()]
    [entry] = reader.read(limit=1)
    assert [second] == [later.id for later in reader.read(after=entry.entry_id, limit=2)]


def test_reading_from_a_time_on(drive: Drive, reader: Outcomes) -> None:
    """Entries written at that time or later; that older ones are deleted is no gap."""
    crowd(drive, ALL, 3)
    second = reader.read()[1].entry_id
    at = instant(int(second.partition("-")[0]) * 1000)
    assert second in [entry.entry_id for entry in reader.each(since=at)]
    assert [] == list(reader.each(since=at + timedelta(days=1)))
    trim(drive, 1)
    assert 1 == len(list(reader.each(since=at - timedelta(days=1))))


def test_words_of_any_kind_come_through(drive: Drive, reader: Outcomes) -> None:
    """Quotes, line breaks, other scripts, control characters."""
    words = 'no "such" number\n\t\x00\u7535\u8bdd \U0001f4f5'
    drive.deliver_sent(Verdict("finish", "rejected", code="422", words=words))
    assert words == reader.read()[0].words


def test_a_gap_is_told(drive: Drive, reader: Outcomes) -> None:
    """Entries after the last one handled were trimmed: an error that names where one can go on."""
    crowd(drive, ALL, 10)
    ids = [entry.entry_id for entry in reader.read()]
    trim(drive, 5)
    with pytest.raises(OutcomesTrimmed) as caught:
        reader.read(after=ids[2])
    assert (ids[2], ids[5], None) == (caught.value.after, caught.value.oldest, caught.value.campaign)
    with pytest.raises(OutcomesTrimmed):
        next(reader.each(after=ids[2]))
    assert ids[5:] == [entry.entry_id for entry in reader.read(after="0")]


def test_what_was_handled_may_be_trimmed(drive: Drive, reader: Outcomes) -> None:
    """Who handled the oldest entry that is kept, or a later one, missed nothing."""
    crowd(drive, ALL, 10)
    ids = [entry.entry_id for entry in reader.read()]
    trim(drive, 5)
    for handled in range(5, 10):
        assert ids[handled + 1 :] == [entry.entry_id for entry in reader.read(after=ids[handled])]


def test_a_gap_that_opens_while_one_reads_is_told(drive: Drive, reader: Outcomes) -> None:
    """A slow reader is overtaken between two pages."""
    crowd(drive, ALL, 1000)
    entries = reader.each()
    assert 500 == len(list(islice(entries, 500)))
    crowd(drive, ALL, 600)
    trim(drive, 700)
    with pytest.raises(OutcomesTrimmed):
        next(entries)


def milliseconds(drive: Drive) -> int:
    """The server's own clock, which ids of entries are made of."""
    seconds, microseconds = drive.client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@pytest.mark.parametrize("campaign", [None, "spring"])
def test_a_place_in_the_streams_of_all_shards_is_none_in_a_single_stream(
    drive: Drive, reader: Outcomes, campaign: str | None
) -> None:
    """It is refused, and the state server is not blamed."""
    upload(drive, 1)
    with pytest.raises(InvalidOperation, match="after: is not the id of an entry of this stream"):
        reader.read(campaign, after="s7.0.3-m4x3q1b8-2")


def test_a_state_that_was_emptied_is_a_gap(drive: Drive, reader: Outcomes) -> None:
    """Who handled entries of which nothing is known any more is told, before and after new ones come."""
    drive.deliver_sent(ACCEPTED)
    after = reader.read()[-1].entry_id
    drive.client.delete(ALL)
    with pytest.raises(OutcomesTrimmed, match=r"^no outcomes are kept$"):
        reader.read(after=after)
    wait_until(lambda: milliseconds(drive) > int(after.partition("-")[0]), timedelta(seconds=5), "another id")
    crowd(drive, ALL, 1)
    with pytest.raises(OutcomesTrimmed, match="the oldest kept entry is"):
        reader.read(after=after)


def test_the_common_stream_keeps_about_the_last_hundred_thousand(drive: Drive, reader: Outcomes) -> None:
    """It is trimmed as outcomes come; who is further behind is told."""
    for _ in range(101):
        crowd(drive, ALL, 1000)
    first = reader.read(limit=1)[0].entry_id
    drive.deliver_sent(ACCEPTED)
    assert 100_000 <= drive.client.xlen(ALL) < 100_200
    with pytest.raises(OutcomesTrimmed):
        reader.read(after=first)


def test_waiting_for_the_first_entry(drive: Drive) -> None:
    """A read that may wait returns with the first entry, or empty-handed when the time is over."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            drive.deliver_sent(ACCEPTED)

    reader = Outcomes(drive.client, sleep=sleep)
    [entry] = reader.read(block=timedelta(minutes=1))
    assert (3, "accepted") == (len(pauses), entry.outcome)
    assert [] == reader.read(after=entry.entry_id, block=timedelta(seconds=1))
    assert 1.0 == pytest.approx(sum(pauses[3:]))


def test_following_goes_on(drive: Drive) -> None:
    """What there is, then what comes; looks become frequent again with each entry."""
    first = drive.deliver_sent(ACCEPTED)
    coming = [REJECTED, None, None, ACCEPTED]
    pauses: list[float] = []
    sent: list[str] = []

    def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 4))
        if verdict := coming.pop(0):
            sent.append(drive.deliver_sent(verdict))

    entries = list(islice(Outcomes(drive.client, sleep=sleep).follow(), 3))
    assert [(first, "accepted"), (sent[0], "rejected"), (sent[1], "accepted")] == told(entries)
    assert [0.05, 0.05, 0.075, 0.1125] == pauses


def test_a_campaign_has_a_stream_of_its_own(drive: Drive, reader: Outcomes) -> None:
    """Its entries stand in both, with the recipients, and nothing of others is among them."""
    ops = upload(drive, 2)
    single = drive.deliver_sent(ACCEPTED)
    assert ops == [drive.deliver(verdict) for verdict in (ACCEPTED, REJECTED)]
    own = reader.read("spring")
    assert [(ops[0], "accepted"), (ops[1], "rejected")] == told(own)
    assert [("+15550200000", "spring"), ("+15550200001", "spring")] == [(entry.to, entry.campaign) for entry in own]
    assert [single, *ops] == [entry.id for entry in reader.read()]
    assert own == [replace(entry, entry_id=one.entry_id) for one, entry in zip(own, reader.read()[1:], strict=True)]


def test_a_campaign_that_nobody_knows(reader: Outcomes) -> None:
    """Its name is told; what else lies beside a campaign is none."""
    for name in ("spring", "spring:out"):
        with pytest.raises(NotFound, match=f"^no campaign named '{name}': see `paceline campaign list`$"):
            reader.read(name)
    with pytest.raises(NotFound):
        next(reader.follow("spring"))


@pytest.mark.parametrize("stream", [None, "spring"])
def test_the_final_entry_of_a_campaign(drive: Drive, reader: Outcomes, stream: str | None) -> None:
    """When all has its outcome, one entry says so in both streams, with the number of operations."""
    upload(drive, 2)
    for verdict in (ACCEPTED, REJECTED):
        drive.deliver(verdict)
    finish(drive)
    *_, final = entries = reader.read(stream)
    assert [False, False, True] == [entry.is_final for entry in entries]
    assert ("", "campaign", "complete", 2, "spring", "acme") == (
        final.id, final.kind, final.outcome, final.count, final.campaign, final.account,
    )  # fmt: skip
    assert (None, instant(drive.campaign().completed_at_us or 0)) == (final.to, final.settled_at)


def test_following_a_campaign_ends_with_it(drive: Drive) -> None:
    """No entry comes after the final one, so a reader need not wait for any; nor does one that comes later."""
    upload(drive, 1)
    steps: Iterator[Callable[[], object]] = iter([partial(drive.deliver, ACCEPTED), partial(finish, drive)])
    entries = list(Outcomes(drive.client, sleep=lambda _: next(steps)()).follow("spring"))
    assert ["accepted", "complete"] == [entry.outcome for entry in entries]
    never = Outcomes(drive.client, sleep=lambda _: pytest.fail("it waited"))
    assert entries == list(never.follow("spring"))
    assert [] == list(never.follow("spring", entries[-1].entry_id))


def test_a_cancelled_campaign_tells_whom_it_did_not_reach(drive: Drive, reader: Outcomes) -> None:
    """In its own stream, many in one entry; the stream of all outcomes has the final entry only, which says how many."""
    ops = upload(drive, 3)
    drive.deliver(ACCEPTED)
    drive.state.control_campaign("cancel", "spring", "wrong text")
    finish(drive)
    entries = reader.read("spring")
    assert [(ops[0], "accepted"), (ops[1], "cancelled"), (ops[2], "cancelled"), ("", "cancelled")] == told(entries)
    assert (2, entries[1].entry_id) == (entries[-1].count, entries[2].entry_id)
    assert [(ops[0], "accepted"), ("", "cancelled")] == told(reader.read())


def test_an_operation_can_have_several_entries(drive: Drive, reader: Outcomes, held: Held) -> None:
    """Held, sent again by hand, accepted: the last entry counts. Its campaign ends twice; who follows goes on."""
    [op] = upload(drive, 1)
    drive.deliver(UNKNOWN)
    finish(drive)
    after = reader.read("spring")[-1].entry_id
    held.release(op)
    steps: Iterator[Callable[[], object]] = iter([partial(drive.deliver, ACCEPTED), partial(finish, drive)])
    follower = Outcomes(drive.client, sleep=lambda _: next(steps)())
    assert [(op, "accepted"), ("", "complete")] == told(follower.follow("spring", after))
    assert [(op, "held"), ("", "complete"), (op, "accepted"), ("", "complete")] == told(reader.each("spring"))


def test_a_continued_campaign_has_its_end_again(drive: Drive, reader: Outcomes) -> None:
    """More recipients on another day: its stream goes on, and stays as long as it does."""
    upload(drive, 1)
    drive.deliver(ACCEPTED)
    finish(drive)
    assert 0 < drive.client.pttl(SPRING)
    upload(drive, 2, seal=False)
    assert -1 == drive.client.pttl(SPRING)
    drive.deliver(ACCEPTED)
    drive.state.seal_campaign("spring", 2, 0)
    finish(drive)
    entries = reader.read("spring")
    assert ["accepted", "complete", "accepted", "complete"] == [entry.outcome for entry in entries]
    assert [1, 2] == [entry.count for entry in entries if entry.is_final]


def test_a_campaigns_own_stream_is_never_trimmed(drive: Drive) -> None:
    """All its entries are kept while it is under way, and a retention time longer."""
    upload(drive, 1)
    for _ in range(101):
        crowd(drive, SPRING, 1000)
    drive.deliver(ACCEPTED)
    assert 101_001 == drive.client.xlen(SPRING)
    assert -1 == drive.client.pttl(SPRING)
    finish(drive)
    assert 101_002 == drive.client.xlen(SPRING)
    assert 0 < drive.client.pttl(SPRING) <= RETENTION / timedelta(milliseconds=1)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_campaign_whose_entries_expired(drive: Drive, reader: Outcomes, resumed: bool) -> None:
    """That they are gone is told, and not taken for a campaign without outcomes."""
    upload(drive, 1)
    drive.deliver(ACCEPTED)
    finish(drive)
    after = reader.read("spring")[0].entry_id if resumed else "0"
    drive.client.pexpireat(SPRING, 1)
    with pytest.raises(OutcomesTrimmed, match=r"are deleted a retention time after its completion$"):
        reader.read("spring", after)


def test_a_campaign_without_outcomes_so_far(drive: Drive, reader: Outcomes) -> None:
    """Nothing is read, and nothing is missing."""
    upload(drive, 1)
    assert [] == reader.read("spring")
    assert [] == list(reader.each("spring"))


def test_an_unreachable_server_is_one_of_our_errors() -> None:
    """As with every other question."""
    with pytest.raises(StateUnavailable):
        Outcomes(connect(f"redis://127.0.0.1:{free_port()}/0")).read()
