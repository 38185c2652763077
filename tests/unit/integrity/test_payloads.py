"""Payloads at rest: what is encrypted, what is not, and what opens what."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.errors import ConfigurationError
from paceline.lua.fields import OPERATION
from paceline.state import questions
from paceline.state.envelopes import ENVELOPE, Envelope, Envelopes
from paceline_worker.integrity.payloads import CLOSED, Payloads, Unreadable

NUMBER, TEXT = "+15550100002", "canary text"
P = OPERATION.code("payload")


@pytest.fixture
def payloads() -> Payloads:
    return Payloads(os.urandom(32))


def record(**row: str) -> dict[str, Any]:
    return {
        "v": 1,
        "account": "acme",
        "sender": "+15550100001",
        "rows": [{"id": "x1", "to": NUMBER, P: '{"text": "hi"}', **row}],
    }


def begun(payloads: Payloads, **row: str) -> dict[str, Any]:
    """What begin.lua would say of the first row of a record."""
    body, _ = payloads.accepted("acme", json.dumps(record(**row)).encode())
    [stored] = json.loads(body)["rows"]
    return {"to": stored["to"], "payload": stored[P], "account": "acme"}


def test_what_workers_open_nobody_else_reads(payloads: Payloads) -> None:
    """An envelope holds neither number nor text, and no two are alike."""
    envelope = Envelope(payloads.public)
    text = json.dumps(record(**{P: json.dumps({"text": TEXT})}))
    first, second = (envelope.closed(text, questions.record_of("acme")) for _ in range(2))
    assert first != second
    assert first.startswith(ENVELOPE)
    body, numbers = payloads.accepted("acme", first.encode())
    assert NUMBER == numbers
    for secret in (NUMBER[1:], TEXT):
        assert secret not in first
        assert secret.encode() not in body
    [row] = json.loads(body)["rows"]
    clear = payloads.opened("x1", {"to": row["to"], "payload": row[P], "account": "acme"})
    assert (NUMBER, {"text": TEXT}) == (clear["to"], json.loads(clear["payload"]))


@pytest.mark.parametrize("broken", ["account", "key", "bytes", "cut", "no record"])
def test_an_envelope_is_opened_for_its_purpose_only(payloads: Payloads, broken: str) -> None:
    """Under another account, by another state, changed or cut: unreadable, and never half read."""
    text = Envelope(payloads.public).closed(
        "[1]" if broken == "no record" else json.dumps(record()), questions.record_of("acme")
    )
    other = Payloads(os.urandom(32)) if broken == "key" else payloads
    if broken == "bytes":
        text = text[:60] + ("A" if text[60] != "A" else "B") + text[61:]
    if broken == "cut":
        text = text[:50]
    with pytest.raises(Unreadable):
        other.accepted("bolt" if broken == "account" else "acme", text.encode())


@given(st.text(alphabet="0123456789", min_size=7, max_size=15))
def test_the_same_number_is_the_same_text(digits: str) -> None:
    """So order, caps and pools work; another state has another text, and the text fits what accept.lua takes for a target."""
    key = bytes(32)
    one, again, other = Payloads(key), Payloads(key), Payloads(b"x" * 32)
    closed = one.number(f"+{digits}")
    assert closed == again.number(f"+{digits}") != other.number(f"+{digits}")
    assert digits not in closed
    assert f"+{digits}" == one.opened_number(closed)
    assert len(closed) < 128
    assert set(closed[1:]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    with pytest.raises(Unreadable):
        other.opened_number(closed)


@pytest.mark.parametrize("target", ["WAG11111111-2222-4333-8444-555555555555", "01k0zxw5d3v8m2c7r4q9n6t1ea"])
def test_groups_and_operations_are_nobody(payloads: Payloads, target: str) -> None:
    """They stay as they are: claims and followers are found by them."""
    assert target == payloads.number(target) == payloads.opened_number(target)


@pytest.mark.parametrize(
    "target", ["+1\n+15550200132", "+1555/../../accounts?x=1", "+1555 0100002", "a@b/c", "+1\u0662"]
)
def test_a_recipient_of_another_form_is_left_out(payloads: Payloads, target: str) -> None:
    """So accept.lua refuses it, which sees no form of what is encrypted; and the lines of the numbers are those of the rows."""
    rows = [record(to=to)["rows"][0] for to in (target, NUMBER, "15550100002@c.us")]
    body, numbers = payloads.accepted("acme", json.dumps(record() | {"rows": rows}).encode())
    assert ["", NUMBER, "15550100002@c.us"] == numbers.split("\n")
    assert ["", NUMBER, "15550100002@c.us"] == [payloads.opened_number(row["to"]) for row in json.loads(body)["rows"]]


def test_a_payload_belongs_to_its_operation(payloads: Payloads) -> None:
    """Put into another one it is unreadable; a payload of before is taken as it is."""
    answer = begun(payloads)
    with pytest.raises(Unreadable):
        payloads.opened("x2", answer)
    plain = {"to": NUMBER, "payload": "{}", "account": "acme"}
    assert plain is payloads.opened("x1", plain)


def test_results_keep_what_scripts_need(payloads: Payloads) -> None:
    """Numbers, checks and recipients are encrypted; the group and the number of calls are not; nothing is added to nothing."""
    result = {
        "calls": 2,
        "refused": 1,
        "group_uuid": "WAG1",
        "numbers": {NUMBER: {"accepted": True}},
        "recipient": NUMBER,
    }
    closed = payloads.closed_result("x1", json.dumps(result))
    assert NUMBER[1:] not in closed
    assert {"calls": 2, "refused": 1, "group_uuid": "WAG1"} == {
        k: v for k, v in json.loads(closed).items() if k != "closed"
    }
    assert result == json.loads(payloads.opened_result("x1", closed))
    assert ('{"calls":1}', "") == (payloads.closed_result("x1", '{"calls":1}'), payloads.closed_result("x1", ""))
    answer = begun(payloads) | {
        "result": closed,
        "follows": "x1",
        "followed": {"uuid": "M1", "to": payloads.number(NUMBER), "result": closed},
    }
    clear = payloads.opened("x1", answer)
    assert (result, NUMBER, result) == (
        json.loads(clear["result"]),
        clear["followed"]["to"],
        json.loads(clear["followed"]["result"]),
    )


def test_a_template_is_opened_for_its_campaign(payloads: Payloads) -> None:
    """And for no other one."""
    closed = Envelope(payloads.public).closed('{"text": "Hi {0}"}', questions.template_of("spring"))
    answer = begun(payloads) | {"campaign": "spring", "template": closed}
    for _ in range(2):
        assert '{"text": "Hi {0}"}' == payloads.opened("x1", answer)["template"]
    with pytest.raises(Unreadable):
        payloads.template("summer", closed)


def test_digests_of_contents_are_keyed(payloads: Payloads) -> None:
    """Who guesses a content cannot check the guess; equal contents are still told to be equal."""
    digest = OPERATION.code("content_digest")

    def stored(of: Payloads) -> str:
        return str(
            json.loads(of.accepted("acme", json.dumps(record(**{digest: "0123456789abcdef"})).encode())[0])["rows"][0][
                digest
            ]
        )

    assert stored(payloads) == stored(payloads) != stored(Payloads(os.urandom(32)))
    assert stored(payloads).startswith("k")


@pytest.mark.parametrize(
    "body", [b"x", b"[]", b'{"rows": [1]}', b'{"rows": [{}]}', b'{"rows": 5}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_record_is_unreadable(payloads: Payloads, body: bytes) -> None:
    """And raises nothing else."""
    with pytest.raises(Unreadable):
        payloads.accepted("acme", body)


def test_nothing_shows_a_key(payloads: Payloads) -> None:
    """Nor what is encrypted with it."""
    assert "Payloads(redacted)" == repr(payloads)
    assert CLOSED == begun(payloads)["payload"][0]


def test_a_producer_knows_one_key(payloads: Payloads) -> None:
    """Its own setting wins over state, and what it read holds for a minute; no key and a damaged one are told."""
    now = [0.0]
    envelopes = Envelopes(clock=lambda: now[0])
    assert envelopes.current() is None
    learned = envelopes.learned(payloads.public)
    assert learned is envelopes.current()
    now[0] = 61.0
    assert envelopes.current() is None
    with pytest.raises(ConfigurationError, match="no public key"):
        envelopes.learned("")
    with pytest.raises(ConfigurationError, match="damaged"):
        envelopes.learned("pk1.short")
    pinned = Envelopes(payloads.public)
    now[0] = 1e9
    assert pinned.current() is not None
