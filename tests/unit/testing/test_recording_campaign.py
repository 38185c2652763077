"""Campaigns of a `RecordingOutbox`, and its likeness to the real one."""

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest

from paceline import Campaign, CampaignOptions, Outbox, Ticket, UploadReport
from paceline.errors import CampaignConflict, InvalidOperation, InvalidRow, NotFound, StateUnavailable
from paceline.testing import CampaignMessage, RecordedCampaign, RecordingOutbox
from tests.unit.samples import ACCOUNT, SENDER, message

ADA = {"to": "+15550100002", "name": "Ada", "id": "1"}
BOB = {"to": "+15550100003", "name": "Bob"}


def upload(outbox: Outbox, rows: list[dict[str, str]], **options: Any) -> Campaign:
    given = {"account": ACCOUNT, "sender": SENDER, "template": "Hi {name}"} | options
    return outbox.start_campaign("spring", recipients=iter(rows), **given)


def test_a_campaign_is_recorded_with_what_each_recipient_reads() -> None:
    """The template is filled as a worker would fill it."""
    outbox = RecordingOutbox()
    campaign = upload(outbox, [ADA, BOB], url="https://example.com/a.png")
    messages = [CampaignMessage(ADA["to"], "Hi Ada"), CampaignMessage(BOB["to"], "Hi Bob")]
    expected = RecordedCampaign("spring", ACCOUNT, SENDER, "Hi {name}", "https://example.com/a.png", messages)
    assert outbox.campaigns == {"spring": expected}
    assert campaign.report == UploadReport(offered=2, written=2, invalid=0)


def test_a_campaign_counts_its_rows() -> None:
    """Progress has what was received, which of it was there already, and what remains."""
    outbox = RecordingOutbox()
    upload(outbox, [ADA, BOB, ADA])
    upload(outbox, [BOB])
    progress = outbox.find_campaign("spring").progress()
    assert (4, 2, 2, 0) == (progress.received, progress.duplicates, progress.remaining, progress.settled)
    assert progress.uploaded
    assert len(outbox.campaigns["spring"].messages) == 2


def test_an_upload_may_be_larger_than_a_chunk() -> None:
    """Every row arrives, in order, however many chunks it takes."""
    outbox = RecordingOutbox()
    rows = [{"to": f"+1555{number:07}", "name": str(number)} for number in range(2_001)]
    written: list[int] = []
    upload(outbox, rows, on_progress=written.append)
    assert [f"Hi {number}" for number in range(2_001)] == [m.text for m in outbox.campaigns["spring"].messages]
    assert [*range(250, 2_001, 250), 2_001] == written


@pytest.mark.parametrize("check_numbers", [True, False])
def test_numbers_are_always_checked_in_full(check_numbers: bool) -> None:
    """A number of the right shape may still be of a length that its country does not have; the option made a difference once."""
    with pytest.raises(InvalidRow, match=r"^line 2: to: is not a phone number .*: after \+1 come 10 digits, not 7$"):
        RecordingOutbox().start_campaign(
            "autumn",
            account=ACCOUNT,
            sender=SENDER,
            template="Hi {name}",
            recipients=[ADA, {"to": "+15550100", "name": "Eve"}],
            check_numbers=check_numbers,
        )


def test_bad_rows_raise_or_are_handed_over() -> None:
    """Without `on_invalid` the first bad row raises; with it, the good ones are kept."""
    outbox, bad = RecordingOutbox(), {"to": "5550100004", "name": "Eve"}
    with pytest.raises(InvalidRow, match=r"^line 2: to: "):
        upload(outbox, [ADA, bad, BOB])
    reasons: list[tuple[int, str]] = []
    campaign = upload(outbox, [ADA, bad, BOB], on_invalid=lambda row, why: reasons.append((row.line, why[:3])))
    assert (UploadReport(3, 2, 1), [(2, "to:")]) == (campaign.report, reasons)
    assert [m.text for m in outbox.campaigns["spring"].messages] == ["Hi Ada", "Hi Bob"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("template: ", {"template": "Hi {"}),
        ("sender: ", {"sender": "555"}),
        ("account: ", {"account": ""}),
        ("url: ", {"url": "http://example.com/a"}),
        ("weight: ", {"weight": 0}),
        ("rate: ", {"rate": "quickly"}),
        ("window", {"window": "Mon-Fri"}),
        ("auto_pause: ", {"auto_pause": 101}),
        ("valid_until: ", {"valid_until": datetime(2026, 1, 1)}),  # noqa: DTZ001 - the point of it
        ("max_attempts: ", {"max_attempts": 101}),
    ],
)
def test_options_are_checked_as_in_earnest(words: str, options: dict[str, Any]) -> None:
    """A campaign with a wrong option is refused by the field's name, and not recorded."""
    outbox = RecordingOutbox()
    with pytest.raises(InvalidOperation, match=rf"^{words}"):
        upload(outbox, [ADA], **options)
    assert outbox.campaigns == {}


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "-", "{0}"])
def test_a_campaigns_name_is_checked(name: str) -> None:
    """A campaign's name has the grammar of an account's."""
    with pytest.raises(InvalidOperation, match=r"^name: "):
        RecordingOutbox().start_campaign(name, account=ACCOUNT, sender=SENDER, template="Hi", recipients=[ADA])


def test_a_campaign_needs_a_recipient() -> None:
    """An empty source is a mistake, and leaves no campaign behind."""
    outbox = RecordingOutbox()
    with pytest.raises(InvalidOperation, match=r"^recipients: "):
        upload(outbox, [])
    assert outbox.campaigns == {}


def test_the_same_name_with_another_template_is_a_conflict() -> None:
    """A name stands for one campaign; another validity is not another campaign."""
    outbox = RecordingOutbox()
    upload(outbox, [ADA])
    upload(outbox, [BOB], valid_until=datetime(2036, 1, 1, tzinfo=UTC))
    with pytest.raises(CampaignConflict):
        upload(outbox, [ADA], template="Bye {name}")


def test_a_campaign_fails_when_told_to() -> None:
    """`fail_with` holds for uploads too."""
    outbox = RecordingOutbox(fail_with=StateUnavailable("Redis is down"))
    with pytest.raises(StateUnavailable, match="Redis is down"):
        upload(outbox, [ADA])


def test_receipts_and_campaigns_are_the_real_ones() -> None:
    """Code that names the types in its signatures can be tested with the recording outbox."""
    outbox = RecordingOutbox()
    assert isinstance(outbox, Outbox)
    assert type(upload(outbox, [ADA])) is Campaign
    assert type(outbox.send(message())) is Ticket


def public_signatures(kind: type) -> dict[str, inspect.Signature]:
    members = inspect.getmembers(kind, inspect.isfunction)
    shown = {"__enter__", "__exit__"}
    return {name: inspect.signature(member) for name, member in members if name in shown or not name.startswith("_")}


def test_its_methods_are_those_of_the_real_outbox() -> None:
    """Same public methods, same arguments, same defaults, same types: a call that fits one fits the other."""
    own = public_signatures(RecordingOutbox)
    assert {"settle", "deliver", "id_of_row"} == own.keys() - public_signatures(Outbox).keys()
    assert public_signatures(Outbox) == {name: own[name] for name in public_signatures(Outbox)}
    assert {"send", "campaign", "find_campaign", "status", "close"} <= set(public_signatures(Outbox))


def test_no_public_method_needs_a_server() -> None:
    """Every public method answers or raises an error of ours, though there is no Redis."""
    outbox = RecordingOutbox()
    ticket, campaign = outbox.send(message()), upload(outbox, [ADA])
    assert (campaign.name, ticket.id) == (outbox.find_campaign("spring").name, outbox.status(ticket.id).id)
    outbox.close()


def test_nothing_has_an_outcome() -> None:
    """Before the test says so: the stream is empty; one of an unknown campaign is refused as in earnest."""
    outbox = RecordingOutbox()
    outbox.start_campaign("spring", account=ACCOUNT, sender=SENDER, template="Hi", recipients=[ADA])
    assert [] == [*outbox.outcomes(), *outbox.outcomes("spring", follow=True)]
    with pytest.raises(NotFound):
        next(outbox.outcomes("autumn"))


def test_a_campaign_is_in_command() -> None:
    """Pause, resume, change and cancel are remembered, and cancelling is final."""
    outbox = RecordingOutbox()
    campaign = outbox.start_campaign("spring", account=ACCOUNT, sender=SENDER, template="Hi", recipients=[ADA])
    campaign.pause("lunch")
    assert ("paused", "lunch") == (campaign.progress().hold, campaign.progress().why)
    campaign.resume()
    campaign.change(CampaignOptions(weight=3))
    assert campaign.progress().hold is None
    campaign.cancel()
    with pytest.raises(CampaignConflict):
        campaign.resume()
