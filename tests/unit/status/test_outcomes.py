"""Entries of the outcome streams, read from what state holds."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from paceline.errors import InvalidOperation
from paceline.outcomes import OutcomeEntry, Outcomes, OutcomesTrimmed, entry_of, is_before
from paceline.status.entry import entries_of

AT = datetime(2026, 1, 31, 9, 0, 0, 1, tzinfo=UTC)
AT_US = "1769850000000001"
FIELDS = {
    "id": "01k0zxw5d3v8m2c7r4q9n6t1ea", "account": "acme", "campaign": "", "kind": "message.to_number",
    "outcome": "accepted", "code": "", "message_uuid": "", "words": "", "accepted_at_us": AT_US, "settled_at_us": AT_US,
}  # fmt: skip


class Asked:
    """Stands for a server that has nothing to tell, and notes where it was asked to begin."""

    def __init__(self) -> None:
        self.begins: list[str] = []

    def eval(self, _text: str, _keys: int, _root: str, *arguments: Any) -> list[str]:
        if len(arguments) < 3:  # the directory of the shards is asked for, and there is none
            return []
        _campaign, begin, _limit = arguments
        self.begins.append(begin)
        return ["entries", "0", "{}"]  # Lua's empty table

    def evalsha(self, *arguments: Any) -> list[str]:
        return self.eval(*arguments)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def reader(asked: Asked) -> Outcomes:
    client: Any = asked
    return Outcomes(client)


def test_what_is_empty_is_none() -> None:
    """An entry of the common stream: no recipient, no number of operations, and what state leaves empty is None."""
    expected = OutcomeEntry(
        "1769850000000-0", FIELDS["id"], "acme", None, "message.to_number", "accepted", None, None, None, AT, AT
    )
    assert expected == entry_of("1769850000000-0", FIELDS)
    assert (None, None, False) == (expected.to, expected.count, expected.is_final)


@pytest.mark.parametrize(
    ("written", "metadata", "result"),
    [
        ('{"a":"b"}', {"a": "b"}, {"a": "b"}),
        ('{"a":"b","c":{"d":1}}', {"a": "b"}, {"a": "b", "c": {"d": 1}}),
        ("no json", {}, {}),
        ('["a"]', {}, {}),
        ('{"a":' * 100_000, {}, {}),
    ],
    ids=["texts", "a value that is no text", "no JSON", "no object", "no end"],
)
def test_what_is_no_json_object_hides_no_entry(
    written: str, metadata: dict[str, str], result: dict[str, object]
) -> None:
    """A stream may hold what nobody checked; its readers read on."""
    entry = entry_of("1-0", FIELDS | {"metadata": written, "result": written})
    assert (metadata, result) == (entry.metadata, entry.result)


def test_an_entry_of_a_campaign() -> None:
    """With its recipient, the provider's code and words as they were told, and times to the microsecond."""
    entry = entry_of(
        "1-2",
        FIELDS
        | {"campaign": "spring", "to": "+15550100002", "outcome": "rejected", "code": "422", "words": "no\nsuch"},
    )
    assert ("spring", "+15550100002", "422", "no\nsuch") == (entry.campaign, entry.to, entry.code, entry.words)
    assert AT == entry.settled_at


def test_a_final_entry() -> None:
    """A campaign's end is about no operation; it counts them."""
    entry = entry_of(
        "1-2", FIELDS | {"id": "", "kind": "campaign", "campaign": "spring", "outcome": "complete", "count": "7"}
    )
    assert (True, "", "complete", 7) == (entry.is_final, entry.id, entry.outcome, entry.count)


def test_many_recipients_in_one_entry_are_an_entry_each() -> None:
    """That is how a cancelled campaign tells whom it did not reach."""
    listed = '[["op1","+15550100002",""],["op2","+15550100003","c-2"]]'
    entries = entries_of("1-2", FIELDS | {"id": "", "outcome": "cancelled", "recipients": listed})
    expected = [("op1", "+15550100002", None), ("op2", "+15550100003", "c-2")]
    assert expected == [(entry.id, entry.to, entry.key) for entry in entries]
    assert {("1-2", "cancelled")} == {(entry.entry_id, entry.outcome) for entry in entries}


def test_fields_of_a_later_release_are_ignored() -> None:
    """An entry may grow; readers of today go on."""
    assert entry_of("1-2", FIELDS) == entry_of("1-2", FIELDS | {"price": "7"})


def test_an_entry_as_plain_values() -> None:
    """All its fields under their names, times in ISO 8601 with a zone."""
    plain = entry_of("1-2", FIELDS | {"to": "+15550100002"}).as_json()
    assert plain == {
        "entry_id": "1-2", "id": FIELDS["id"], "account": "acme", "campaign": None, "kind": "message.to_number",
        "outcome": "accepted", "code": None, "message_uuid": None, "words": None,
        "accepted_at": "2026-01-31T09:00:00.000001+00:00", "settled_at": "2026-01-31T09:00:00.000001+00:00",
        "to": "+15550100002", "count": None, "event": "settled", "idempotency_key": None, "key": None, "metadata": {},
        "version": 1, "first": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("after", "begin"), [("0", "-"), ("0-0", "-"), ("17", "(17-0"), ("17-3", "(17-3"), ("0017-03", "(17-3")]
)
def test_where_reading_begins(asked: Asked, reader: Outcomes, after: str, begin: str) -> None:
    """At the oldest entry, or after the last one handled."""
    assert [] == reader.read(after=after)
    assert [] == list(reader.each(after=after))
    assert [begin] * 2 == asked.begins


@pytest.mark.parametrize(
    ("since", "begin"),
    [
        (AT, "1769850000000"),
        (AT.astimezone(timezone(timedelta(hours=5))), "1769850000000"),
        (datetime(1969, 1, 1, tzinfo=UTC), "0"),
    ],
)
def test_reading_from_a_time_on(asked: Asked, reader: Outcomes, since: datetime, begin: str) -> None:
    """In whole milliseconds, which is what the ids of entries begin with; whatever the zone."""
    assert [] == list(reader.each(since=since))
    assert [begin] == asked.begins


@pytest.mark.parametrize("after", ["", "last", "-", "1-", "-1", "1-2-3", "1.5", "$", " 1", "\u0661", "9" * 19])
def test_what_is_no_entry_id_is_refused(reader: Outcomes, after: str) -> None:
    """At once, and not with the first entry."""
    with pytest.raises(InvalidOperation, match=r"^after: is not the id of an entry"):
        reader.read(after=after)
    with pytest.raises(InvalidOperation):
        reader.follow(after=after)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_its_limits(reader: Outcomes, limit: int) -> None:
    """A longer one would keep the server from its work."""
    with pytest.raises(InvalidOperation, match=r"^limit: must be 1 to 1,000$"):
        reader.read(limit=limit)


def test_a_time_has_a_zone(reader: Outcomes) -> None:
    """Which it is nobody can guess."""
    with pytest.raises(InvalidOperation, match=r"^since: has no time zone$"):
        reader.each(since=AT.replace(tzinfo=None))


def test_looks_become_rarer(asked: Asked) -> None:
    """From a twentieth of a second to a whole one, and together as long as was asked for."""
    pauses: list[float] = []
    client: Any = asked
    assert [] == Outcomes(client, sleep=pauses.append).read(block=timedelta(seconds=4))
    assert [0.05, 0.075, 0.113, 0.169, 0.253, 0.38, 0.57, 0.854, 1.0, 0.537] == [round(pause, 3) for pause in pauses]
    assert len(pauses) + 1 == len(asked.begins)


@pytest.mark.parametrize(("one", "other"), [("9-0", "10-0"), ("10-9", "10-10"), ("10", "10-1")])
def test_entry_ids_are_numbers(one: str, other: str) -> None:
    """They are compared as such, not as texts."""
    assert is_before(one, other)
    assert not is_before(other, one)
    assert not is_before(one, one)


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (OutcomesTrimmed("1-0", "5-0", None), "outcomes after entry 1-0 may be deleted: the oldest kept entry is 5-0"),
        (OutcomesTrimmed("1-0", None, None), "no outcomes are kept"),
        (
            OutcomesTrimmed("0", None, "spring"),
            "no outcomes of campaign 'spring' are kept: they are deleted a retention time after its completion",
        ),
    ],
)
def test_a_gap_is_told_in_words(gap: OutcomesTrimmed, words: str) -> None:
    """What is missing, and where one can go on."""
    assert words == str(gap)
