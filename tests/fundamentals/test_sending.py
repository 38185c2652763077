"""How to send, in the order in which one learns it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from paceline import Duplicate, Outbox, Pin, Queued, SendMessage
from paceline.errors import CampaignConflict, InvalidOperation, NotFound, StateUnavailable, UnknownAccount
from paceline.testing import RecordingOutbox
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

SENDER, RECIPIENT = "+15550100001", "+15550100002"


def hello(**fields: object) -> SendMessage:
    return SendMessage(**({"account": "acme", "sender": SENDER, "to": RECIPIENT, "text": "Hello"} | fields))


def test_a_message_is_written_and_then_accepted(outbox: Outbox) -> None:
    """`send` returns a receipt at once; `wait` tells what a worker made of it, and when it is expected to leave."""
    ticket = outbox.send(hello())
    answer = ticket.wait(timeout=10)
    assert Queued(ticket.id, answer.expected_at if isinstance(answer, Queued) else None) == answer


def test_its_status_follows_it_to_the_provider(outbox: Outbox, stack: Stack) -> None:
    """In the end the status holds the provider's handle."""
    status = stack.status_when(outbox.send(hello()), "accepted")
    assert (status.message_uuid or "").startswith("MSG")


def test_a_file_a_group_and_a_place(outbox: Outbox, stack: Stack) -> None:
    """A message goes to one number or one group, and is text, a file with or without a caption, or a pin."""
    group = "WAG11111111-2222-4333-8444-555555555555"
    for message in (
        hello(text=None, url="https://example.com/menu.pdf"),
        hello(text="Our menu", url="https://example.com/menu.pdf"),
        hello(text=None, pin=Pin(latitude=52.52, longitude=13.405, name="Here")),
        hello(to=None, group=group),
    ):
        assert stack.status_when(outbox.send(message), "accepted", "rejected").state == "accepted"


def test_the_same_idempotency_key_is_one_message(outbox: Outbox) -> None:
    """A service that is not sure whether it has sent sends again with the same key."""
    key = uuid.uuid4().hex
    first = outbox.send(hello(idempotency_key=key))
    again = outbox.send(hello(idempotency_key=key))
    assert isinstance(first.wait(10), Queued)
    assert Duplicate(first.id) == again.wait(10)


def test_a_campaign_is_one_template_and_many_recipients(outbox: Outbox, stack: Stack) -> None:
    """Recipients are any iterable; each fills the template's placeholders."""
    people = [{"to": f"+1555030{n:04d}", "name": f"Customer {n}"} for n in range(20)]
    campaign = outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi {name}!", recipients=people)
    stack.wait_for(lambda _: campaign.progress().complete, "the campaign is complete")
    assert 20 == campaign.progress().outcomes["accepted"]
    assert {f"Hi Customer {n}!" for n in range(20)} <= set(stack.texts_accepted())


def test_an_interrupted_upload_is_simply_repeated(outbox: Outbox, stack: Stack) -> None:
    """Recipients that are there already are not added again."""
    people = [{"to": f"+1555040{n:04d}"} for n in range(10)]
    for part in (people[:6], people):
        outbox.start_campaign("summer", account="acme", sender=SENDER, template="Hi", recipients=part)
    campaign = outbox.find_campaign("summer")
    stack.wait_for(lambda _: campaign.progress().complete, "the campaign is complete")
    progress = campaign.progress()
    assert (16, 6, 10) == (progress.received, progress.duplicates, progress.outcomes["accepted"])


def test_a_scheduled_message_waits_for_its_time(outbox: Outbox) -> None:
    """`not_before` is kept, and the status says so."""
    ticket = outbox.send(hello(not_before=datetime.now(UTC) + timedelta(hours=1)))
    ticket.wait(10)
    status = outbox.status(ticket.id)
    assert ("waiting", True) == (status.state, "not to be sent before" in status.why)


def test_what_cannot_be_sent_is_refused_before_anything_is_written(outbox: Outbox) -> None:
    """The error names the field."""
    with pytest.raises(InvalidOperation, match=r"^to: "):
        outbox.send(hello(to="12345"))


def test_an_unknown_account_is_refused(outbox: Outbox) -> None:
    """The error says how to add it."""
    with pytest.raises(UnknownAccount, match="paceline accounts add nobody"):
        outbox.send(hello(account="nobody"))


def test_a_campaign_keeps_its_template(outbox: Outbox) -> None:
    """The same name with another template is a mistake, and says so."""
    outbox.start_campaign("autumn", account="acme", sender=SENDER, template="Hi", recipients=[{"to": RECIPIENT}])
    with pytest.raises(CampaignConflict, match="'autumn' exists with another"):
        outbox.start_campaign("autumn", account="acme", sender=SENDER, template="Ho", recipients=[{"to": RECIPIENT}])


def test_an_unknown_id_is_not_found(outbox: Outbox) -> None:
    """Nothing is made up."""
    with pytest.raises(NotFound):
        outbox.status("nothing")


def test_an_unreachable_server_is_an_error_and_not_a_hang() -> None:
    """`send` answers or raises; nothing was promised."""
    with (
        Outbox(broker_url="redis://127.0.0.1:9/0") as lonely,
        pytest.raises(StateUnavailable, match="cannot be reached"),
    ):
        lonely.send(hello())


def test_the_outbox_leaves_the_hosts_celery_app_alone(outbox: Outbox) -> None:
    """A service with its own Celery app keeps it."""
    import celery  # noqa: PLC0415

    host = celery.Celery("host")
    host.set_default()
    outbox.send(hello())
    assert celery.current_app.main == "host"


def test_other_services_test_with_a_recording_outbox() -> None:
    """`paceline.testing` has an Outbox without Redis."""
    with RecordingOutbox() as outbox:
        outbox.send(hello())
        assert [hello()] == outbox.sent
