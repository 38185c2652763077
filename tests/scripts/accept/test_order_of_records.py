"""In which order an account's records are accepted: single messages as they were written, and campaigns beside them."""

from collections.abc import Iterator

import pytest

from paceline import Outbox, names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import SENDER
from tests.support.drive import Drive

INBOX = f"{names.STATE_ROOT}:inbox"
SINGLES, OF_CAMPAIGNS = f"{names.STATE_ROOT}:a:acme:in", f"{names.STATE_ROOT}:a:acme:c:in"


@pytest.fixture
def uploaded(drive: Drive, server: EmbeddedServer) -> Iterator[list[str]]:
    """The records of a campaign that nobody has accepted, as they were written."""
    people = ({"to": f"+1555{row:07d}"} for row in range(1_000))
    with Outbox(broker_url=server.url) as outbox:
        outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi", recipients=people)
    yield list(map(str, drive.client.zrange(OF_CAMPAIGNS, 0, -1)))
    drive.client.flushall()


def accepted(drive: Drive, *rids: str) -> set[str]:
    """Accept these, and say which records left the inbox."""
    before = set(drive.client.zrange(INBOX, 0, -1))
    drive.worker.accept(rids)
    return {str(rid) for rid in before - set(drive.client.zrange(INBOX, 0, -1))}


def test_a_single_message_overtakes_the_campaigns_of_its_account(drive: Drive, uploaded: list[str]) -> None:
    """It was written after them, and does not wait until they are taken in; they lose nothing."""
    assert 4 == len(uploaded)
    drive.send(accept=False)
    (single,) = map(str, drive.client.zrange(SINGLES, 0, -1))
    assert {single} == accepted(drive, single)
    drive.accept_all()
    assert 1_000 == drive.campaign().received - drive.campaign().inbox
    assert (0, 0) == (drive.balance().inbox, drive.balance().unaccounted)
    assert 0 == drive.client.exists(SINGLES, OF_CAMPAIGNS)


def test_single_messages_keep_their_order(drive: Drive) -> None:
    """The hint of the second comes first: both are accepted, the first before it."""
    first = drive.send(accept=False)
    drive.advance(1)
    second = drive.send(accept=False, text="Again")
    records = list(map(str, drive.client.zrange(SINGLES, 0, -1)))
    assert set(records) == accepted(drive, records[1])
    drive.advance(60)
    assert [first] == [hint.id for hint in drive.grant().hints]
    assert second != first


def test_parts_of_a_campaign_keep_their_order(drive: Drive, uploaded: list[str]) -> None:
    """The hint of the last part takes the first."""
    assert uploaded[0] in accepted(drive, uploaded[-1])
    assert uploaded[-1] in drive.client.zrange(INBOX, 0, -1)


@pytest.mark.parametrize("before", [1, 2, 9])
def test_records_keep_their_order_when_the_clock_is_set_back(drive: Drive, before: int) -> None:
    """However many wait that were written at later times; when the clock has caught up, nothing is different."""
    sent = []
    for number in range(before):
        sent.append(drive.send(accept=False, text=f"Before {number}"))
        drive.advance(1)
    drive.advance(-5)
    for number in range(9):
        sent.append(drive.send(accept=False, text=f"After {number}"))
        drive.advance(1)
    drive.accept_all()
    drive.advance(60)
    drive.accept_all()
    assert sent == drive.client.lrange(f"{names.STATE_ROOT}:l:acme:{SENDER}:t", 0, -1)
    assert 0 == drive.client.exists(SINGLES, INBOX)


def test_a_record_is_found_in_time_when_the_clock_was_set_back(drive: Drive) -> None:
    """Its place behind the others does not make it look younger: a worker takes it though its hint was lost."""
    drive.send(accept=False)
    drive.advance(-3600)
    drive.send(accept=False, text="After")
    drive.advance(30)
    assert 1 == len(drive.worker.overdue(20.0, 10))


def test_what_an_earlier_release_wrote_is_accepted(drive: Drive, uploaded: list[str]) -> None:
    """It put the parts of campaigns beside single messages; in that order they are accepted."""
    for rid in uploaded:
        drive.client.zadd(SINGLES, {rid: drive.client.zscore(OF_CAMPAIGNS, rid) or 0})
    drive.client.delete(OF_CAMPAIGNS)
    drive.send(accept=False)
    *_, single = map(str, drive.client.zrange(SINGLES, 0, -1))
    assert uploaded[0] in accepted(drive, single)
    drive.accept_all()
    assert (0, 0) == (drive.balance().inbox, drive.balance().unaccounted)
    assert 0 == drive.client.exists(SINGLES, OF_CAMPAIGNS)


@pytest.mark.parametrize("names_left", [1, 150])
@pytest.mark.parametrize("index", [SINGLES, OF_CAMPAIGNS], ids=["singles", "campaigns"])
@pytest.mark.usefixtures("uploaded")
def test_names_without_a_record_block_nothing(drive: Drive, index: str, names_left: int) -> None:
    """A worker of an earlier release left those of campaigns behind; a stranger may write any."""
    drive.client.zadd(index, {f"01gone{number}": number for number in range(names_left)})
    drive.send(accept=False)
    drive.accept_all()
    assert (0, 0) == (drive.balance().inbox, drive.balance().unaccounted)
    assert 0 == drive.client.exists(SINGLES, OF_CAMPAIGNS)


def test_a_removed_account_leaves_no_names_behind(drive: Drive) -> None:
    """Of records that a worker of the earlier release accepted."""
    drive.client.zadd(OF_CAMPAIGNS, {"01gone": 1})
    Accounts(drive.client).remove("acme")
    assert 0 == drive.client.exists(OF_CAMPAIGNS)
