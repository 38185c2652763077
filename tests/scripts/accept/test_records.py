"""Records of the inbox that no Outbox writes: refused, counted, and nobody else waits."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest

from paceline import DeleteMessage, ids, names
from paceline.campaigns.excluding import EXCLUDED_IDS
from paceline.campaigns.given import given_back
from paceline.campaigns.hours import RecipientHours
from paceline.campaigns.recipients import Encoder, numbered
from paceline.inbox.record import single
from paceline.lua.fields import OPERATION
from paceline.template import compiled
from paceline_worker.state.inbox import REFUSED
from tests.conftest import SENDER, add_account
from tests.support import profiles
from tests.support.drive import Drive

OTHER = "+15550100009"
COMMON = {"a": "acme", "f": SENDER, "pr": "t", "k": "message.to_number", "mx": "8", "unk": "hold"}
ROW = {"id": "x1", "to": "+15550100002", "p": "{}"}
RECORD: dict[str, Any] = {"v": 1, "account": "acme", "sender": SENDER, "priority": "t", "common": COMMON, "rows": [ROW]}


def record(**changes: Any) -> dict[str, Any]:
    """A record with some fields changed; `common` and `row` change theirs."""
    common, row = COMMON | changes.pop("common", {}), ROW | changes.pop("row", {})
    return RECORD | {"common": common, "rows": [row]} | changes


FORGED: dict[str, Any] = {
    "another account within": record(common={"a": "other"}),
    "another account beside": record(account="other"),
    "another sender within": record(common={"f": OTHER}),
    "a sender that the account does not list": record(sender=OTHER, common={"f": OTHER}),
    "a sender that is none": record(sender="us", common={"f": "us"}),
    "another priority within": record(common={"pr": "b"}),
    "9,000 fields": record(row={f"f{number}": "x" for number in range(9000)}),
    "a state of its own": record(row={"s": "d", "oc": "accepted", "te": "1"}),
    "a grant of its own": record(row={"n": "1", "sl": "1"}),
    "a state within": record(common={"s": "d"}),
    "a campaign in the row": record(row={"c": "spring"}),
    "a campaign within": record(common={"c": "spring"}),
    "an id of another key": record(row={"id": "x:1"}),
    "a long id": record(row={"id": "x" * 65}),
    "a target with a path": record(row={"to": "../../sms"}),
    "a target of two lines": record(row={"to": "+1555\n2"}),
    "5 MB of text": record(row={"p": json.dumps({"text": "x" * 5_000_000})}),
    "17 MB": record(common={}, extra="x" * 17_000_000),
    "a long trace": record(row={"tp": "x" * 600}),
    "rows with names": record(rows={"a": ROW}),
    "more rows than it says": record(rows=[ROW, ROW | {"id": "x2"}]),
    "a null row": record(rows=[None]),
    "a version of tomorrow": record(v=2),
    "a bulk message that is exempt": record(priority="b", common={"pr": "b"}, row={"ex": "because"}),
    "many attempts": record(common={"mx": "99999"}),
    "no attempts": record(common={"mx": "-1"}),
    "deep": "[" * 100_000,
}


def write(drive: Drive, rid: str, body: Any, account: str = "acme", campaign: str = "", count: str = "1") -> None:
    """As a producer's user can, without write_record.lua."""
    text = body if isinstance(body, str) else json.dumps(body)
    key = f"{names.STATE_ROOT}:in:{rid}"
    drive.client.hset(key, mapping={"account": account, "campaign": campaign, "count": count, "body": text})
    drive.client.zadd(f"{names.STATE_ROOT}:inbox", {rid: 1})
    drive.client.zadd(f"{names.STATE_ROOT}:a:{account}:in", {rid: 1})


def nothing_is_left(drive: Drive) -> None:
    """No record, and nothing that a record made."""
    assert [] == drive.client.zrange(f"{names.STATE_ROOT}:inbox", 0, -1)
    assert [] == list(drive.client.scan_iter(f"{names.STATE_ROOT.replace('{', '[{]').replace('}', '[}]')}:in:*"))
    assert [] == list(drive.client.scan_iter("*:o:x*"))


def works(drive: Drive) -> None:
    """A message of the account still leaves."""
    good = drive.send(to="+15550100003")
    drive.advance(60)
    assert [good] == [hint.id for hint in drive.grant().hints]
    assert 0 == drive.balance().unaccounted


@pytest.fixture
def listed(drive: Drive) -> Drive:
    """The account lists its senders."""
    drive.client.hset(f"{names.STATE_ROOT}:about:acme", "senders", SENDER)
    return drive


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_is_refused_and_counted(listed: Drive, name: str) -> None:
    """With a reason; what comes after it is sent, and the books balance."""
    write(listed, "r1", FORGED[name])
    assert [REFUSED] == [done.written for done in listed.worker.accept(["r1"])]
    assert listed.state.record("r1", "none").refused
    assert 1 == listed.balance().refused
    nothing_is_left(listed)
    works(listed)


def test_what_an_outbox_writes_is_taken(listed: Drive) -> None:
    """The record that the forged ones differ from."""
    write(listed, "r1", RECORD)
    assert [1] == [done.written for done in listed.worker.accept(["r1"])]


def test_rows_with_one_id_are_one_operation(drive: Drive) -> None:
    """In a record, and in one that comes later; the books balance."""
    rows = [ROW, ROW, ROW | {"id": "x2"}]
    write(drive, "r1", record(rows=rows), count="3")
    assert [(2, 1)] == [(done.written, done.duplicates) for done in drive.worker.accept(["r1"])]
    write(drive, "r2", record(rows=[*rows, ROW | {"id": "x3"}]), count="4")
    assert [(1, 3)] == [(done.written, done.duplicates) for done in drive.worker.accept(["r2"])]
    assert (0, 3) == (drive.balance().unaccounted, drive.balance().waiting)


@pytest.mark.parametrize("count", ["abc", "", "-5", "1e3", "0", "7", "99999", " 1", "1.5"])
def test_a_wrong_count_is_refused(drive: Drive, count: str) -> None:
    """Before, the script failed each second, and the account's inbox stood still."""
    write(drive, "r1", RECORD, count=count)
    assert [REFUSED] == [done.written for done in drive.worker.accept(["r1"])]
    nothing_is_left(drive)
    works(drive)


@pytest.mark.parametrize("campaign", ["nosuch", "nosuch:tm", "other", "spring"])
def test_a_campaign_is_known_and_of_the_same_account_and_sender(drive: Drive, campaign: str) -> None:
    """An operation of no campaign has neither template nor owner."""
    add_account(drive.client, "theirs")
    for name, account, sender in (("other", "theirs", SENDER), ("spring", "acme", OTHER)):
        common = {**COMMON, "a": account, "f": sender, "pr": "b", "p": '{"text":"Hi"}', "vu": str(drive.now_us * 2)}
        drive.state.open_campaign(name, common, "digest")
    drive.client.zadd(f"{names.STATE_ROOT}:c:nosuch:tm", {"x": 1})
    body = {name: value for name, value in record(priority="b").items() if name != "common"}
    write(drive, "r1", body, campaign=campaign)
    assert [REFUSED] == [done.written for done in drive.worker.accept(["r1"])]
    assert not drive.client.exists(f"{names.STATE_ROOT}:c:nosuch")
    nothing_is_left(drive)
    drive.client.delete(f"{names.STATE_ROOT}:c:nosuch:tm")
    works(drive)


@pytest.mark.parametrize("account", ["nobody", "acme:n", "acme:about", "", "*", "a b\n"])
def test_an_account_that_is_none_is_refused(drive: Drive, account: str) -> None:
    """Also where the name makes another key of ours."""
    write(drive, "r1", record(account=account, common={"a": account}), account=account)
    drive.worker.accept(["r1"])
    nothing_is_left(drive)
    works(drive)


def test_a_record_of_another_type_is_forgotten(drive: Drive) -> None:
    """A key that is no hash, and a hash without an account."""
    drive.client.set(f"{names.STATE_ROOT}:in:r1", "x")
    drive.client.hset(f"{names.STATE_ROOT}:in:r2", "body", "{}")
    drive.client.zadd(f"{names.STATE_ROOT}:inbox", {"r1": 1, "r2": 1})
    drive.worker.accept(["r1", "r2"])
    nothing_is_left(drive)
    works(drive)


def test_a_full_server_refuses_no_record(drive: Drive) -> None:
    """What says something of the server, not of the record, ends the script; the record is taken later."""
    good = drive.send(accept=False)
    limit = drive.client.config_get("maxmemory")["maxmemory"] or 0
    drive.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Exception, match=r"OOM|maxmemory"):
            drive.accept_all()
    finally:
        drive.client.config_set("maxmemory", limit)
    drive.accept_all()
    drive.advance(60)
    assert [good] == [hint.id for hint in drive.grant().hints]


def test_random_records_do_no_harm(drive: Drive) -> None:
    """From a real one, with parts replaced: taken or refused, none stays, and the account goes on."""
    chance = random.Random(11)
    strange: tuple[Any, ...] = (
        None,
        0,
        -1,
        True,
        "",
        "x",
        "\x00",
        "9" * 400,
        [],
        {},
        [[]],
        "acme",
        "b",
        "1",
        "é" * 99,
        SENDER,
    )
    for round_ in range(100_000 // 50 if profiles.is_long() else 12):
        rids = [f"r{round_}-{number}" for number in range(50)]
        for rid in rids:
            made = json.loads(json.dumps(RECORD))
            for _ in range(chance.randrange(4)):
                place = chance.choice([made, made, made["common"] or {}, made["rows"][0] if made["rows"] else made])
                place[chance.choice([*place, "s", "extra"])] = chance.choice(strange)
                if not (isinstance(made.get("common"), dict) and isinstance(made.get("rows"), list) and made["rows"]):
                    break
                if not isinstance(made["rows"][0], dict):
                    break
            write(drive, rid, made, count=chance.choice(["1", "1", "1", "x", "2"]))
        while rids:
            rids = rids[max(1, len(drive.worker.accept(rids))) :]
        drive.accept_all()
        assert [] == drive.client.zrange(f"{names.STATE_ROOT}:inbox", 0, -1)
    assert 0 == drive.balance().unaccounted


def test_every_field_that_an_outbox_writes_is_known() -> None:
    """The closed lists of accept.lua are what a single operation and a row of a campaign are written under."""
    script = resources.files("paceline_worker").joinpath("lua/shared/record.lua").read_text(encoding="utf-8")
    lists = "".join(re.findall(r"^local (?:ROW|COMMON) = \{(.*?)^\}", script, re.MULTILINE | re.DOTALL))
    listed = {*map(OPERATION.code, re.findall(r"field\.o\.(\w+)", lists)), "id", "to"}
    later = datetime.now(UTC) + timedelta(hours=1)
    operation = DeleteMessage(
        account="acme",
        sender=SENDER,
        message=ids.new_id(),
        not_before=later,
        window="00:00-24:00 UTC",
        metadata={"order": "7"},
        idempotency_key="order-7",
        exempt="a receipt that was asked for",
    )
    written = json.loads(single(operation, "x1", datetime.now(UTC), "trace"))
    zoned = Encoder("spring", compiled("Hi"), hours=RecipientHours("09:00-18:00 recipient"))
    told = {"to": ROW["to"], "key": "7", "not_before": later, "valid_until": later + timedelta(hours=1), "zone": "UTC"}
    [row] = numbered([told])
    row_fields = zoned(row) | given_back(1, {"metadata": {"order": "7"}})
    excluded = {EXCLUDED_IDS}  # in records of a campaign that leaves out the recipients of another one
    assert listed == written["common"].keys() | written["rows"][0].keys() | row_fields.keys() | excluded
