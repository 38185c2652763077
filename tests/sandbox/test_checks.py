from typing import Any

import httpx
import pytest

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

FREE = QUIET + UNLIMITED


def check(client: Client, target: str = RECIPIENT, sender: str = SENDER, **query: Any) -> httpx.Response:
    return client.get(f"/open/whatsapp/check-number/{sender}/{target}", **query)


def usage(client: Client) -> dict[str, int]:
    found: dict[str, int] = client.get("/info").json()["usage"]
    return found


def test_a_number_on_whatsapp_is_described(client: Client) -> None:
    """The answer has no success field and tells number and account."""
    response = check(client)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"is_valid", "on_whatsapp", "number", "whatsapp_info"}
    assert (body["is_valid"], body["on_whatsapp"]) == (True, True)
    assert set(body["number"]) == {"e164_format", "iso_country_code", "region", "carrier", "timezone"}
    assert (body["number"]["e164_format"], body["number"]["iso_country_code"]) == (RECIPIENT, "US")
    assert body["whatsapp_info"] == {"number_id": "15550100002@c.us"}


def test_an_invalid_number_is_only_invalid(client: Client) -> None:
    """What is no number is answered with that alone; a sender that is none is a 422."""
    assert check(client, "nonsense").json() == {"is_valid": False}
    assert check(client, sender="nonsense").status_code == 422


def test_numbers_may_be_absent_from_whatsapp(client: Client) -> None:
    """A pattern with status code 404 is not on WhatsApp, one with another code is."""
    client.use(
        FREE + '[[participants]]\npattern = "+1666*"\nstatus_code = 404\n'
        '[[participants]]\npattern = "+1777*"\nstatus_code = 403\n'
    )
    absent = check(client, "+16660000000").json()
    assert (absent["is_valid"], absent["on_whatsapp"]) == (True, False)
    assert "whatsapp_info" not in absent
    assert check(client, "+17770000000").json()["on_whatsapp"] is True


def test_extra_information_costs_two_credits(client: Client) -> None:
    """The plain check costs one credit, the extended one two; both cost one check."""
    check(client)
    assert "is_business" in check(client, **{"extra-information": "true"}).json()["whatsapp_info"]
    found = usage(client)
    assert (found["api_request_count"], found["number_check_count"]) == (3, 2)


@pytest.mark.parametrize("status", [402, 429])
def test_checks_run_out(client: Client, status: int) -> None:
    """The pool is the key's own; when it is empty the answer is 402 or 429, and messages still pass."""
    client.use(f"checks_used_up_status = {status}\n{FREE}number_checks = 2")
    assert [check(client).status_code for _ in range(3)] == [200, 200, status]
    assert client.codes(1) == [202]
    assert usage(client)["number_check_count"] == 2
    assert usage(client)["max_number_check_count"] == 2
    assert client.sandbox.report()["keys"]["key"]["violations"] == 0


def test_checks_count_towards_the_general_limit(client: Client) -> None:
    """Without limits of their own checks count like any call."""
    client.use(QUIET + '[defaults]\nlimits = ["1/hour"]')
    assert [check(client).status_code for _ in range(2)] == [200, 429]


def test_checks_may_have_limits_of_their_own_per_number(client: Client) -> None:
    """check_limits count each connected number by itself, and leave messages alone."""
    client.use(QUIET + '[defaults]\nlimits = ["1000/hour"]\ncheck_limits = ["2/hour"]')
    assert [check(client).status_code for _ in range(3)] == [200, 200, 429]
    assert client.sandbox.arrivals()[-1]["violation"] is True
    assert check(client, sender="+15550100009").status_code == 200
    assert client.codes(1) == [202]
    assert client.sandbox.report()["keys"]["key"]["violations"] == 1


def test_a_check_does_not_keep_the_number_busy(client: Client) -> None:
    """A check is a read: neither a busy number nor a resting one minds."""
    client.use("latency_ms = 0\nbusy_seconds = 600\n" + UNLIMITED)
    assert client.codes(1) == [202]
    assert check(client).status_code == 200
    assert check(client).status_code == 200


def test_a_body_that_nobody_asked_for_does_no_harm(client: Client) -> None:
    """A check with a body, JSON or not, is a check; deeply nested bodies are, too."""
    for content in (b"{oops", b"[" * 100_000, b"\xff"):
        path = f"/open/whatsapp/check-number/{SENDER}/{RECIPIENT}"
        headers = {"X-User-API-Key": "key"}
        assert client.http.request("GET", path, content=content, headers=headers).status_code == 200


def test_a_repeated_check_is_a_repeat(client: Client) -> None:
    """A check takes effect, for it is paid for; asking again is no duplicate."""
    check(client)
    check(client)
    report = client.sandbox.report()["keys"]["key"]
    assert (report["accepted"], report["duplicates"], report["repeats"]) == (2, 0, 1)
    assert client.sandbox.arrivals()[-1]["operation"] == "number.check"
