import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client

CONNECTION_LOST = (httpx.RemoteProtocolError, httpx.ReadError)


def fault(text: str) -> str:
    return QUIET + UNLIMITED + "[[faults]]\n" + text


def last(client: Client) -> dict[str, object]:
    return client.sandbox.arrivals()[-1]


def test_a_message_is_accepted_under_an_id(client: Client) -> None:
    """A valid message is answered 202 with a fresh message id, in JSON."""
    first, second = client.send(), client.send()
    assert first.status_code == 202
    assert first.headers["content-type"].startswith("application/json")
    assert {"success": True, "message_uuid": first.json()["message_uuid"], "batched": True} == first.json()
    assert re.fullmatch(r"MSG[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first.json()["message_uuid"])
    assert first.json()["message_uuid"] != second.json()["message_uuid"]


def test_acceptance_may_be_a_200(client: Client) -> None:
    """send_status chooses between the two codes that sources disagree about."""
    client.use("send_status = 200\nlatency_ms = 0\n" + UNLIMITED)
    assert client.send().status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "envelope"),
    [
        ({"to_group_uuid": "WAG1"}, 400, "error_message"),
        ({"to_number": "nobody"}, 422, "error_message"),
        ({"from_number": None}, 422, "detail"),
    ],
)
def test_a_bad_message_is_refused(client: Client, fields: dict[str, Any], status: int, envelope: str) -> None:
    """Bad messages meet 400 and 422 in both envelopes and take no effect."""
    response = client.send(**fields)
    assert status == response.status_code
    assert envelope in response.json()
    assert client.sandbox.report()["keys"]["key"]["accepted"] == 0


def test_a_body_that_is_no_json_is_recorded_as_text(client: Client) -> None:
    """A body that is not JSON is answered 400 and shown as it came."""
    response = client.http.post("/open/whatsapp/send-message", content=b"{oops", headers={"X-User-API-Key": "key"})
    assert response.status_code == 400
    assert last(client)["body"] == "{oops"


def test_a_body_beyond_all_measure_is_a_413(client: Client) -> None:
    """A body of several megabytes is answered 413."""
    assert client.send(text="x" * 3_000_000).status_code == 413


def test_a_missing_key_is_a_403_or_a_401(client: Client) -> None:
    """Without a key the gateway answers 403 as measured, or 401 as documented."""
    response = client.send(key=None)
    assert (response.status_code, response.json()) == (403, {"detail": "Not authenticated"})
    client.use("missing_key_status = 401")
    assert client.send(key=None).status_code == 401
    assert last(client)["key"] is None


def test_a_wrong_key_is_a_401(client: Client) -> None:
    """With accept_unknown_keys off only declared keys work."""
    client.use('accept_unknown_keys = false\nlatency_ms = 0\n[[keys]]\nkey = "right"')
    response = client.send(key="wrong")
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid API Key"})
    assert client.send(key="right").status_code == 202
    assert client.get("/open/info", key="wrong").status_code == 401


@pytest.mark.parametrize(
    ("settings", "status"),
    [("blocked = true", 403), ("expires_at = 2020-01-01T00:00:00Z", 402), ("credits = 0", 402)],
)
def test_an_account_in_bad_standing_may_only_ask_why(client: Client, settings: str, status: int) -> None:
    """A blocked, expired or unpaid account is refused, and /info still answers."""
    client.use(QUIET + f"[defaults]\nlimits = []\n{settings}")
    assert client.codes(1) == [status]
    assert client.get("/open/info").status_code == 200


def test_credits_run_out_and_can_be_topped_up(client: Client) -> None:
    """Each call costs a credit; after the last one 402, until the scenario allows more."""
    client.use(QUIET + "[defaults]\nlimits = []\ncredits = 2")
    assert client.codes(3) == [202, 202, 402]
    client.use(QUIET + "[defaults]\nlimits = []\ncredits = 3")
    assert client.codes(2) == [202, 402]


def test_info_tells_limits_and_usage(client: Client) -> None:
    """/info reflects the key's settings and what it has used, under both paths."""
    client.use(
        QUIET + '[[keys]]\nkey = "paid"\nname = "Acme"\nlimits = ["80/minute", "1000/day"]\ncredits = 500\n'
        "on_trial = false\nexpires_at = 2040-02-05T10:00:00Z\n"
    )
    client.send(key="paid")
    info = client.get("/open/info", key="paid").json()
    assert info["success"] is True
    assert info["account"]["name"].startswith("Acme (ACC")
    assert info["account"]["uuid"].startswith("ACC")
    assert (info["account"]["on_trial"], info["account"]["blocked"]) == (False, False)
    assert info["account"]["expires_at"] == "2040-02-05T10:00:00Z"
    assert info["limits"] == {"requests_per_minute": 80}
    assert info["usage"]["api_request_count"] == 1
    assert info["usage"]["max_api_request_count"] == 500
    assert info == client.get("/info", key="paid").json()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("limits = []", 1_000_000),
        ('limits = ["2/s"]', 120),
        ('limits = ["1440/day"]', 1),
        ('limits = ["10/minute"]\nreported_per_minute = 30', 30),
    ],
)
def test_info_tells_any_limit_per_minute(client: Client, settings: str, told: int) -> None:
    """The limit in /info is per minute whatever the scenario says, and may be made to differ."""
    client.use(QUIET + "[defaults]\n" + settings)
    assert told == client.get("/info").json()["limits"]["requests_per_minute"]


def test_a_ping_needs_no_key_and_leaves_no_trace(client: Client) -> None:
    """A ping is answered without a key and is not an arrival."""
    assert client.get("/ping", key=None).status_code == 200
    assert client.sandbox.arrivals() == []


def test_what_does_not_exist_is_a_404(client: Client) -> None:
    """Unknown paths and methods of the API are refused and recorded."""
    assert client.get("/open/telegram/send").status_code == 404
    assert client.get("/open/whatsapp/send-message").status_code == 405
    assert [arrival["status"] for arrival in client.sandbox.arrivals()] == [404, 405]


def test_too_many_requests_are_a_429_and_a_violation(client: Client) -> None:
    """A request over the limit is refused without a Retry-After, recorded as violation, and takes no effect."""
    client.use(QUIET + '[defaults]\nlimits = ["2/hour"]')
    assert client.codes(3) == [202, 202, 429]
    assert "retry-after" not in client.send().headers
    arrival = last(client)
    assert (arrival["violation"], arrival["injected"], arrival["accepted"]) == (True, False, False)
    assert client.sandbox.report()["keys"]["key"]["violations"] == 2


@pytest.mark.parametrize("algorithm", ["sliding_log", "fixed_window", "spacing", "bucket"])
def test_every_algorithm_limits_a_burst(client: Client, algorithm: str) -> None:
    """Each algorithm refuses what exceeds its burst: one for spacing, N for the others."""
    client.use(QUIET + f'[defaults]\nlimits = ["3/day"]\nalgorithm = "{algorithm}"')
    served = 1 if algorithm == "spacing" else 3
    assert [202] * served + [429] * (5 - served) == client.codes(5)


def test_retry_after_comes_in_both_forms(client: Client) -> None:
    """retry_after makes the 429 tell how long to wait, in seconds or as a date."""
    client.use(QUIET + 'retry_after = "seconds"\n[defaults]\nlimits = ["1/hour"]')
    client.send()
    assert 3000 < int(client.send().headers["retry-after"]) <= 3600
    client.use(QUIET + 'retry_after = "date"\n[defaults]\nlimits = ["1/hour"]')
    assert 3000 < parsedate_to_datetime(client.send().headers["retry-after"]).timestamp() - time.time() < 3660


def test_an_unenforced_limit_only_records(client: Client) -> None:
    """With enforce off everything passes, and the violations are counted all the same."""
    client.use(QUIET + 'enforce = false\n[defaults]\nlimits = ["1/hour"]')
    assert client.codes(3) == [202, 202, 202]
    assert [arrival["violation"] for arrival in client.sandbox.arrivals()] == [False, True, True]


def test_each_key_has_its_own_limit(client: Client) -> None:
    """Keys do not take from each other."""
    client.use(QUIET + '[defaults]\nlimits = ["1/hour"]\n[[keys]]\nkey = "big"\nlimits = ["3/hour"]')
    assert client.codes(2, key="a") == [202, 429]
    assert client.codes(2, key="b") == [202, 429]
    assert client.codes(4, key="big") == [202, 202, 202, 429]


def test_reading_info_counts_unless_switched_off(client: Client) -> None:
    """/info takes from the limit like any call; count_info = false makes it free."""
    client.use(QUIET + '[defaults]\nlimits = ["1/hour"]')
    assert client.get("/info").status_code == 200
    assert client.codes(1) == [429]
    client.sandbox.reset()
    client.use(QUIET + 'count_info = false\n[defaults]\nlimits = ["1/hour"]')
    assert client.get("/info").status_code == 200
    assert client.codes(1) == [202]


@pytest.mark.parametrize(
    ("state", "status"), [("booting", 409), ("connecting", 410), ("busy", 486), ("missing", 404), ("unsupported", 406)]
)
def test_a_number_in_trouble_turns_messages_away(client: Client, state: str, status: int) -> None:
    """A number's state has its own code, until its requests are over; other numbers are not concerned."""
    client.use(QUIET + UNLIMITED + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "{state}"\nuntil_request = 2')
    assert client.send(from_number="+15550100009").status_code == 202
    assert [status, status, 202] == client.codes(3)
    assert [arrival["accepted"] for arrival in client.sandbox.arrivals()] == [True, False, False, True]


def test_a_number_in_trouble_for_ever(client: Client) -> None:
    """A state without an end lasts; one whose time is over does not."""
    client.use(QUIET + UNLIMITED + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "booting"')
    assert client.codes(3) == [409] * 3
    client.use(QUIET + UNLIMITED + f'[[numbers]]\nnumber = "{SENDER}"\nstate = "booting"\nfor_seconds = 0')
    assert client.codes(1) == [202]


def test_a_number_rests_after_each_message(client: Client) -> None:
    """busy_seconds makes the number answer 486 after each message; the other number is free."""
    client.use("latency_ms = 0\nbusy_seconds = 600\n" + UNLIMITED)
    assert client.codes(2) == [202, 486]
    assert client.send(from_number="+15550100009").status_code == 202


def test_a_rest_may_belong_to_one_number(client: Client) -> None:
    """busy_seconds of one number overrides the general one."""
    client.use(QUIET + UNLIMITED + f'[[numbers]]\nnumber = "{SENDER}"\nbusy_seconds = 600')
    assert client.codes(2) == [202, 486]
    assert [client.send(from_number="+15550100009").status_code for _ in range(2)] == [202, 202]


def test_a_number_that_works_one_by_one_is_free_again_when_it_has_answered(client: Client) -> None:
    """Whoever waits for each answer never meets a busy number, with latency and jitter."""
    client.use("latency_ms = 2\nlatency_jitter_ms = 3\ntransit_ms = 1\ntransit_jitter_ms = 1\n" + UNLIMITED)
    assert client.codes(20) == [202] * 20


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 406, 409, 410, 422, 429, 486, 500, 502, 503, 504])
def test_every_answer_can_be_injected(client: Client, status: int) -> None:
    """A fault answers with any code and a text, takes no effect, and is no violation of the sender's."""
    client.use(fault(f'kind = "answer"\nstatus = {status}\nfrom_request = 2\ncount = 1'))
    assert [202, status, 202] == client.codes(3)
    arrival = client.sandbox.arrivals()[1]
    assert (arrival["injected"], arrival["violation"], arrival["accepted"]) == (True, False, False)
    assert arrival["fault"] == "answer"
    report = client.sandbox.report()["keys"]["key"]
    assert (report["accepted"], report["violations"]) == (2, 0)


def test_an_injected_answer_has_the_words_and_the_header_asked_for(client: Client) -> None:
    """The message and retry_after of a fault appear in its answer."""
    client.use(fault('kind = "answer"\nstatus = 429\nretry_after = 7\nmessage = "calm down"'))
    response = client.send()
    assert response.headers["retry-after"] == "7"
    assert response.json()["error_message"] == "calm down"


@pytest.mark.parametrize("status", [500, 503, 504])
def test_a_message_may_be_accepted_and_denied(client: Client, status: int) -> None:
    """answer_after_accepting takes the message and answers with an error."""
    client.use(fault(f'kind = "answer_after_accepting"\nstatus = {status}'))
    assert status == client.send().status_code
    arrival = last(client)
    assert (status, True, True) == (arrival["status"], arrival["accepted"], arrival["injected"])
    assert len(client.get(f"/open/whatsapp/messages/{SENDER}/{RECIPIENT}").json()["messages"]) == 1


def test_a_refused_message_is_not_spoilt_further(client: Client) -> None:
    """A fault after accepting leaves the answer to a bad message alone."""
    client.use(fault('kind = "answer_after_accepting"\nstatus = 503'))
    assert client.send(to_number="nobody").status_code == 422


@pytest.mark.parametrize(("kind", "accepted"), [("drop", False), ("drop_after_accepting", True)])
def test_a_connection_may_be_cut_before_or_after_accepting(client: Client, kind: str, accepted: bool) -> None:
    """A dropped call has no status; whether it took effect is in the log alone."""
    client.use(fault(f'kind = "{kind}"\ncount = 1'))
    with pytest.raises(CONNECTION_LOST):
        client.send()
    assert client.send().status_code == 202
    dropped = client.sandbox.arrivals()[0]
    assert (None, accepted, True) == (dropped["status"], dropped["accepted"], dropped["injected"])
    assert dropped["finished_us"] is not None
    assert client.sandbox.report()["keys"]["key"]["answers"] == {"202": 1, "dropped": 1}


@pytest.mark.parametrize("before", [True, False])
def test_an_answer_may_come_late(client: Client, before: bool) -> None:
    """A delay before or after accepting only costs time."""
    client.use(fault(f'kind = "delay"\nseconds = 0.05\nbefore = {str(before).lower()}'))
    assert client.send().status_code == 202
    arrivals = client.sandbox.arrivals()
    assert arrivals[0]["finished_us"] - arrivals[0]["at_us"] >= 50_000
    assert (arrivals[0]["accepted"], arrivals[0]["injected"]) == (True, True)


@pytest.mark.parametrize(("before", "accepted"), [(True, False), (False, True)])
def test_a_late_message_has_or_has_not_taken_effect_meanwhile(client: Client, before: bool, accepted: bool) -> None:
    """While the caller still waits, a message delayed after accepting is there, one delayed before is not."""
    client.use(fault(f'kind = "delay"\nseconds = 600\nbefore = {str(before).lower()}'))
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(
            "/open/whatsapp/send-message",
            json={"from_number": SENDER, "to_number": RECIPIENT, "text": "late"},
            headers={"X-User-API-Key": "key"},
            timeout=httpx.Timeout(5, read=0.2),
        )
    arrival = last(client)
    assert (accepted, None, None) == (arrival["accepted"], arrival["status"], arrival["finished_us"])


def test_a_success_may_be_a_failure(client: Client) -> None:
    """success_false answers 2xx with a failure in the body, and nothing takes effect."""
    client.use(fault('kind = "success_false"\nmessage = "no such contact"'))
    response = client.send()
    assert (response.status_code, response.json()["success"]) == (202, False)
    assert response.json()["error_message"] == "no such contact"
    assert last(client)["accepted"] is False


def test_faults_may_concern_reading(client: Client) -> None:
    """A fault on history or info leaves sending alone."""
    client.use(fault('kind = "answer"\nstatus = 503\non = "history"'))
    assert client.codes(1) == [202]
    assert client.get(f"/open/whatsapp/messages/{SENDER}").status_code == 503
    assert client.get("/info").status_code == 200


def test_a_key_that_is_no_text_is_a_key_nevertheless(client: Client) -> None:
    """Bytes in a key that are not UTF-8 harm neither the answers nor the report."""
    headers = {b"X-User-API-Key": b"caf\xe9"}
    message = {"from_number": SENDER, "to_number": RECIPIENT, "text": "lone \\ud83d surrogate"}
    client.use(fault('kind = "answer"\nstatus = 503\nprobability = 0.5\non = "history"'))
    raw = json.dumps(message).replace("\\\\", "\\").encode()
    assert client.http.post("/open/whatsapp/send-message", content=raw, headers=headers).status_code == 202
    assert client.http.get("/info", headers=headers).status_code == 200
    assert client.http.get(f"/open/whatsapp/messages/{SENDER}", headers=headers).status_code in {200, 503}
    assert list(client.sandbox.report()["keys"]) == ["caf?"]
    assert client.get("/", key=None).status_code == 200
