"""What a service may rely on, asked of every kind of outbox: real and recording, blocking and asynchronous."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from paceline import (
    AlreadyBegun,
    CampaignOptions,
    Conflict,
    CreateGroup,
    Duplicate,
    InvalidOperation,
    InvalidRow,
    NotFound,
    NotYetSettled,
    Queued,
    Refused,
    SendMessage,
    UnknownAccount,
)
from paceline.literals import Outcome
from tests.doors.conftest import Exam

SENDER, RECIPIENT = "+15550100001", "+15550100002"


def message(**fields: object) -> SendMessage:
    given = {"account": "acme", "sender": SENDER, "to": RECIPIENT, "text": "10 EUR", **fields}
    return SendMessage.model_validate(given)


def people(count: int, **fields: object) -> list[Mapping[str, object]]:
    return [{"to": f"+1555020{number:04d}", "name": "Ada", **fields} for number in range(count)]


@pytest.mark.parametrize(
    "other",
    [
        {"to": "+15550100777", "text": "99 EUR"},
        {"to": "+15550100777"},
        {"text": "99 EUR"},
        {"sender": "+15550100009"},
        {"url": "https://example.com/a.png"},
    ],
)
def test_a_key_of_another_content_is_a_conflict(exam: Exam, other: dict[str, object]) -> None:
    """Never a silent duplicate: the error names the operation that has the key, and nothing is added."""
    first = exam.outbox.send(message(idempotency_key="inv-1"))
    exam.examiner.attend()
    with pytest.raises(Conflict) as refused:
        exam.outbox.send(message(idempotency_key="inv-1", **other))
    assert (first.id, True) == (refused.value.id, first.id in str(refused.value))
    assert isinstance(exam.outbox.send(message(idempotency_key="inv-2", **other)).id, str)


def test_a_key_of_the_same_content_is_a_duplicate(exam: Exam) -> None:
    """However often, whatever its times and metadata: those may be reckoned again by who sends again."""
    first = exam.outbox.send(message(idempotency_key="inv-1"))
    later = datetime.now(UTC) + timedelta(hours=3)
    again = exam.outbox.send(message(idempotency_key="inv-1", valid_until=later, metadata={"try": "2"}))
    exam.examiner.attend()
    assert (Queued, Duplicate(first.id)) == (type(first.wait()), again.wait())


def test_whoever_is_on_a_list_gets_nothing(exam: Exam) -> None:
    """Told when it is waited for, unless it is exempt; taken off the list, the recipient is written to."""
    assert (1, 0) == tuple(exam.outbox.suppress(RECIPIENT, account="acme", reason="wrote STOP") for _ in range(2))
    suppressed = exam.outbox.send(message())
    exempt = exam.outbox.send(message(exempt="password reset requested"))
    exam.examiner.accept()
    why = "its recipient is on the suppression list of the account: wrote STOP"
    assert Refused(why) == suppressed.wait()
    assert ("suppressed", why) == (suppressed.status().state, suppressed.wait_settled().words)
    assert (Queued, "password reset requested") == (type(exempt.wait()), exempt.status().exempt)
    assert [suppressed.id] == [entry.id for entry in exam.outbox.outcomes() if entry.outcome == "suppressed"]
    assert 1 == exam.outbox.unsuppress([RECIPIENT, "+15550100777"], account="acme")
    free = exam.outbox.send(message())
    exam.examiner.accept()
    assert isinstance(free.wait(), Queued)


def test_a_suppression_list_is_read(exam: Exam) -> None:
    """Entry by entry, and asked for one number; the list of all accounts counts for each account."""
    exam.outbox.suppress(["+15550100777", RECIPIENT], account="acme")
    exam.outbox.suppress("+15550100888", all_accounts=True, reason="by law")
    entries = list(exam.outbox.suppressions(account="acme"))
    assert {("+15550100777", "acme", "by hand"), (RECIPIENT, "acme", "by hand")} == {
        (entry.number, entry.account, entry.reason) for entry in entries
    }
    found = exam.outbox.suppressed("+15550100888", account="acme")
    assert found
    assert (None, "by law") == (found.account, found.reason)
    assert None is exam.outbox.suppressed("+15550100999", account="acme")
    assert None is exam.outbox.suppressed(RECIPIENT, all_accounts=True)


def test_a_list_needs_a_name_and_numbers(exam: Exam) -> None:
    """Nobody suppresses for all accounts by forgetting one."""
    with pytest.raises(InvalidOperation, match="account, all_accounts: give exactly one"):
        exam.outbox.suppress(RECIPIENT)
    with pytest.raises(InvalidOperation, match=r"numbers\.2: is not a phone number"):
        exam.outbox.suppress([RECIPIENT, "0151"], account="acme")
    with pytest.raises(InvalidOperation, match="exempt: is for transactional operations only"):
        message(exempt="a code", priority="bulk")


def test_what_waits_is_suppressed_as_well(exam: Exam) -> None:
    """Of a campaign that was accepted before: each recipient has one outcome, and the others go on."""
    campaign = exam.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=people(3)
    )
    exam.examiner.accept()
    exam.outbox.suppress("+15550200001", account="acme")
    for number in ("+15550200000", "+15550200002"):
        op_id = exam.outbox.status_of_row("spring", number).id
        exam.examiner.settle(op_id, "accepted", code="202", words="")
    assert 1 == campaign.progress().outcomes["suppressed"]
    assert "suppressed" == exam.outbox.status_of_row("spring", "+15550200001").state


def test_a_conflict_in_the_inbox_is_told_when_it_is_waited_for(exam: Exam) -> None:
    """Two that no worker has seen: the first one written has the key."""
    if "recording" in exam.kind:
        pytest.skip("what is recorded is queued at once")
    first = exam.outbox.send(message(idempotency_key="inv-1"))
    second = exam.outbox.send(message(idempotency_key="inv-1", text="99 EUR"))
    exam.examiner.attend()
    assert isinstance(first.wait(), Queued)
    with pytest.raises(Conflict):
        second.wait(timeout=1)
    with pytest.raises(Conflict):
        second.wait_settled(timeout=1)
    books = exam.outbox.find(RECIPIENT)
    assert [first.id] == [status.id for status in books]


def test_an_operation_is_found_by_what_its_owner_knows(exam: Exam) -> None:
    """By its key, by its recipient, by the campaign's row; what it was given stands in the status."""
    keyed = exam.outbox.send(message(idempotency_key="inv-1", metadata={"order": "17"}))
    exam.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=[*people(1), *people(1, key="row-7")]
    )
    exam.examiner.attend()
    status = exam.outbox.status_by_key("acme", "inv-1")
    assert (keyed.id, RECIPIENT, SENDER, "inv-1") == (status.id, status.to, status.sender, status.idempotency_key)
    assert {"order": "17"} == status.metadata
    row, plain = exam.outbox.status_of_row("spring", "row-7"), exam.outbox.status_of_row("spring", "+15550200000")
    assert ("spring", "row-7", "+15550200000") == (row.campaign, row.key, row.to)
    assert {row.id, plain.id} == {found.id for found in exam.outbox.find("+15550200000")}
    assert {row.id, plain.id} == {found.id for found in exam.outbox.find("+15550200000", account="acme")}
    assert [] == list(exam.outbox.find("+15550200000", account="other"))
    with pytest.raises(NotFound, match="no operation of key 'inv-2'"):
        exam.outbox.status_by_key("acme", "inv-2")
    with pytest.raises(NotFound, match="no operation of this row in campaign 'spring'"):
        exam.outbox.status_of_row("spring", "8")


def test_an_operation_that_has_not_begun_can_be_cancelled(exam: Exam) -> None:
    """At once and for good; twice is no error; its outcome follows, with why."""
    later = datetime.now(UTC) + timedelta(hours=3)
    for operation in (message(), message(not_before=later), message(priority="bulk")):
        ticket = exam.outbox.send(operation)
        exam.examiner.accept()
        exam.outbox.cancel(ticket.id, why="called back")
        ticket.cancel()
        exam.examiner.attend()
        status = ticket.wait_settled(timeout=5)
        assert ("cancelled", "cancelled: called back") == (status.state, status.words)
    assert ["cancelled"] * 3 == [entry.outcome for entry in exam.outbox.outcomes()]


def test_what_has_its_outcome_cannot_be_cancelled(exam: Exam) -> None:
    """Nor what was never sent."""
    ticket = exam.outbox.send(message())
    exam.examiner.settle(ticket.id, "accepted", code="202", words="")
    with pytest.raises(AlreadyBegun, match="its outcome is accepted"):
        exam.outbox.cancel(ticket.id)
    with pytest.raises(NotFound):
        exam.outbox.cancel("0" * 26)


@pytest.mark.parametrize(
    ("outcome", "code", "words"), [("accepted", "202", None), ("rejected", "422", "no such number")]
)
def test_a_ticket_waits_for_the_outcome(exam: Exam, outcome: Outcome, code: str, words: str | None) -> None:
    """It returns the status with the outcome as its state; in time or never."""
    ticket = exam.outbox.send(message())
    exam.examiner.attend()
    with pytest.raises(NotYetSettled, match="has no outcome after 0 s and is kept"):
        ticket.wait_settled(timeout=0)
    exam.examiner.settle(ticket.id, outcome, code=code, words=words or "")
    status = ticket.wait_settled(timeout=5)
    assert (outcome, code, words) == (status.state, status.code, status.words)
    assert status == ticket.status() == exam.outbox.status(ticket.id)


def test_what_was_given_comes_back(exam: Exam) -> None:
    """Metadata, key and recipient stand in the entry of the outcome; so a service needs no table of ids."""
    single = exam.outbox.send(message(idempotency_key="inv-1", metadata={"order": "17"}))
    exam.outbox.start_campaign(
        "spring",
        account="acme",
        sender=SENDER,
        template="Hi {name}",
        recipients=people(1, key="row-7", metadata={"customer": "c-7"}),
    )
    exam.examiner.attend()
    row = exam.outbox.status_of_row("spring", "row-7")
    exam.examiner.settle(single.id, "rejected", code="422", words="no such number")
    exam.examiner.settle(row.id, "accepted", code="202", words="")
    first, second = [entry for entry in exam.outbox.outcomes() if not entry.is_final][:2]
    assert ("rejected", "inv-1", None, RECIPIENT) == (first.outcome, first.idempotency_key, first.key, first.to)
    assert ({"order": "17"}, 2, "settled") == (first.metadata, first.version, first.event)
    assert ("accepted", None, "row-7", "+15550200000") == (
        second.outcome,
        second.idempotency_key,
        second.key,
        second.to,
    )
    assert {"customer": "c-7"} == second.metadata == row.metadata
    [own] = [entry for entry in exam.outbox.outcomes("spring") if not entry.is_final]
    assert (second.id, second.metadata) == (own.id, own.metadata)


def test_a_message_of_a_campaign_with_a_rate_tells_why_it_waits(exam: Exam) -> None:
    """Its own rate is the reason."""
    if "recording" in exam.kind:
        pytest.skip("nothing waits for its turn there")
    exam.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=people(3), rate="5/minute"
    )
    exam.examiner.accept()
    assert "by the campaign's own rate of 5/minute" in exam.outbox.status_of_row("spring", "+15550200002").why


def test_receipts_are_told_to_who_asks(exam: Exam) -> None:
    """In the same stream, after the outcome; who does not ask for them reads outcomes alone."""
    ticket = exam.outbox.send(message(metadata={"order": "17"}))
    exam.examiner.attend()
    exam.examiner.settle(ticket.id, "accepted", code="202", words="")
    exam.examiner.deliver(ticket.id)
    told = [(entry.event, entry.outcome, entry.metadata) for entry in exam.outbox.outcomes(receipts=True)]
    assert [(event, "accepted", {"order": "17"}) for event in ("settled", "sent", "delivered")] == told
    assert ["settled"] == [entry.event for entry in exam.outbox.outcomes()]
    receipt = ticket.status().receipt
    assert receipt is not None
    assert "received" == receipt.status


def test_a_consumer_goes_on_after_the_last_entry(exam: Exam) -> None:
    """Whatever kind of entry that was."""
    tickets = [exam.outbox.send(message(text=str(number))) for number in range(3)]
    exam.examiner.attend()
    for ticket in tickets:
        exam.examiner.settle(ticket.id, "accepted", code="202", words="")
    first = next(iter(exam.outbox.outcomes()))
    assert [ticket.id for ticket in tickets] == [
        first.id,
        *(entry.id for entry in exam.outbox.outcomes(after=first.entry_id)),
    ]


def test_a_bad_row_in_the_middle_leaves_nothing_half_started(exam: Exam) -> None:
    """What was uploaded waits, and says why; the same upload, made rightly, goes on and begins."""
    rows = [*people(300), {"to": "+15550209999", "name": None}, *people(2)]
    with pytest.raises(InvalidRow, match="line 301: name"):
        exam.outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=rows)
    exam.examiner.attend()
    progress = exam.outbox.find_campaign("spring").progress()
    assert ("paused", 0, False) == (progress.state, progress.settled, progress.uploaded)
    assert "line 301: name" in str(progress.why)
    assert all(status.state == "waiting" for status in exam.outbox.find("+15550200000"))
    campaign = exam.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=people(301)
    )
    exam.examiner.attend()
    assert ("running", None) == (campaign.progress().state, campaign.progress().why)


def test_a_source_that_fails_leaves_nothing_half_started(exam: Exam) -> None:
    """A database that goes away in the middle, or a key that is pressed."""

    def rows() -> Iterator[Mapping[str, object]]:
        yield from people(300)  # more than are looked at before anything is written
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        exam.outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi {name}", recipients=rows())
    progress = exam.outbox.find_campaign("spring").progress()
    assert ("paused", True) == (progress.state, "ConnectionError" in str(progress.why))


def test_who_takes_bad_rows_begins_at_once(exam: Exam) -> None:
    """And who paused it, or resumed it meanwhile, is obeyed."""
    bad: list[str] = []
    campaign = exam.outbox.start_campaign(
        "spring",
        account="acme",
        sender=SENDER,
        template="Hi {name}",
        recipients=[*people(1), {"to": "x", "name": "y"}],
        on_invalid=lambda _, reason: bad.append(reason),
    )
    assert (1, "running") == (len(bad), campaign.progress().state)
    paused = exam.outbox.start_campaign(
        "later", account="acme", sender=SENDER, template="Hi", recipients=people(1), paused=True
    )
    assert "paused" == paused.progress().state
    paused.resume()
    assert "running" == paused.progress().state


def test_a_campaign_is_in_command(exam: Exam) -> None:
    """Whatever the outbox."""
    campaign = exam.outbox.start_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=people(2)
    )
    exam.examiner.accept()
    campaign.pause("lunch")
    assert ("paused", "lunch") == (campaign.progress().state, campaign.progress().why)
    campaign.change(CampaignOptions(weight=3))
    campaign.resume()
    assert ["spring"] == [one.name for one in exam.outbox.list_campaigns()]
    assert 2 == campaign.plan().recipients
    assert campaign.forecast().ends_at is not None
    campaign.cancel()
    assert campaign.progress().state in ("cancelling", "cancelled")


def test_a_plan_writes_nothing(exam: Exam) -> None:
    """Also on a loop."""
    plan = exam.outbox.plan_campaign(
        "spring", account="acme", sender=SENDER, template="Hi {name}", recipients=iter(people(300))
    )
    assert (300, []) == (plan.recipients, exam.outbox.list_campaigns())


def test_any_operation_may_be_sent(exam: Exam) -> None:
    """And one may follow another."""
    group = exam.outbox.send(CreateGroup(account="acme", sender=SENDER, name="Team", participants=[RECIPIENT]))
    ticket = exam.outbox.send(message(to=None, group=group.id))
    exam.examiner.attend()
    assert group.id in exam.outbox.status(ticket.id).why or exam.outbox.status(group.id).state != "accepted"
    assert {ticket.id} == {status.id for status in exam.outbox.find(group.id)} - {group.id}


def test_an_unknown_account_is_refused(exam: Exam) -> None:
    """Nothing is written."""
    if "recording" in exam.kind:
        exam.outbox.unknown_accounts.add("nobody")  # type: ignore[attr-defined]
    with pytest.raises(UnknownAccount):
        exam.outbox.send(message(account="nobody"))
