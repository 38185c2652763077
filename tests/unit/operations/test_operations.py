import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest

from paceline import PacelineError, Pin, SendMessage
from paceline.errors import InvalidOperation
from tests.unit.samples import ACCOUNT, GROUP, NOON, OPERATION_ID, RECIPIENT, REMOTE_ID, SENDER, message

# field at fault, what is given instead of the sample's
REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("account", {"account": ""}),
    ("account", {"account": "-acme"}),
    ("account", {"account": "ac me"}),
    ("account", {"account": "acme\n"}),
    ("account", {"account": "a" * 65}),
    ("account", {"account": "{0}"}),
    ("account", {"account": "akmé"}),
    ("sender", {"sender": "15550199999"}),
    ("sender", {"sender": "+1 555 019 9999"}),
    ("sender", {"sender": "+1-555-010-0001"}),
    ("sender", {"sender": "tel:+15550100001"}),
    ("sender", {"sender": "+15550100001;ext=5"}),
    ("sender", {"sender": "+15550100001\n"}),
    ("to", {"to": "+1555010000\u0661"}),
    ("to", {"to": "+"}),
    ("to", {"to": "+1"}),
    ("to", {"to": "+155501000011111111"}),
    ("to", {"to": "+999555010000"}),
    ("to", {"to": 15550100002}),
    ("group", {"to": None, "group": "120363000000000001@g.us"}),
    ("group", {"to": None, "group": "WAG1"}),
    ("group", {"to": None, "group": "WAG11111111/../x"}),
    ("group", {"to": None, "group": "0" * 25}),
    ("remote_id", {"to": None, "remote_id": "15550100002@c.us"}),
    ("remote_id", {"to": None, "remote_id": "123456789012345@lid\n"}),
    ("to, group, remote_id", {"to": None}),
    ("to, group, remote_id", {"group": GROUP}),
    ("to, group, remote_id", {"to": None, "group": GROUP, "remote_id": REMOTE_ID}),
    ("text", {"text": ""}),
    ("text", {"text": "x" * 4097}),
    ("text", {"text": "half an emoji \ud83d"}),
    ("text, url, pin", {"text": None}),
    ("url", {"url": "http://example.com/a.png"}),
    ("url", {"url": "https://example.com/" + "a" * 2048}),
    ("media_bytes", {"media_bytes": 1024}),
    ("media_bytes", {"url": "https://example.com/a", "media_bytes": 0}),
    ("media_bytes", {"url": "https://example.com/a", "media_bytes": 16 * 1024 * 1024 + 1}),
    ("pin", {"pin": {"latitude": 48.1, "longitude": 11.5}}),
    ("pin", {"text": None, "url": "https://example.com/a", "pin": {"latitude": 48.1, "longitude": 11.5}}),
    ("pin.latitude", {"text": None, "pin": {"latitude": 90.1, "longitude": 0}}),
    ("pin.longitude", {"text": None, "pin": {"latitude": 0, "longitude": -180.1}}),
    ("pin.latitude", {"text": None, "pin": {"latitude": float("nan"), "longitude": 0}}),
    ("pin.longitude", {"text": None, "pin": {"latitude": 0}}),
    ("pin.name", {"text": None, "pin": {"latitude": 0, "longitude": 0, "name": "x" * 257}}),
    ("priority", {"priority": "urgent"}),
    ("idempotency_key", {"idempotency_key": ""}),
    ("idempotency_key", {"idempotency_key": "x" * 257}),
    ("not_before", {"not_before": datetime(2026, 1, 31)}),  # noqa: DTZ001 - the point of it
    ("not_before", {"not_before": "2026-02-03T10:00:00"}),
    ("valid_until", {"valid_until": datetime(2026, 1, 31)}),  # noqa: DTZ001 - the point of it
    ("valid_until", {"not_before": NOON, "valid_until": NOON}),
    ("valid_until", {"not_before": NOON, "valid_until": NOON - timedelta(seconds=1)}),
    ("on_unknown", {"on_unknown": "guess"}),
    ("max_attempts", {"max_attempts": 0}),
    ("max_attempts", {"max_attempts": 101}),
    ("metadata", {"metadata": {str(i): "x" for i in range(17)}}),
    ("metadata", {"metadata": {"x" * 513: "note"}}),
    ("metadata.note", {"metadata": {"note": "x" * 513}}),
    ("metadata.note", {"metadata": {"note": 5}}),
    ("texts", {"texts": "a field with a typing error"}),
]


@pytest.mark.parametrize(("field", "given"), REFUSALS)
def test_a_refusal_begins_with_the_field_at_fault(field: str, given: dict[str, Any]) -> None:
    """Every refused operation says first which field is wrong, then what is wrong with it."""
    with pytest.raises(InvalidOperation) as refusal:
        message(**given)
    assert str(refusal.value).startswith(f"{field}: ")
    assert len(str(refusal.value)) > len(field) + 5


@pytest.mark.parametrize(("field", "given"), REFUSALS)
def test_a_refusal_does_not_repeat_the_value(field: str, given: dict[str, Any]) -> None:
    """What was given is not put into the message: it may be a number or a text, which logs must not hold."""
    with pytest.raises(InvalidOperation) as refusal:
        message(**given)
    values = [str(value) for value in given.values() if len(str(value)) > len("reconcile")]
    assert [] == [value for value in values if value in str(refusal.value)], field


def test_a_group_uuid_ends_where_it_ends() -> None:
    """A line break after a group uuid is refused, not passed on to the provider."""
    with pytest.raises(InvalidOperation):
        message(to=None, group=f"{GROUP}\n")


def test_a_number_that_can_only_be_dialled_locally_is_not_e164() -> None:
    """Seven digits after +1 reach nobody from outside, so they are no E.164 number."""
    with pytest.raises(InvalidOperation):
        message(to="+15550100")


@pytest.mark.parametrize("field", ["not_before", "valid_until"])
def test_a_time_outside_the_calendar_is_refused_like_any_other(field: str) -> None:
    """A time that has no UTC equivalent, or that state cannot hold exactly, is an invalid operation."""
    for moment in (datetime.min, datetime(1969, 12, 31), datetime(2256, 1, 1), datetime.max):  # noqa: DTZ001, DTZ901
        for hours in (-14, 0, 14):
            with pytest.raises(InvalidOperation, match=rf"^{field}: must lie between"):
                message(**{field: moment.replace(tzinfo=timezone(timedelta(hours=hours)))})


def test_a_pin_refuses_in_the_words_of_paceline() -> None:
    """A pin is exported, so its refusals belong to the error tree as well."""
    with pytest.raises(PacelineError, match=r"^latitude: "):
        Pin(latitude=91, longitude=0)
    with pytest.raises(InvalidOperation, match=r"^height: is not a known field"):
        Pin(latitude=1, longitude=0, height=5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "number",
    [SENDER, "+4915112345678", "+442071838750", "+390612345678", "+5491123456789", "+919876543210", "+8613800138000"],
)
def test_e164_numbers_of_many_countries_are_accepted_as_they_are(number: str) -> None:
    """A number in E.164 form is kept character for character."""
    assert number == message(to=number).to


@pytest.mark.parametrize("group", [GROUP, "WGP11111111-2222-4333-8444-555555555555", OPERATION_ID])
def test_groups_in_both_spellings_are_accepted(group: str) -> None:
    """Newer group uuids begin with WAG, older ones with WGP; a group that is still to be made goes by its creation's id."""
    operation = message(to=None, group=group)
    assert ("message.to_group", group) == (operation.kind, operation.target)


def test_defaults_are_harmless() -> None:
    """Without options an operation is transactional, is looked up when unknown, has 8 attempts and no times."""
    operation = message()
    expected: tuple[object, ...] = ("transactional", None, None, None, "reconcile", 8, {})
    assert expected == (
        operation.priority,
        operation.idempotency_key,
        operation.not_before,
        operation.valid_until,
        operation.on_unknown,
        operation.max_attempts,
        operation.metadata,
    )
    assert (ACCOUNT, SENDER, RECIPIENT) == (operation.account, operation.sender, operation.target)
    assert operation.kind == "message.to_number"


@pytest.mark.parametrize("field", sorted(SendMessage.model_fields))
def test_operations_are_frozen(field: str) -> None:
    """No field of an operation can be changed after it was made."""
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        setattr(message(), field, None)


@pytest.mark.parametrize("field", ["not_before", "valid_until"])
def test_times_are_kept_in_utc(field: str) -> None:
    """A time with any zone is accepted, and means the same instant in UTC."""
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    kept = getattr(message(**{field: local}), field)
    assert (NOON, UTC) == (kept, kept.tzinfo)


@pytest.mark.parametrize("field", ["not_before", "valid_until"])
@pytest.mark.parametrize("number", [253402300799, 1796000000, 1796000000.5, "253402300799", "1.5e3", True, 10**400])
def test_a_number_is_no_time(field: str, number: object) -> None:
    """Nobody can tell whether it counts seconds or milliseconds, and one of the two is long past."""
    refusal = rf"^{field}: is not a time such as 2026-01-31T09:00:00\+01:00$"
    with pytest.raises(InvalidOperation, match=refusal):
        message(**{field: number})
    written = json.loads(message().model_dump_json()) | {field: number}
    with pytest.raises(InvalidOperation, match=refusal):
        SendMessage.model_validate_json(json.dumps(written))


def test_equal_fields_make_equal_operations() -> None:
    """Operations are values: the same fields are the same operation."""
    assert message(metadata={"order": "7"}) == message(metadata={"order": "7"})
    assert message(text="Hello") != message(text="hello")
