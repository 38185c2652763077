import json

import httpx
import pytest

from paceline_sandbox.faults.magic import LATE_SECONDS, MAGIC_STATUSES, MagicNumbers, refused_participant
from paceline_sandbox.faults.scenario import Scenario, parse_toml
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

CONNECTION_LOST = (httpx.RemoteProtocolError, httpx.ReadError)


def to(client: Client, number: str) -> int:
    return client.send(to_number=number).status_code


@pytest.mark.parametrize("status", MAGIC_STATUSES)
def test_a_number_may_ask_for_an_answer(client: Client, status: int) -> None:
    """+15559990NNN is always answered NNN: injected, no violation, without effect."""
    number = f"+15559990{status}"
    assert [status, status] == [to(client, number), to(client, number)]
    arrival = client.sandbox.arrivals()[-1]
    assert (True, False, False) == (arrival["injected"], arrival["violation"], arrival["accepted"])


@pytest.mark.parametrize("status", MAGIC_STATUSES)
def test_a_number_may_ask_for_an_answer_once(client: Client, status: int) -> None:
    """+15559991NNN is answered NNN the first time, for each key, and accepted from then on."""
    number = f"+15559991{status}"
    assert [status, 202, 202] == [to(client, number) for _ in range(3)]
    assert [status, 202] == [client.send(key="other", to_number=number).status_code for _ in range(2)]


@pytest.mark.parametrize(("digit", "accepted"), [(1, False), (2, True)])
def test_a_number_may_cut_the_connection(client: Client, digit: int, accepted: bool) -> None:
    """+15559992001 is dropped before accepting, +15559992002 afterwards."""
    with pytest.raises(CONNECTION_LOST):
        to(client, f"+1555999200{digit}")
    assert accepted == client.sandbox.arrivals()[-1]["accepted"]


def test_a_number_may_be_answered_late() -> None:
    """+15559992003 takes effect at once and is answered a quarter of a minute later."""
    fault = MagicNumbers(Scenario()).choose("key", ("+15559992003",))
    assert fault is not None
    assert (fault.kind, fault.before, fault.seconds) == ("delay", False, LATE_SECONDS)
    assert LATE_SECONDS == 15


def test_a_number_may_be_answered_strangely(client: Client) -> None:
    """+15559992004 to 2007: a failure in a 2xx, a body that is no JSON, an HTML page, a success without an id."""
    failed, broken, page, nameless = (client.send(to_number=f"+1555999200{digit}") for digit in (4, 5, 6, 7))
    assert (failed.status_code, failed.json()["success"]) == (202, False)
    assert broken.status_code == 202
    with pytest.raises(json.JSONDecodeError):
        broken.json()
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "<html>" in page.text
    assert (nameless.status_code, nameless.json()) == (202, {"success": True, "batched": True})
    assert [False, True, False, True] == [arrival["accepted"] for arrival in client.sandbox.arrivals()]


def test_a_group_refuses_a_number_with_the_code_it_asks_for(client: Client) -> None:
    """+15559993NNN is refused as a participant with NNN, 403 with an invitation; messages to it pass."""
    private, absent = "+15559993403", "+15559993404"
    body = {"group": {"name": "x", "participants": [RECIPIENT, private, absent]}}
    group = client.write("/whatsapp/group/create", body).json()["group"]
    assert [one["statusCode"] for one in group["participants"].values()] == [200, 200, 403, 404]
    assert [one["isInviteV4Sent"] for one in group["participants"].values()] == [False, False, True, False]
    assert group["unaccepted_numbers"] == [private, absent]
    assert client.get(f"/open/whatsapp/check-number/{SENDER}/{absent}").json()["on_whatsapp"] is False
    assert to(client, private) == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/whatsapp/group/create", {"group": {"name": "x", "participants": [RECIPIENT, "+15559990503"]}}),
        ("/whatsapp/group/WAG1/add-participant", {"participants": [RECIPIENT, "+15559990503"]}),
        ("/whatsapp/group/WAG1/promote-participant", {"participants": ["15559990503"]}),
        ("/whatsapp/set-status/+15559990503", {"status": "x"}),
        ("/whatsapp/set-text-status/15559990503", {"text": "x"}),
        ("/waba/send-message", {"to_number": "+15559990503", "text": "x"}),
        ("/sms/send", {"to_number": "+15559990503", "text": "x"}),
    ],
)
def test_magic_works_for_every_write(client: Client, path: str, body: dict[str, object]) -> None:
    """A magic number works as recipient, participant or owner of a profile, with or without its plus."""
    assert client.write(path, body).status_code == 503
    assert client.sandbox.arrivals()[-1]["fault"] == "answer"


def test_magic_works_for_checks_and_not_for_reading(client: Client) -> None:
    """A number check is struck, a history is not."""
    assert client.get(f"/open/whatsapp/check-number/{SENDER}/+15559990429").status_code == 429
    assert client.get(f"/open/whatsapp/messages/{SENDER}/+15559990429").status_code == 200


def test_magic_can_be_switched_off(client: Client) -> None:
    """With magic = false these are numbers like any other."""
    client.use(f"magic = false\n{QUIET}{UNLIMITED}")
    assert [202, 202, 202] == [to(client, f"+1555999{tail}") for tail in ("0503", "1503", "2001")]
    body = {"group": {"name": "x", "participants": ["+15559993404"]}}
    assert client.write("/whatsapp/group/create", body).json()["group"]["unaccepted_numbers"] == []


def test_a_fault_of_the_scenario_comes_first(client: Client) -> None:
    """What the scenario says of a call counts more than its number."""
    client.use(f'{QUIET}{UNLIMITED}[[faults]]\nkind = "answer"\nstatus = 500\ncount = 1\n')
    assert [500, 503] == [to(client, "+15559990503") for _ in range(2)]


def test_what_happens_once_happens_again_under_a_new_scenario(client: Client) -> None:
    """A new scenario or a reset forgets which numbers were met."""
    assert [503, 202] == [to(client, "+15559991503") for _ in range(2)]
    client.use(QUIET + UNLIMITED)
    assert [503, 202] == [to(client, "+15559991503") for _ in range(2)]
    client.sandbox.reset()
    assert to(client, "+15559991503") == 503


@pytest.mark.parametrize(
    "number", ["+15559990200", "+15559990999", "+155599905030", "+1555999050", "+15559992000", "+15559994001", SENDER]
)
def test_other_numbers_are_not_magic(number: str) -> None:
    """A code that is not in the table, a number too long or too short, and ordinary numbers do nothing."""
    assert MagicNumbers(parse_toml("")).choose("key", (number,)) is None
    assert refused_participant(number) is None
