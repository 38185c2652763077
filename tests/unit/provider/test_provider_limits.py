"""The provider's HTTP client at its edges: full pools, slow and large bodies, broken encodings."""

import asyncio
import gzip

import pytest

from paceline_worker.verdict.meaning import Answer, Meaning
from tests.unit.provider.provider_server import (
    KEY,
    REQUEST,
    SHORT_S,
    answering,
    end_of,
    listening,
    provider,
    read_request,
    response,
    silent,
)

OK = response(202, b'{"success": true, "message_uuid": "MSG1"}')


def test_connections_are_used_again() -> None:
    """Two calls after each other share a connection."""
    connections: list[int] = []

    async def scenario() -> list[Answer]:
        async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(1)
            await answering(OK, OK)(reader, writer)

        async with listening(counted) as port, provider(port) as made:
            return [await made.call(REQUEST, KEY), await made.call(REQUEST, KEY)]

    answers = asyncio.run(scenario())
    assert ([Meaning.ACCEPTED] * 2, 1) == ([answer.meaning for answer in answers], len(connections))


def test_an_idle_connection_that_was_closed_costs_no_second_request() -> None:
    """A call on a connection that the server has just closed is made once at most: the client repeats nothing."""
    requests: list[bytes] = []

    async def scenario() -> None:
        async with listening(answering(OK, requests=requests)) as port, provider(port) as made:
            for _ in range(3):
                await made.call(REQUEST, KEY)

    asyncio.run(scenario())
    assert len(requests) <= 3


def test_many_calls_at_once_each_get_their_own_answer() -> None:
    """Calls under way together do not mix."""

    async def scenario() -> list[Answer]:
        async with listening(answering(OK)) as port, provider(port, connections=20) as made:
            return await asyncio.gather(*(made.call(REQUEST, KEY) for _ in range(20)))

    assert [Meaning.ACCEPTED] * 20 == [answer.meaning for answer in asyncio.run(scenario())]


BY_STATUS = [(Meaning.ACCEPTED, 202), (Meaning.REJECTED, 422), (Meaning.UNKNOWN, 500), (Meaning.OVERLOADED, 503)]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "chunked"])
@pytest.mark.parametrize(("meaning", "status"), BY_STATUS)
def test_a_body_that_cannot_be_decoded_is_known_by_its_status(meaning: Meaning, status: int, encoding: str) -> None:
    """A body that is not what its headers say is as good as none: an acceptance stays one."""
    end = end_of(answering(response(status, b"this is no gzip", f"Content-Encoding: {encoding}")))
    assert ((meaning, str(status)), None) == (end.meaning_and_code, end.raised)


@pytest.mark.parametrize(("meaning", "status"), BY_STATUS)
@pytest.mark.parametrize("head", ["Content-Length: 99999999", "Connection: close"])
def test_a_body_without_end_is_known_by_its_status(head: str, meaning: Meaning, status: int) -> None:
    """A megabyte is enough: the call ends, and so does the connection."""
    gone = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 {status} Words\r\n{head}\r\n\r\n".encode())
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except OSError:
            gone.set()

    async def scenario() -> Answer:
        async with listening(flood) as port, provider(port) as made:
            answer = await made.call(REQUEST, KEY)
            await gone.wait()
            return answer

    answer = asyncio.run(scenario())
    assert (meaning, str(status)) == (answer.meaning, answer.code)


def test_a_small_body_that_grows_when_decoded_is_cut() -> None:
    """A few kilobytes can decode to gigabytes; no more than a megabyte of it is made."""
    bomb = response(422, gzip.compress(b"x" * (64 << 20)), "Content-Encoding: gzip")
    assert ((Meaning.REJECTED, "422"), "x" * 512) == ((end := end_of(answering(bomb))).meaning_and_code, end.words)


@pytest.mark.parametrize("status", [202, 422])
def test_what_the_client_library_stumbles_over_leaves_the_outcome_unknown(status: int) -> None:
    """httpx-aiohttp cannot carry a reason phrase that is not UTF-8; the request was sent all the same."""
    end = end_of(answering(b"HTTP/1.1 %d \xff\r\nContent-Length: 2\r\n\r\n{}" % status))
    assert ((Meaning.UNKNOWN, "lost"), None) == (end.meaning_and_code, end.raised)


def test_a_call_that_got_no_connection_was_not_sent() -> None:
    """With all connections in use until the deadline, nothing of the call was written."""

    async def scenario() -> list[Answer]:
        async with listening(silent()) as port, provider(port, connections=1, deadline_s=SHORT_S) as made:
            return await asyncio.gather(*(made.call(REQUEST, KEY) for _ in range(2)))

    first, second = asyncio.run(scenario())
    assert (Meaning.UNKNOWN, Meaning.NOT_SENT) == (first.meaning, second.meaning)


def test_a_call_whose_connection_is_never_made_was_not_sent() -> None:
    """A server that does not shake hands has been told nothing."""

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scenario() -> Answer:
        async with listening(mute) as port, provider(port, scheme="https", deadline_s=SHORT_S) as made:
            return await made.call(REQUEST, KEY)

    assert Meaning.NOT_SENT == asyncio.run(scenario()).meaning


HALF = b"HTTP/1.1 202 Accepted\r\nContent-Length: 40\r\n\r\n{"


def test_half_an_answer_until_the_deadline_leaves_the_outcome_unknown() -> None:
    """An answer that begins and does not end is no answer."""
    assert (Meaning.UNKNOWN, "timeout") == end_of(silent(HALF), deadline_s=SHORT_S).meaning_and_code


def test_a_body_that_does_not_end_gives_the_connection_back() -> None:
    """A connection with half an answer is closed at once, and not when the garbage collector finds it."""
    assert end_of(answering(HALF)).complaints == []
    assert end_of(silent(HALF), deadline_s=SHORT_S).complaints == []
