"""What a provider quotes of us does not leave the HTTP module: the key, numbers and texts, also in parts."""

import asyncio
import json
import random
from typing import Any

import pytest

from paceline.operations.requests import ProviderRequest
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.provider.client import Provider
from paceline_worker.provider.redaction import REMOVED, redactor, without_key
from tests.unit.provider.provider_server import AMPLE_S, answering, listening, response

KEY = "UAK-4f1c9e77-20ab-4d6e-9d53-canary7f3e55"
TO, SENDER = "+15559998877", "+15550100001"
TEXT = "Dear Ada Lovelace, your code is 493-201"
BODY = {"from_number": SENDER, "to_number": TO, "text": TEXT, "params": [{"value": "Äpfel für Zoë"}], "url": None}

# What the provider says -> what is left.
QUOTES = {
    f"Invalid API key '{KEY}'": f"Invalid API key '{REMOVED}'",
    f"Invalid API key {KEY.upper()}": f"Invalid API key {REMOVED}",
    f"key ...{KEY[-9:]} is expired": f"key ...{REMOVED} is expired",
    f"key {KEY[:8]}**** is expired": f"key {REMOVED}**** is expired",
    f"{KEY}{KEY}": REMOVED,
    f"number {TO} is bad": f"number {REMOVED} is bad",
    f"number {TO[1:]} is bad": f"number {REMOVED} is bad",
    "number +1 (555) 999-8877 is bad": f"number {REMOVED} is bad",
    "number 555.999.8877 is bad": f"number {REMOVED} is bad",
    "number +1555010#### is bad, 999-8877 too": f"number {REMOVED}#### is bad, {REMOVED} too",
    f"text {TEXT!r} has no template": f"text '{REMOVED}' has no template",
    f"text '{TEXT[:20]}...' is refused": f"text '{REMOVED}...' is refused",
    "äpfel für zoë": REMOVED,
    json.dumps(BODY): None,
    "": "",
    "rate limit exceeded (RATE_LIMIT)": "rate limit exceeded (RATE_LIMIT)",
    "try again at 2026-11-29 16:51:56, request 3fa2b1c0-1111": "try again at 2026-11-29 16:51:56, request 3fa2b1c0-1111",
    "to_number: value is not a valid phone number": "to_number: value is not a valid phone number",
}


def leaks(words: str) -> list[str]:
    """Parts of what is secret that a text still has."""
    lowered = words.lower()
    parts = [KEY[i : i + 8] for i in range(len(KEY) - 7)] + [TEXT[i : i + 12] for i in range(len(TEXT) - 11)]
    digits = "".join(filter(str.isdigit, words))
    return [part for part in parts if part.lower() in lowered] + [one for one in (TO[1:], SENDER[1:]) if one in digits]


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_quoted_is_taken_out(quote: str) -> None:
    """The rest of the words stays as it was."""
    found = redactor(KEY, "/whatsapp/send-message", {}, BODY)(quote)
    assert [] == leaks(found)
    if QUOTES[quote] is not None:
        assert QUOTES[quote] == found


def test_no_part_of_a_key_or_a_text_survives() -> None:
    """Any piece of eight characters or more, at any place, in any words."""
    chance, redact = random.Random(5), redactor(KEY, "", BODY)
    for _ in range(500):
        source = chance.choice([KEY, TEXT])
        start = chance.randrange(len(source) - 12)
        piece = source[start : start + chance.randrange(12, 40)]
        assert [] == leaks(redact(f"{'x' * chance.randrange(600)}<{piece}>{'y' * chance.randrange(600)}"))


def test_names_of_groups_and_messages_stay() -> None:
    """They say nothing of a person, and say which one is meant."""
    group = "WAG11111111-2222-4333-8444-555555555555"
    assert f"{group} is gone" == redactor(KEY, f"/whatsapp/group/{group}", {"to_group_uuid": group})(f"{group} is gone")


def test_a_key_is_taken_out_of_any_body() -> None:
    """Also where it would pass for an id, in an answer that says yes."""
    assert b'{"message_uuid":"[removed]"}' == without_key(
        json.dumps({"message_uuid": KEY}, separators=(",", ":")).encode(), KEY
    )
    assert b"{}" == without_key(b"{}", "")


@pytest.mark.parametrize("status", [200, 400, 401, 402, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("form", ["message", "detail", "plain"])
def test_a_provider_that_quotes_all_it_was_sent(status: int, form: str) -> None:
    """Whatever the answer means, whatever its form: none of the three is in what the HTTP module returns."""

    async def scene() -> Any:
        quote = f"refused: {KEY} {json.dumps(BODY)}"
        said: dict[str, Any] = {
            "message": {"success": False, "message": quote, "error_code": KEY},
            "detail": {"error": True, "detail": [{"loc": ["body", TO], "msg": quote}]},
            "plain": {},
        }[form]
        body = json.dumps(said).encode() if said else quote.encode()
        async with listening(answering(response(status, body))) as port:
            provider = Provider(f"http://127.0.0.1:{port}", deadline_s=AMPLE_S, connections=1)
            try:
                return await provider.call(
                    ProviderRequest("POST", "/whatsapp/send-message", BODY, "/whatsapp/send-message"), ApiKey(KEY)
                )
            finally:
                await provider.close()

    answer = asyncio.run(scene())
    assert [] == leaks(f"{answer.words} {answer.uuid} {answer.code}")


def test_what_was_read_is_compared_as_it_stands() -> None:
    """A conversation may hold a text in which the key stands; altered, it would look as if the message had never arrived."""

    async def scene() -> Any:
        body = json.dumps({"messages": [{"text": f"your key is {KEY}"}]}).encode()
        async with listening(answering(response(200, body))) as port:
            provider = Provider(f"http://127.0.0.1:{port}", deadline_s=AMPLE_S, connections=1)
            try:
                return await provider.call(
                    ProviderRequest("GET", "/whatsapp/messages/1/2", None, "/whatsapp/messages"), ApiKey(KEY)
                )
            finally:
                await provider.close()

    assert f"your key is {KEY}" == asyncio.run(scene()).value["messages"][0]["text"]
