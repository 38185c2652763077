"""Version 1 of the inbox record: a contract between releases, so every field is pinned."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import AddParticipants, CheckNumber, CreateGroup, DeleteMessage, Operation, Pin, PostStory
from paceline.inbox.record import chunk, common_fields, compact, operation_id, single
from paceline.kinds import unknown_letter
from paceline.operations import OPERATIONS, OnUnknown
from paceline.times import instant, microseconds
from tests.unit.samples import ACCOUNT, GROUP, MESSAGE, NOON, NOON_US, OPERATION_ID, RECIPIENT, SENDER, make, message

DAY_US = 86_400_000_000
# Microseconds up to here are exact as a double, which is what Lua and a sorted set's score hold: the year 2255.
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2255, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone

COMMON = {
    "a": ACCOUNT,
    "f": SENDER,
    "pr": "t",
    "k": "message.to_number",
    "mx": "8",
    "unk": "reconcile",
    "ur": "l",
    "vu": str(NOON_US + DAY_US),
}


def record_of(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(single(operation, "01op", NOON))
    return found


def test_the_record_of_a_plain_text_is_pinned() -> None:
    """Version 1: account, sender, priority, common fields, one row with id, target and payload."""
    expected = {
        "v": 1,
        "account": ACCOUNT,
        "sender": SENDER,
        "priority": "t",
        "common": COMMON,
        "rows": [{"id": "01op", "to": RECIPIENT, "p": '{"text":"Hello"}'}],
    }
    assert expected == record_of(message())


@pytest.mark.parametrize(
    ("where", "expected", "given_fields"),
    [
        ("common", {"pr": "b"}, {"priority": "bulk"}),
        ("common", {"mx": "3"}, {"max_attempts": 3}),
        ("common", {"unk": "hold", "ur": "h"}, {"on_unknown": "hold"}),
        ("common", {"unk": "resend", "ur": "r"}, {"on_unknown": "resend"}),
        ("common", {"vu": str(NOON_US + 1)}, {"valid_until": NOON + timedelta(microseconds=1)}),
        ("common", {"k": "message.to_group"}, {"to": None, "group": GROUP}),
        ("row", {"to": GROUP}, {"to": None, "group": GROUP}),
        ("row", {"to": OPERATION_ID, "rf": OPERATION_ID}, {"to": None, "group": OPERATION_ID}),
        ("row", {"nb": str(NOON_US + 5)}, {"not_before": NOON + timedelta(microseconds=5)}),
        ("row", {"m": '{"order":"7"}'}, {"metadata": {"order": "7"}}),
        ("row", {"p": '{"text":"Grüße 🙂"}'}, {"text": "Grüße 🙂"}),
        ("row", {"p": '{"url":"https://example.com/a"}'}, {"text": None, "url": "https://example.com/a"}),
        ("row", {"p": '{"text":"Hello","url":"https://example.com/a"}'}, {"url": "https://example.com/a"}),
        (
            "row",
            {"p": '{"text":"","pin":{"latitude":"48.1000000","longitude":"-11.5000000","name":"Park"}}'},
            {"text": None, "pin": Pin(latitude=48.1, longitude=-11.5, name="Park", address="")},
        ),
    ],
)
def test_each_option_has_its_field(where: str, expected: dict[str, str], given_fields: dict[str, Any]) -> None:
    """An option changes its own field of the common part or of the row."""
    record = record_of(message(**given_fields))
    found = record["common"] if where == "common" else record["rows"][0]
    assert expected == {field: found[field] for field in expected}


@pytest.mark.parametrize(("field", "option"), [("nb", "not_before"), ("m", "metadata"), ("rf", "follows")])
def test_absent_options_have_no_field(field: str, option: str) -> None:
    """What was not given is not in the row, rather than being null: every value of a row is a text."""
    assert not getattr(message(), option)
    assert field not in record_of(message())["rows"][0]


@pytest.mark.parametrize(
    ("operation", "target", "follows", "payload"),
    [
        (make(CreateGroup), "01op", None, '{"name":"Team A","participants":["+15550100002"]}'),
        (make(AddParticipants), GROUP, None, '{"participants":["+15550100002"]}'),
        (make(AddParticipants, group=OPERATION_ID), OPERATION_ID, OPERATION_ID, '{"participants":["+15550100002"]}'),
        (make(DeleteMessage), RECIPIENT, None, f'{{"message_uuid":"{MESSAGE}"}}'),
        (make(DeleteMessage, to=None, message=OPERATION_ID), OPERATION_ID, OPERATION_ID, "{}"),
        (make(PostStory), SENDER, None, '{"text":"Open today"}'),
        (make(CheckNumber, extra_information=True), RECIPIENT, None, '{"extra_information":true}'),
    ],
)
def test_a_row_says_whom_it_is_about_and_what_it_follows(
    operation: Operation, target: str, follows: str | None, payload: str
) -> None:
    """What makes its own target is about itself; what names an operation follows it."""
    row = record_of(operation)["rows"][0]
    assert (target, follows, payload) == (row["to"], row.get("rf"), row["p"])


@pytest.mark.parametrize("model", OPERATIONS)
@pytest.mark.parametrize("policy", ["reconcile", "resend", "hold"])
def test_the_record_says_what_becomes_of_an_unknown_outcome(model: type[Operation], policy: OnUnknown) -> None:
    """The scripts know no kinds: the letter that policy and kind make is written beside the policy."""
    operation = make(model, on_unknown=policy)
    common = record_of(operation)["common"]
    assert (operation.kind, policy) == (common["k"], common["unk"])
    assert unknown_letter(operation.kind, policy) == common["ur"]


@pytest.mark.parametrize("model", OPERATIONS)
def test_the_payload_of_every_operation_survives_as_json(model: type[Operation]) -> None:
    """What a worker reads is what the operation gave."""
    operation = make(model)
    assert operation.payload() == json.loads(record_of(operation)["rows"][0]["p"])


def test_every_field_of_rows_and_common_is_a_text() -> None:
    """accept.lua refuses other types, so numbers and objects go as texts."""
    record = record_of(message(not_before=NOON, metadata={"a": "b"}, max_attempts=2))
    assert {str} == {type(value) for value in (*record["common"].values(), *record["rows"][0].values())}


@pytest.mark.parametrize(
    ("expected_us", "not_before"),
    [
        (NOON_US + DAY_US, None),
        (NOON_US + DAY_US, NOON - timedelta(days=3)),
        (NOON_US + 4 * DAY_US, NOON + timedelta(days=3)),
    ],
)
def test_a_default_validity_is_a_day_from_when_it_may_leave(expected_us: int, not_before: datetime | None) -> None:
    """Without valid_until an operation is good for 24 hours from now, or from not_before when that is later."""
    assert str(expected_us) == record_of(message(not_before=not_before))["common"]["vu"]


def test_the_record_of_a_chunk_is_pinned() -> None:
    """A campaign's chunk names its campaign, and has no common part: that stands in the campaign."""
    rows = [{"id": "1", "to": RECIPIENT, "p": "{}"}]
    expected = {"v": 1, "account": ACCOUNT, "sender": SENDER, "priority": "b", "campaign": "spring", "rows": rows}
    body = chunk(campaign="spring", account=ACCOUNT, sender=SENDER, priority="bulk", rows=iter(rows))
    assert expected == json.loads(body)


def test_common_fields_are_pinned() -> None:
    """The names of the options, as an operation's hash holds them."""
    found = common_fields(
        account=ACCOUNT,
        sender=SENDER,
        priority="transactional",
        kind="message.to_number",
        max_attempts=8,
        on_unknown="reconcile",
        valid_until=None,
        now=NOON,
    )
    assert found == COMMON


def test_an_idempotency_key_fixes_the_id_within_its_account() -> None:
    """The same key on the same account is the same id; another account or key is another, and no key is a new one."""
    first = operation_id(message(idempotency_key="order-7"))
    assert first == operation_id(message(idempotency_key="order-7", text="Other words"))
    assert first != operation_id(message(idempotency_key="order-8"))
    assert first != operation_id(message(idempotency_key="order-7", account="other"))
    assert operation_id(message()) != operation_id(message())


def test_json_is_compact_and_keeps_letters() -> None:
    """No spaces, and letters as they are: bytes in Redis are paid for."""
    assert compact({"a": "ü", "b": [1, 2]}) == '{"a":"ü","b":[1,2]}'


def test_noon_is_noon() -> None:
    """The sample instant of these tables."""
    assert microseconds(NOON) == NOON_US


@given(INSTANTS)
def test_instants_survive_the_way_through_microseconds(moment: datetime) -> None:
    """Every instant until the year 2255 comes back exactly, from a number as from a text."""
    us = microseconds(moment)
    assert moment == instant(us) == instant(str(us)) == instant(f"{us}.0")


@given(INSTANTS, st.integers(-10_000, 10_000))
def test_microseconds_count_microseconds(moment: datetime, step: int) -> None:
    """One microsecond more is one more, without rounding."""
    assert microseconds(moment) + step == microseconds(moment + timedelta(microseconds=step))
