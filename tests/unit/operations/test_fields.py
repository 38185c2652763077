"""The kinds of values in fields, one by one; addresses have their own file, `test_media_urls.py`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.ids import derived_id, new_id
from paceline.operations.values import group_reference, group_uuid, message_reference, remote_id
from paceline.recipients.numbers import phone_number
from paceline.times import utc
from tests.unit.samples import GROUP, MESSAGE, NOON, OPERATION_ID, PICTURE, RECIPIENT, REMOTE_ID

OLD_GROUP = "WGP11111111-2222-4333-8444-555555555555"
IDENTIFIERS = (GROUP, OLD_GROUP, MESSAGE, OPERATION_ID, RECIPIENT, REMOTE_ID, PICTURE, "120363000000000001@g.us", "")
TAKEN: dict[Callable[[str], str], tuple[str, ...]] = {
    group_uuid: (GROUP, OLD_GROUP),
    group_reference: (GROUP, OLD_GROUP, OPERATION_ID),
    message_reference: (MESSAGE, OPERATION_ID),
    remote_id: (REMOTE_ID,),
    phone_number: (RECIPIENT,),
}


@pytest.mark.parametrize("value", IDENTIFIERS)
@pytest.mark.parametrize("check", TAKEN, ids=lambda check: check.__name__)
def test_each_field_takes_its_own_identifiers_only(check: Callable[[str], str], value: str) -> None:
    """What names one thing is not taken where another is meant; what is taken is kept as it is."""
    if value in TAKEN[check]:
        assert value == check(value)
    else:
        with pytest.raises(ValueError, match=r"^is (not|neither) "):
            check(value)


@pytest.mark.parametrize("check", TAKEN, ids=lambda check: check.__name__)
@pytest.mark.parametrize("around", ["{}\n", " {}", "{} ", "{}/../x", "{}\0", "{}%2e", "{}\u200b"])
def test_nothing_may_stand_around_an_identifier(check: Callable[[str], str], around: str) -> None:
    """Identifiers are parts of paths at the provider, so they hold nothing that means something there."""
    for value in TAKEN[check]:
        with pytest.raises(ValueError, match="is n"):
            check(around.format(value))


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (group_uuid, "WAG" + "a" * 7),
        (group_uuid, "WAG" + "a" * 61),
        (group_uuid, GROUP.lower()),
        (message_reference, "MSG" + "a" * 7),
        (message_reference, "MSG" + "a" * 61),
        (message_reference, OPERATION_ID.upper()),
        (message_reference, OPERATION_ID[1:]),
        (remote_id, "1234@lid"),
        (remote_id, "1" * 21 + "@lid"),
        (remote_id, "\u0661" * 12 + "@lid"),
    ],
)
def test_identifiers_have_a_length_and_a_spelling(check: Callable[[str], str], value: str) -> None:
    """Too short, too long, in the wrong case or in other digits is refused."""
    with pytest.raises(ValueError, match="is n"):
        check(value)


@given(st.builds(new_id) | st.text().map(lambda text: derived_id("key", "acme", text)))
def test_every_id_of_ours_is_a_reference(op_id: str) -> None:
    """Random ids and those of idempotency keys can both be named."""
    assert op_id == group_reference(op_id) == message_reference(op_id)


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
def test_an_example_of_every_country_is_a_number(region: str) -> None:
    """The example number of each region that `phonenumbers` knows, in E.164 form."""
    example = phonenumbers.example_number(region)
    assert example
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert number == phone_number(number)


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    """Whatever is given: the same number comes back, or a ValueError that does not repeat it. Letters alone may be in its words."""
    try:
        answer = phone_number(text)
    except ValueError as refusal:
        answer = str(refusal)
    words = "is not a phone number in E.164 form, such as +15550100001: "
    assert answer == text or (
        answer.startswith(words) and (text.isalpha() or len(text) < 3 or text not in answer.removeprefix(words))
    )


@given(st.datetimes(datetime(1970, 1, 2), datetime(2254, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_time_is_the_same_instant_in_utc(moment: datetime, minutes: int) -> None:
    """Any zone is taken, and the instant is kept."""
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert (zoned, UTC) == (utc(zoned), utc(zoned).tzinfo)


def test_a_time_needs_a_zone() -> None:
    """Without one nobody knows which instant is meant."""
    with pytest.raises(ValueError, match="needs a time zone"):
        utc(NOON.replace(tzinfo=None))
