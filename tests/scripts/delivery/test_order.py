"""Order within (sender, recipient) is the order of enqueueing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from paceline.ids import derived_id, new_id
from paceline.inbox.record import chunk, common_fields, operation_id, single
from paceline.operations import SendMessage
from tests.support.drive import ACCEPTED, OVERLOADED, Drive

SENDER, TO = "+15550100001", "+15550100002"


def _write(drive: Drive, text: str) -> tuple[str, str]:
    message = SendMessage(account="acme", sender=SENDER, to=TO, text=text)
    op, rid = operation_id(message), new_id()
    drive.state.submit(rid, "acme", SENDER, 1, single(message, op, datetime.fromtimestamp(drive.now_us / 1e6, UTC)))
    drive.advance(0.001)
    return op, rid


def test_two_accept_tasks_that_overtake_each_other_keep_the_order_of_sending(drive: Drive) -> None:
    """`send(A); send(B)`: two workers (or two threads of one) accept B first, or A's hint is lost: A still leaves first."""
    a, rid_a = _write(drive, "A")
    b, rid_b = _write(drive, "B")
    drive.worker.accept([rid_b])
    drive.worker.accept([rid_a])
    assert [a, b] == [drive.deliver(ACCEPTED), drive.deliver(ACCEPTED)]


def test_messages_scheduled_for_the_same_instant_keep_the_order_of_sending(drive: Drive) -> None:
    """Equal `not_before`: the order of enqueueing, not of ids (derived ids are random)."""
    at = datetime.fromtimestamp(drive.now_us / 1e6, UTC) + timedelta(seconds=60)
    ids = [drive.send(not_before=at, idempotency_key=f"k{i}") for i in range(6)]
    assert ids == [drive.deliver(ACCEPTED) for _ in ids]


def test_a_campaign_named_t_does_not_mix_with_transactional_work(drive: Drive) -> None:
    """The back-off of a bulk campaign's message holds back its own campaign only, whatever the campaign's name."""
    now = datetime.fromtimestamp(drive.now_us / 1e6, UTC)
    common = common_fields(
        account="acme", sender=SENDER, priority="bulk", kind="message.to_number", max_attempts=8,
        on_unknown="hold", valid_until=None, now=now,
    ) | {"p": '{"text":"hi"}'}  # fmt: skip
    drive.state.open_campaign("t", common, "digest")
    row = {"id": derived_id("campaign", "t", TO), "to": TO, "p": "{}"}
    rid = new_id()
    body = chunk(campaign="t", account="acme", sender=SENDER, priority="bulk", rows=[row])
    drive.state.submit(rid, "acme", SENDER, 1, body, campaign="t")
    drive.worker.accept([rid])
    assert row["id"] == drive.deliver(replace(OVERLOADED, delay_s=60.0))
    urgent = drive.send(to=TO)
    drive.go_to_next_due()
    assert [urgent] == [hint.id for hint in drive.grant().hints]
