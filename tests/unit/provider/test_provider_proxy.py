"""Calls of the provider through a proxy: which one, and what its refusals mean."""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest

from paceline.errors import ConfigurationError
from paceline_worker.provider.client import Provider
from paceline_worker.provider.proxy import proxy_for
from paceline_worker.provider.reach import reach
from paceline_worker.verdict.meaning import Answer, Meaning
from tests.unit.provider.provider_server import AMPLE_S, KEY, REQUEST, answering, listening, response, self_signed

NAMES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
HTTPS, HTTP = "https://api.example/open", "http://api.example/open"
OK = response(202, b'{"message_uuid": "MSG1"}')


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("expected", "base", "variables"),
    [
        (None, HTTPS, {}),
        ("http://proxy:3128", HTTPS, {"HTTPS_PROXY": "http://proxy:3128"}),
        ("http://proxy:3128", HTTPS, {"https_proxy": "proxy:3128"}),
        (None, HTTPS, {"HTTP_PROXY": "http://proxy:3128"}),
        ("http://proxy:3128", HTTP, {"HTTP_PROXY": "http://proxy:3128"}),
        ("http://proxy:3128", HTTP, {"ALL_PROXY": "http://proxy:3128"}),
        ("https://proxy", HTTPS, {"HTTPS_PROXY": "https://proxy", "ALL_PROXY": "http://other"}),
        (None, HTTPS, {"HTTPS_PROXY": ""}),
        (None, HTTPS, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "a.example, .example"}),
        (None, HTTPS, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}),
        ("http://proxy:3128", HTTPS, {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "ample"}),
        (None, "https://10.1.2.3/open", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"}),
        ("http://proxy:3128", "https://11.1.2.3/open", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"}),
        (None, "http://127.0.0.1:8080/open", {"HTTP_PROXY": "http://proxy:3128"}),
        (None, "http://localhost:8080/open", {"HTTP_PROXY": "http://proxy:3128"}),
        (None, "http://[::1]:8080/open", {"HTTP_PROXY": "http://proxy:3128"}),
    ],
)
def test_which_proxy(
    monkeypatch: pytest.MonkeyPatch, expected: str | None, base: str, variables: dict[str, str]
) -> None:
    """As curl reads the variables; calls to this machine go directly."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(base)
    assert expected == (proxy and str(proxy.url).rstrip("/"))


@pytest.mark.parametrize(
    "value", ["socks5://user:s3cret@proxy", "http://user:s3#cret@proxy:3128", "http://", "http://["]
)
def test_a_proxy_that_cannot_be_one_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """And no part of its password is shown."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY: must be an address such as ") as refused:
        proxy_for(HTTPS)
    assert "s3" not in str(refused.value)


def through(monkeypatch: pytest.MonkeyPatch, base: str, answer: bytes) -> tuple[Answer, str, bytes]:
    """One call, and one look for the way, through a proxy that gives this answer to all: answer, why there is no way, request."""
    requests: list[bytes] = []

    async def run() -> tuple[Answer, str, bytes]:
        async with listening(answering(answer, requests=requests)) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:s3cret@127.0.0.1:{port}")
            monkeypatch.setenv("HTTP_PROXY", f"http://user:s3cret@127.0.0.1:{port}")
            made = Provider(base, deadline_s=AMPLE_S, connections=1)
            try:
                found = await made.call(REQUEST, KEY)
                try:
                    await made.reach()
                except OSError as error:
                    return found, str(error), requests[0]
                return found, "", requests[0]
            finally:
                await made.close()

    return asyncio.run(run())


def test_a_plain_call_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is told the whole address, and who asks."""
    answer, why, request = through(monkeypatch, HTTP, OK)
    assert (Meaning.ACCEPTED, "") == (answer.meaning, why)
    assert request.startswith(b"POST http://api.example/open/whatsapp/send-message HTTP/1.1")
    assert re.search(rb"(?i)^proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r", request, re.MULTILINE)


@pytest.mark.parametrize(("base", "status"), [(HTTP, 407), (HTTPS, 407), (HTTPS, 403), (HTTPS, 502)])
def test_a_proxy_that_refuses_was_told_nothing(monkeypatch: pytest.MonkeyPatch, base: str, status: int) -> None:
    """Certain not to be sent; the words name the proxy's answer, and neither the password nor the key."""
    answer, why, request = through(monkeypatch, base, response(status, b"no"))
    assert (Meaning.NOT_SENT, "proxy") == (answer.meaning, answer.code)
    assert str(status) in answer.words
    assert str(status) in why or base == HTTP
    assert "s3cret" not in answer.words + why
    assert base == HTTP or b"POST" not in request


def test_a_look_for_the_way_sends_nothing() -> None:
    """A connection is made and closed; the provider sees no request."""
    requests: list[bytes] = []

    async def run() -> None:
        async with listening(answering(OK, requests=requests)) as port:
            await reach(f"http://127.0.0.1:{port}/open", None, timeout_s=AMPLE_S)

    asyncio.run(run())
    assert [] == requests


def test_a_look_for_the_way_minds_the_certificate(tmp_path: Path) -> None:
    """What a call would not trust is no way."""

    async def run() -> None:
        async with listening(answering(OK), self_signed(tmp_path)) as port:
            await reach(f"https://127.0.0.1:{port}/open", None, timeout_s=AMPLE_S)

    with pytest.raises(OSError, match=r"(?i)certificate"):
        asyncio.run(run())
