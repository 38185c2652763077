"""Whether a call of unknown outcome took effect: what a look-up's answer decides."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import CreateGroup, SendMessage
from paceline.inbox.record import compact
from paceline.operations.messages import Pin
from paceline.operations.requests import Followed, ProviderRequest, Work
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Verdict
from paceline_worker.verdict.reconcile import CANARY, FRESH, LAST, PROOF, STALE, found_out, lookup_for
from tests.unit.samples import (
    GROUP,
    NOON,
    NOON_US,
    OPERATION_ID,
    PICTURE,
    RECIPIENT,
    REMOTE_ID,
    SENDER,
    make,
    message,
    numbers,
    work,
)

SECOND = timedelta(seconds=1)
AT_NOON = "2026-01-31T12:00:00Z"
LATER = NOON + timedelta(seconds=30)
LATER_US = NOON_US + 30_000_000
TEXT = work(message())
TO_GROUP = work(make(SendMessage, to=None, group=GROUP))
PICTURED = work(message(text=None, url=PICTURE))
PINNED = work(message(text=None, pin=Pin(latitude=52.52, longitude=13.405)))
CREATING = work(make(CreateGroup))
CREATING_MANY = work(make(CreateGroup, participants=numbers(12)))


def shown(uuid: str = "MSG1", text: Any = "Hello", at: Any = AT_NOON, **more: Any) -> dict[str, Any]:
    """A message as the history shows it (docs/provider.md, 2.1.2)."""
    content = {"text": text} | {name: more.pop(name) for name in ("media", "pin") if name in more}
    return {
        "id": uuid,
        "uuid": uuid,
        "message": content,
        "created_at": at,
        "remote_phone_number": RECIPIENT,
        "sent_by": "api",
        "is_from_api": True,
    } | more


def a_group(uuid: str = GROUP, name: str = "Team A", at: Any = AT_NOON, **more: Any) -> dict[str, Any]:
    return {"uuid": uuid, "wa_group_name": name, "wa_subject": name, "created_at": at} | more


def answer(value: Any, date: datetime | None = None) -> Answer:
    return Answer(Meaning.ACCEPTED, "200", value=value, date=date)


def decided(known: Work, value: Any, date: datetime | None = None, sent_us: int = NOON_US) -> Verdict:
    found = found_out(known, answer(value, date), sent_us, LATER_US, Random(1))
    assert found is not None
    return found


def history(*messages: Any, known: Work = TEXT, date: datetime | None = None) -> Verdict:
    return decided(known, {"success": True, "messages": list(messages)}, date)


def groups(*listed: Any, known: Work = CREATING) -> Verdict:
    return decided(known, {"success": True, "data": list(listed)})


# -- what is asked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "endpoint", "known"),
    [
        (
            f"/whatsapp/messages/{SENDER}/{RECIPIENT}",
            "/whatsapp/messages/{sender}/{recipient}",
            TEXT,
        ),
        (
            f"/whatsapp/messages/{SENDER}/{REMOTE_ID}",
            "/whatsapp/messages/{sender}/{recipient}",
            work(message(to=None, remote_id=REMOTE_ID)),
        ),
        (f"/whatsapp/groups/messages/{GROUP}", "/whatsapp/groups/messages/{group}", TO_GROUP),
        (
            f"/whatsapp/groups/messages/{GROUP}",
            "/whatsapp/groups/messages/{group}",
            work(make(SendMessage, to=None, group=OPERATION_ID), followed=Followed(GROUP, "", {})),
        ),
        (f"/whatsapp/messages/{SENDER}/{RECIPIENT}", "/whatsapp/messages/{sender}/{recipient}", PINNED),
        (f"/whatsapp/groups/{SENDER}", "/whatsapp/groups/{sender}", CREATING),
    ],
)
def test_the_place_where_it_would_show_is_read(path: str, endpoint: str, known: Work) -> None:
    """The conversation, the group's history, or the sender's groups; the metric's label names neither."""
    assert ProviderRequest("GET", path, None, endpoint) == lookup_for(known)


# -- conversations --------------------------------------------------------------------------------------------------------


def test_a_message_that_is_there_was_sent() -> None:
    """Its uuid is told: settle.lua takes it unless another operation has it."""
    verdict = history(shown())
    assert ("looked", ("MSG1",), "") == (verdict.verb, verdict.uuids, verdict.outcome)


def test_a_message_that_is_not_there_was_not_sent() -> None:
    """Absence is told; settle.lua looks twice before it sends again."""
    verdict = history(shown(text="Other"))
    assert Verdict("looked", code="200", words="not found in the conversation", reason="lookup") == verdict


def test_identical_messages_are_told_oldest_first() -> None:
    """Each operation takes one, the first one the first: so they are compared by count."""
    newest_first = [shown("MSG3"), shown("MSG2", text="Other"), shown("MSG1")]
    assert ("MSG1", "MSG3") == history(*newest_first).uuids


@pytest.mark.parametrize(
    ("is_found", "more"),
    [
        (True, {"sent_by": "api"}),
        (True, {"sent_by": "api", "is_from_api": None}),
        (False, {"sent_by": "user"}),
        (False, {"sent_by": "agent"}),
        (False, {"sent_by": None}),
        (False, {"sent_by": ["api"]}),
        (False, {"is_from_api": False}),
    ],
)
def test_only_what_the_api_sent_can_be_ours(is_found: bool, more: dict[str, Any]) -> None:
    """A person may have written the same words by hand."""
    assert is_found == bool(history(shown(**more)).uuids)


def test_who_sent_it_need_not_be_told() -> None:
    """Older answers lack the field."""
    entry = shown()
    del entry["sent_by"], entry["is_from_api"]
    assert ("MSG1",) == history(entry).uuids


@pytest.mark.parametrize(
    ("is_found", "at"),
    [
        (True, "2026-01-31T12:00:00Z"),
        (True, "2026-01-31T12:00:00"),
        (True, "2026-01-31 12:00:00"),
        (True, "2026-01-31T12:00:00.123456Z"),
        (True, "2026-01-31T14:00:00+02:00"),
        (True, "2026-01-31T11:59:00Z"),
        (True, "2027-01-01T00:00:00Z"),
        (False, "2026-01-31T11:58:59Z"),
        (False, "2026-01-31T11:58:59"),
        (False, "2026-01-31 11:58:59"),
        (False, "2026-01-31T12:00:00+02:00"),
        (False, "2025-01-31T12:00:00Z"),
        # Nobody can tell how old it is.
        (True, None),
        (True, "yesterday"),
        (True, ""),
        (True, 1_769_860_800),
        (True, ["2020-01-01"]),
    ],
)
def test_an_older_message_is_another_one(is_found: bool, at: Any) -> None:
    """The same words of before the call, by more than two servers' clocks may differ, were not sent by it."""
    assert is_found == bool(history(shown(at=at)).uuids)


@pytest.mark.parametrize(
    ("is_found", "at", "ahead_s"),
    [
        (True, "2026-01-31T12:00:00Z", 0),
        (True, "2026-01-31T11:59:57Z", 0),
        (False, "2026-01-31T11:59:56Z", 0),
        (True, "2026-01-31T12:05:00Z", 300),
        (False, "2026-01-31T12:04:50Z", 300),
        (True, "2026-01-31T11:55:00Z", -300),
        # A clock that is off by years is none; then a minute is allowed as without one.
        (True, "2026-01-31T11:59:10Z", 10**9),
        (True, "2026-01-31T11:59:10Z", -(10**9)),
    ],
)
def test_the_providers_own_clock_tells_what_is_older(is_found: bool, at: str, ahead_s: int) -> None:
    """Where the answer carries the provider's time, seconds decide instead of a minute."""
    assert is_found == bool(history(shown(at=at), date=LATER + ahead_s * SECOND).uuids)


@pytest.mark.parametrize("date", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_no_date_is_too_far_away(date: datetime) -> None:
    """A Date header at the end of the calendar raises nothing."""
    assert ("MSG1",) == history(shown(), date=date).uuids


@pytest.mark.parametrize(
    ("is_found", "known", "entry"),
    [
        (True, TEXT, shown(text="Hello")),
        (False, TEXT, shown(text="Hello ")),
        (False, TEXT, shown(text=None)),
        (False, TEXT, shown(text=5)),
        (False, TEXT, shown(media={"url": "https://cdn.example.com/1.png"})),
        (True, PICTURED, shown(text="", media={"url": "https://cdn.example.com/1.png"})),
        (True, PICTURED, shown(text=None, media={"url": PICTURE})),
        (False, PICTURED, shown(text="")),
        (False, PICTURED, shown(text="Hello", media={"url": PICTURE})),
        (True, PINNED, shown(text="")),
        (True, PINNED, shown(text=None, pin={"latitude": "52.5200000", "longitude": "13.4050000"})),
        (True, PINNED, shown(text="", pin={"latitude": 52.52, "longitude": 13.405})),
        (False, PINNED, shown(text="", pin={"latitude": "52.53", "longitude": "13.405"})),
        (True, PINNED, shown(text="", pin={"latitude": "here", "longitude": None})),
        (True, PINNED, shown(text="", pin={})),
        (False, PINNED, shown(text="Hello")),
        (False, TEXT, shown(pin={"latitude": "52.52", "longitude": "13.405"})),
    ],
)
def test_the_content_must_be_the_same(is_found: bool, known: Work, entry: dict[str, Any]) -> None:
    """The same words, a file or none (the provider may keep it under its own address), the same place or none shown."""
    assert is_found == bool(history(entry, known=known).uuids)


@pytest.mark.parametrize("entry", [None, 5, "MSG1", [], {}, {"uuid": "MSG1"}, {"uuid": "MSG1", "message": "Hello"}])
def test_what_is_no_message_is_passed_over(entry: Any) -> None:
    """The rest of the page counts."""
    assert ("MSG2",) == history(entry, shown("MSG2")).uuids


@pytest.mark.parametrize(
    ("uuids", "ids"),
    [
        (("MSG1",), {"uuid": None, "id": "MSG1"}),
        (("MSG1",), {"uuid": "MSG1", "id": 5}),
        ((), {"uuid": 5, "id": None}),
        ((), {"uuid": "\ud83d", "id": "../x"}),
        ((), {"uuid": "M" * 101, "id": ""}),
    ],
)
def test_a_message_without_a_usable_id_is_not_taken(uuids: tuple[str, ...], ids: dict[str, Any]) -> None:
    """It could not be told from the next one like it."""
    assert uuids == history(shown() | ids).uuids


@pytest.mark.parametrize(("known", "size"), [(TEXT, 100), (TO_GROUP, 50)])
def test_a_full_page_without_it_decides_nothing(known: Work, size: int) -> None:
    """It may stand on the next page; a person decides."""
    page = [shown(f"MSG{place}", text="Other") for place in range(size)]
    verdict = history(*page, known=known)
    assert ("finish", "held") == (verdict.verb, verdict.outcome)
    assert "looked" == history(*page[1:], known=known).verb
    old = [entry | {"created_at": "2026-01-31T10:00:00Z"} for entry in page]
    assert ("looked", "") == (history(*old, known=known).verb, history(*old, known=known).outcome)


def test_a_full_page_of_others_messages_decides_nothing_either() -> None:
    """All that is found may be of other operations; absence then proves nothing."""
    page = [shown(f"MSG{place}") for place in range(100)]
    assert ("looked", "held", 100) == ((found := history(*page)).verb, found.outcome, len(found.uuids))
    assert ("looked", "", 99) == ((found := history(*page[1:])).verb, found.outcome, len(found.uuids))


# -- groups ---------------------------------------------------------------------------------------------------------------


def test_a_group_that_is_there_was_made() -> None:
    """Found by its name, with a result that the next call can go on from."""
    verdict = groups(a_group("WAG2", "Team B"), a_group())
    kept = {"calls": 1, "group_uuid": GROUP, "made_us": NOON_US}
    assert ("looked", (GROUP,), (compact(kept),), "") == (verdict.verb, verdict.uuids, verdict.results, verdict.more)


def test_a_group_with_more_participants_goes_on() -> None:
    """The others are added to the group that was found."""
    assert "1" == groups(a_group(), known=CREATING_MANY).more


@pytest.mark.parametrize(
    "entry", [a_group(wa_subject=None), a_group(wa_group_name=None), a_group(wa_subject="Old name")]
)
def test_a_group_has_its_name_in_one_of_two_fields(entry: dict[str, Any]) -> None:
    """Either tells it."""
    assert (GROUP,) == groups(entry).uuids


@pytest.mark.parametrize(
    "entry",
    [
        a_group(name="Team B"),
        a_group(at="2026-01-31 11:00:00"),
        a_group(at=None, wa_created_at="2026-01-31T11:00:00Z"),
        a_group(uuid="../x"),
        None,
        [],
    ],
)
def test_a_group_that_is_not_there_decides_nothing(entry: Any) -> None:
    """A new group shows minutes late, so it is never made again; a person decides at last."""
    verdict = groups(entry)
    assert ("looked", "held", ()) == (verdict.verb, verdict.outcome, verdict.uuids)
    assert "appear late" in verdict.words


def test_each_group_has_its_own_result() -> None:
    """Two of one name: each operation takes one."""
    verdict = groups(a_group("WAG2"), a_group("WAG1"))
    assert ("WAG2", "WAG1") == verdict.uuids
    assert ["WAG2", "WAG1"] == [json.loads(text)["group_uuid"] for text in verdict.results]


# -- look-ups that fail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "known"), [("", TEXT), ("", TO_GROUP), ("held", CREATING)])
def test_a_conversation_that_is_not_there_holds_nothing(outcome: str, known: Work) -> None:
    """404: nothing was ever said there. Of a group it decides nothing."""
    found = found_out(known, Answer(Meaning.REJECTED, "404", "no such"), NOON_US, LATER_US, Random(1))
    assert found is not None
    assert ("looked", outcome, (), "404") == (found.verb, found.outcome, found.uuids, found.code)


@pytest.mark.parametrize("known", [TEXT, CREATING])
@pytest.mark.parametrize("code", ["400", "406", "422", "200", "302"])
def test_a_look_up_that_is_refused_leaves_it_to_a_person(code: str, known: Work) -> None:
    """Asking again would be refused again."""
    found = found_out(known, Answer(Meaning.REJECTED, code, "why"), NOON_US, LATER_US, Random(1))
    assert found is not None
    assert ("finish", "held", code) == (found.verb, found.outcome, found.code)
    assert "why" in found.words


@pytest.mark.parametrize(
    "meaning", [Meaning.THROTTLED, Meaning.SENDER_BUSY, Meaning.BAD_KEY, Meaning.UNPAID, Meaning.NOT_SENT]
)
def test_what_is_said_of_the_account_or_sender_means_the_same_of_a_look_up(meaning: Meaning) -> None:
    """Pauses and suspensions are decided as for any call."""
    assert found_out(TEXT, Answer(meaning, "429"), NOON_US, LATER_US, Random(1)) is None


@pytest.mark.parametrize("known", [TEXT, CREATING])
@pytest.mark.parametrize("meaning", [Meaning.OVERLOADED, Meaning.UNKNOWN])
def test_a_look_up_that_fails_is_tried_again(meaning: Meaning, known: Work) -> None:
    """A look-up changes nothing, so it may be repeated; no attempt is spent."""
    for seed in range(100):
        found = found_out(known, Answer(meaning, "timeout", ""), NOON_US, LATER_US, Random(seed))
        assert found is not None
        assert ("wait", "lookup", "timeout") == (found.verb, found.reason, found.code)
        assert 2 <= found.delay_s <= 32
        assert "timeout" in found.words


@pytest.mark.parametrize("known", [TEXT, CREATING])
@pytest.mark.parametrize(
    "value", [None, {}, {"messages": None}, {"messages": {}, "data": "x"}, {"messages": 5, "data": {}}]
)
def test_an_answer_without_a_list_leaves_it_to_a_person(value: Any, known: Work) -> None:
    """Neither found nor absent can be told from it."""
    verdict = decided(known, value)
    assert ("finish", "held") == (verdict.verb, verdict.outcome)


# -- whatever the answer --------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([*shown(media={}, pin={}), *a_group(), "text", "url", "latitude", "longitude", "wa_created_at"])
VALUES = st.sampled_from(
    ["api", "Hello", "Team A", AT_NOON, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", ""]
)
SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | VALUES
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)
ENTRIES = st.dictionaries(NAMES, JSON, max_size=8) | JSON
PAGES = st.lists(ENTRIES | st.builds(lambda more: shown() | more, st.dictionaries(NAMES, JSON, max_size=2)), max_size=4)
BODIES = (
    st.fixed_dictionaries({}, optional={"messages": PAGES | JSON, "data": PAGES | JSON, "success": JSON}) | st.none()
)
DATES = st.none() | st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize("known", [TEXT, TO_GROUP, PICTURED, PINNED, CREATING, CREATING_MANY])
@given(value=BODIES, date=DATES)
def test_nonsense_is_decided_too(known: Work, value: Any, date: datetime | None) -> None:
    """Whatever comes back, there is a verdict whose handles can be stored and put into addresses."""
    verdict = decided(known, value, date)
    assert verdict.verb in {"looked", "finish"}
    assert verdict.verb == "looked" or verdict.outcome == "held"
    assert len(verdict.results) in {0, len(verdict.uuids)}
    assert all(uuid.isascii() and "/" not in uuid for uuid in verdict.uuids)


def test_a_deep_nest_is_no_time() -> None:
    """A value that cannot be written out is passed over like any other that is no text."""
    nest: Any = []
    for _ in range(5000):
        nest = [nest]
    assert ("MSG1",) == history(shown(at=nest)).uuids
    assert () == history(shown(text=nest)).uuids


# -- whether the history is fresh -----------------------------------------------------------------------------------------

AFTER_THE_CALL = "2026-01-31T12:00:20Z"  # later than the deadline of 15 s, and than what two clocks may differ by


def in_phase(phase: str, *messages: Any, known: Work = TEXT, date: datetime | None = LATER) -> str:
    value = {"success": True, "messages": list(messages)}
    found = found_out(known, answer(value, date), NOON_US, LATER_US, Random(1), phase)
    assert found is not None
    return found.outcome


def test_the_canary_is_looked_for_among_all_messages_of_the_sender() -> None:
    """Nothing goes to the same recipient while the outcome is unknown, so the conversation holds no canary."""
    assert f"/whatsapp/messages/{SENDER}" == lookup_for(TEXT, CANARY).path
    assert f"/whatsapp/groups/messages/{GROUP}" == lookup_for(TO_GROUP, CANARY).path


@pytest.mark.parametrize(
    ("outcome", "canary", "date"),
    [
        (FRESH, shown(text="Other", at=AFTER_THE_CALL), LATER),
        (FRESH, shown(text="Other", at="2026-01-31T12:02:30Z"), None),
        (STALE, shown(text="Other", at=AFTER_THE_CALL), None),
        (STALE, shown(text="Other", at="2026-01-31T12:00:18Z"), LATER),
        (STALE, shown(text="Other", at=AFTER_THE_CALL, sent_by="user"), LATER),
        (STALE, shown(text="Other", at=AFTER_THE_CALL, is_from_api=False), LATER),
        (STALE, shown(text="Other", at="soon"), LATER),
        (STALE, shown(text="Other", at=None), LATER),
    ],
    ids=["20 s", "no date 150 s", "no date 20 s", "18 s", "inbound", "by hand", "no time", "none"],
)
def test_only_a_message_of_ours_that_is_certainly_younger_than_the_call_shows_a_fresh_history(
    outcome: str, canary: Any, date: datetime | None
) -> None:
    """The call may have taken effect until its deadline, and without a Date the clocks may differ by a minute."""
    assert outcome == in_phase(CANARY, canary, shown(text="Older", at=AT_NOON), date=date)


@pytest.mark.parametrize(
    ("outcome", "messages"),
    [("", [shown(text="Other", at=AFTER_THE_CALL)]), (STALE, [shown(text="Other", at=AT_NOON)]), (STALE, [])],
    ids=["fresh", "old", "empty"],
)
def test_a_groups_history_shows_both_at_once(outcome: str, messages: list[Any]) -> None:
    """A later message of ours to the group proves, in the same answer, that this one is not there."""
    assert outcome == in_phase(CANARY, *messages, known=TO_GROUP)


@pytest.mark.parametrize(("outcome", "phase"), [("", PROOF), ("held", LAST)])
def test_absence_is_proof_after_a_canary_and_nothing_without(outcome: str, phase: str) -> None:
    """What was never seen fresh is left to a person in the end."""
    assert outcome == in_phase(phase, shown(text="Other"))


def test_a_sender_without_any_history_shows_no_canary() -> None:
    """404: nothing was ever said, as far as that history knows."""
    found = found_out(TEXT, Answer(Meaning.REJECTED, "404", "none"), NOON_US, LATER_US, Random(1), CANARY)
    assert found is not None
    assert STALE == found.outcome


@pytest.mark.parametrize("phase", ["l1", CANARY, PROOF, LAST])
@pytest.mark.parametrize("messages", [[], [shown()], [shown(at="2026-01-31T12:20:00Z", text="Other")]])
def test_a_history_shows_nothing_when_the_servers_clock_was_set_after_the_call(phase: str, messages: list[Any]) -> None:
    """The slot is a time of the clock of before: a message of before the call would look younger than the call."""
    known = answer({"success": True, "messages": messages}, LATER)
    found = found_out(TEXT, known, NOON_US, LATER_US, Random(1), phase, clock_was_set=True)
    assert found is not None
    assert ("finish", "held") == (found.verb, found.outcome)
    assert "clock was set" in found.words
