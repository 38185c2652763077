"""What people do in the console: campaigns, accounts, held operations, dead letters."""

import logging

import pytest

from paceline.status import history
from tests.console.conftest import EVERYTHING, RECIPIENT, SENDER, Console, Person

PEOPLE = b"to,name\n+15550200001,Ada\n+15550200002,Bob\n+15550200003,\n+15550200004,Dan\nnobody,Eve\n"
FORM = {"name": "spring", "account": "acme", "sender": SENDER, "template": "Hi {name}"}


@pytest.fixture
def person(console: Console) -> Person:
    """Somebody who may do everything."""
    return console.signed_in()


def test_a_file_is_shown_before_anything_is_written(console: Console, person: Person) -> None:
    """Three filled messages, bad rows with their reasons, cost and times."""
    answer = person.upload(PEOPLE, act="check", **FORM)
    assert 200 == answer.status_code, answer.text[-1500:]
    for words in ("Hi Ada", "Hi Bob", "Line 6:", "4 recipients", "name is empty for 1 recipient"):
        assert words in answer.text, words
    assert "Hi Dan" not in answer.text
    assert [] == console.outbox.list_campaigns()


def test_a_part_is_enough_for_htmx(person: Person) -> None:
    """The page stays, so its file stays chosen."""
    person.client.headers["HX-Request"] = "true"
    part = person.upload(PEOPLE, act="check", **FORM).text
    assert (False, True) == ("<html" in part, "Hi Ada" in part)
    started = person.upload(PEOPLE, act="start", **FORM)
    assert (204, "/console/campaigns/spring?said=started&n=4&bad=1") == (
        started.status_code,
        started.headers["HX-Redirect"],
    )


def test_a_campaign_is_started_paused_changed_resumed_and_cancelled(console: Console, person: Person) -> None:
    """Each step is seen in state and on the page."""
    answer = person.upload(PEOPLE, act="start", **FORM)
    assert "/console/campaigns/spring?said=started&n=4&bad=1" == answer.headers["location"]
    assert "started with 4 recipients; 1 bad rows" in person.page("/campaigns/spring", said="started", n="4", bad="1")
    console.worker.accept()
    assert "running" in person.page("/campaigns/spring")
    person.post("/campaigns/spring/pause", why="lunch")
    assert ("paused", "lunch") == _state(console)
    assert "lunch" in person.page("/campaigns/spring")
    person.post(
        "/campaigns/spring/change", rate="5/minute", window="Mon-Fri 09:00-18:00 UTC", weight="3", auto_pause="0"
    )
    campaign = console.worker.plain.campaign("spring")
    assert campaign
    assert ("5/minute", 3, 0) == (campaign.rate, campaign.weight, campaign.auto_pause)
    person.post("/campaigns/spring/change", rate="", window="")
    campaign = console.worker.plain.campaign("spring")
    assert campaign
    assert ("", "", 3) == (campaign.rate, campaign.window, campaign.weight)
    person.post("/campaigns/spring/resume")
    assert "running" == _state(console)[0]
    assert '<strong class="num">4</strong> messages are not sent' in person.page("/campaigns/spring/cancel")
    person.post("/campaigns/spring/cancel", why="wrong list")
    assert ("cancelling", "wrong list") == _state(console)
    answer = person.post("/campaigns/spring/resume")
    assert (409, True) == (answer.status_code, "was cancelled, which is final" in answer.text)


@pytest.mark.parametrize("name", ["spring", "new"])
def test_a_campaign_waits_for_approval(console: Console, person: Person, name: str) -> None:
    """Nothing leaves before; another person approves it, whatever its name is."""
    person.upload(PEOPLE, act="upload", **FORM | {"name": name})
    console.worker.accept()
    assert "waits for approval" in person.page(f"/campaigns/{name}")
    other = console.signed_in("read,campaigns")
    assert "Approve and start" in other.page(f"/campaigns/{name}")
    other.post(f"/campaigns/{name}/approve")
    assert "running" == _state(console, name)[0]


def test_a_campaign_from_which_nothing_has_left_is_deleted(console: Console, person: Person) -> None:
    """Its name becomes free."""
    person.upload(PEOPLE, act="upload", **FORM)
    console.worker.accept()
    assert 303 == person.post("/campaigns/spring/delete").status_code
    console.worker.attend()
    assert '/campaigns/spring"' not in person.page("/campaigns")


def test_a_test_message_goes_to_oneself(console: Console, person: Person) -> None:
    """The first message, filled; the campaign is not written."""
    answer = person.upload(PEOPLE, act="test", test_to="+15550100009", **FORM)
    assert "The test message is written" in answer.text
    console.worker.accept()
    [found] = console.outbox.find("+15550100009")
    assert ("acme", SENDER) == (found.account, found.sender)
    assert [] == console.outbox.list_campaigns()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"template": "Hi {nmae}"}, "nmae"),
        ({"template": "Hi {{name}}"}, "{{"),
        ({"sender": "123"}, "sender"),
        ({"rate": "fast"}, "is not a rate"),
        ({"window": "9-18"}, "window"),
        ({"valid_until": "tomorrow"}, "is not a time"),
        ({"weight": "heavy"}, "is not a whole number"),
        ({"to_column": "phone"}, "phone"),
        ({"name": "no spaces please"}, "name"),
        ({"account": ""}, "account"),
        ({"act": "test"}, "test_to: is empty"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    console: Console, person: Person, changed: dict[str, str], words: str
) -> None:
    """In a sentence; the form keeps what was typed."""
    answer = person.upload(PEOPLE, **{"act": "start", **FORM, **changed})
    assert (422, True) == (answer.status_code, words in answer.text), answer.text
    assert [] == console.outbox.list_campaigns()


@pytest.mark.parametrize(
    ("content", "name", "status", "words"),
    [
        (b"", "people.csv", 422, "recipients"),
        (b"phone\n+15550200001\n", "people.csv", 422, "to"),
        (b"\x1f\x8b" + b"\x00" * 50, "people.csv", 422, "gzip"),
        (b"to\n+15550200001\n", "people.exe", 422, "is not CSV"),
        (b"to\n" + b"+15550200001\n" * 100_000, "people.csv", 413, "more than"),
        (b"PK\x03\x04 nonsense", "people.xlsx", 422, "recipients"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    console: Console, person: Person, content: bytes, name: str, status: int, words: str
) -> None:
    """Too large, packed, of another kind, or without numbers."""
    answer = person.upload(content, name, act="start", **FORM)
    assert (status, True) == (answer.status_code, words in answer.text), answer.text
    assert [] == console.outbox.list_campaigns()


def test_an_account_is_suspended_and_resumed(console: Console, person: Person) -> None:
    """With the reason that everybody sees."""
    person.post("/accounts/acme/suspend", reason="number under review")
    assert "number under review" in person.page("/accounts/acme")
    assert 422 == person.post("/accounts/acme/suspend", reason="x" * 161).status_code
    person.post("/accounts/acme/resume")
    picture = console.worker.plain.account("acme")
    assert picture is not None
    assert picture.account.suspended is None


def test_held_operations_are_released_or_dropped(console: Console, person: Person) -> None:
    """One or many; what another person decided meanwhile stays."""
    ids = [console.settled("held", number) for number in range(2, 6)]
    text = person.page("/held")
    assert "+15550200002" in text
    assert 4 == text.count('name="id"')
    assert (
        "/console/held?said=released&n=1&kept=0" == person.post("/held", id=ids[0], act="release").headers["location"]
    )
    assert "waiting" == console.outbox.status(ids[0]).state
    answer = person.post("/held", id=ids[:2], act="drop", reason="seen in 2Chat")
    assert "/console/held?said=dropped&n=1&kept=1" == answer.headers["location"]
    assert "seen in 2Chat" in console.outbox.status(ids[1]).why
    assert 422 == person.post("/held", act="drop").status_code
    assert 422 == person.post("/held", id=ids[2], act="keep").status_code
    assert 404 == person.post("/held", id="01k0zxw5d3v8m2c7r4q9n6t1ea", act="drop").status_code
    assert "held" == console.outbox.status(ids[3]).state


def test_dead_letters_are_counted_before_they_are_replayed(console: Console, person: Person) -> None:
    """The marked ones, or all that match; without a confirmation nothing is sent."""
    ids = [console.settled("rejected", number) for number in range(2, 6)]
    counted = person.post("/dead/replay", id=ids[0])
    assert "Replay 1 message?" in counted.text
    assert "rejected" == console.outbox.status(ids[0]).state
    done = person.post("/dead/replay", id=ids[0], confirmed="yes")
    assert "/console/dead?said=replayed&n=1&kept=0" == done.headers["location"]
    assert "waiting" == console.outbox.status(ids[0]).state
    assert "Replay 3 messages?" in person.post("/dead/replay", all="yes", account="acme").text
    assert "Replay 0 messages?" in person.post("/dead/replay", all="yes", account="acme", code="404").text
    person.confirm(person.post("/dead/replay", all="yes", account="acme", code="422"))
    assert ["waiting"] * 4 == [console.outbox.status(op_id).state for op_id in ids]
    assert 422 == person.post("/dead/replay").status_code


@pytest.mark.parametrize("accounts", [("*",), ("acme", "other")])
def test_what_dies_after_the_count_stays_dead(console: Console, accounts: tuple[str, ...]) -> None:
    """Only what was counted is replayed, whichever accounts the person sees."""
    person = console.signed_in(EVERYTHING, *accounts)
    counted_id = console.settled("rejected", 2)
    counted = person.post("/dead/replay", all="yes")
    assert "Replay 1 message?" in counted.text
    later = [console.settled("rejected", 3), console.settled("rejected", 4, "other")]
    assert "/console/dead?said=replayed&n=1&kept=0" == person.confirm(counted).headers["location"]
    assert "waiting" == console.outbox.status(counted_id).state
    assert ["rejected"] * 2 == [console.outbox.status(op_id).state for op_id in later]


@pytest.mark.parametrize("before", [{}, {"before": ""}, {"before": "soon"}, {"before": "9" * 40}])
def test_a_confirmation_without_a_count_is_counted(console: Console, person: Person, before: dict[str, str]) -> None:
    """Nobody agreed to a number, so nothing is replayed."""
    op_id = console.settled("rejected")
    answer = person.post("/dead/replay", all="yes", confirmed="yes", **before)
    assert (200, True) == (answer.status_code, "Replay 1 message?" in answer.text)
    assert "rejected" == console.outbox.status(op_id).state


def test_a_waiting_message_is_cancelled(console: Console, person: Person) -> None:
    """With the name of who did it; too late is told."""
    op_id = console.send()
    assert 303 == person.post(f"/operations/{op_id}/cancel").status_code
    console.worker.attend()
    assert console.outbox.status(op_id).why.endswith("cancelled: by anna")
    done = console.settled("accepted", 3)
    assert 409 == person.post(f"/operations/{done}/cancel").status_code


def test_numbers_are_suppressed_and_taken_off(console: Console, person: Person) -> None:
    """On the list of an account or of all; looked up; wrong numbers are told; only with the scope, only what one may see."""
    assert "The list is empty" in person.page("/suppression")
    answer = person.post(
        "/suppression", account="acme", act="add", numbers="+15550200001, +15550200002", reason="asked"
    )
    assert "/console/suppression?said=suppressed&n=2" == answer.headers["location"]
    text = person.page("/suppression", 200, account="acme", number="+15550200002")
    assert (True, True) == ("+15550200001" in text, "is suppressed since" in text)
    assert "is not suppressed" in person.page("/suppression", 200, account="*", number="+15550200002")
    assert 'role="alert"' in person.page("/suppression", 200, account="acme", number="nobody")
    answer = person.post("/suppression", account="acme", act="remove", numbers="+15550200001")
    assert "/console/suppression?said=unsuppressed&n=1" == answer.headers["location"]
    for numbers in ("", "nobody", "+15550200001 " * 1001):
        assert 422 == person.post("/suppression", account="*", act="add", numbers=numbers).status_code
    other = console.signed_in("read,suppress", "other")
    assert "Choose a list" in other.page("/suppression")
    for account in ("acme", "*"):
        other.page("/suppression", 404, account=account)
        assert 404 == other.post("/suppression", account=account, act="add", numbers=RECIPIENT).status_code
    reader = console.signed_in("read")
    assert "+155••••••02" in reader.page("/suppression", 200, account="acme")
    assert 403 == reader.post("/suppression", account="acme", act="remove", numbers=RECIPIENT).status_code


def test_every_act_is_written_down(console: Console, person: Person, caplog: pytest.LogCaptureFixture) -> None:
    """Who, what, on what; never a number, a text or a token."""
    caplog.set_level(logging.INFO, "paceline.console.audit")
    token = console.token()
    console.app.post("/console/sign-in", data={"token": token})
    person.form_key = ""
    person.post("/accounts/acme/suspend", reason="a customer complained")
    person.post("/accounts/acme/resume")
    held, dead = console.settled("held"), console.settled("rejected", 3)
    person.post("/held", id=held, act="drop")
    person.post("/dead/replay", id=dead, confirmed="yes")
    person.upload(PEOPLE, act="start", **FORM)
    for verb in ("pause", "resume", "cancel"):
        person.post(f"/campaigns/spring/{verb}")
    person.post("/sign-out")
    lines = [record.getMessage() for record in caplog.records if record.name == "paceline.console.audit"]
    assert ["sign-in by anna", "accounts suspend acme by anna"] == lines[:2]
    acts = console.worker.plain.ask(history.reading("-", 100))
    assert [
        ("accounts suspend", "acme", "acme"),
        ("accounts resume", "acme", "acme"),
        ("held drop", held, "acme"),
        ("dead replay", "1 operations", ""),
        ("campaign start", "spring", "acme"),
        ("campaign pause", "spring", "acme"),
        ("campaign resume", "spring", "acme"),
        ("campaign cancel", "spring", "acme"),
    ] == [(act.what, act.on, act.account) for act in acts]
    assert {"console"} == {act.door for act in acts}
    assert all(act.who.startswith("token anna (") for act in acts)
    assert not any(secret in " ".join(lines) for secret in (token, RECIPIENT, "1555"))


def _state(console: Console, name: str = "spring") -> tuple[str, str | None]:
    progress = console.outbox.find_campaign(name).progress()
    return progress.state, progress.why
