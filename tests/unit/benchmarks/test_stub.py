"""The stub of the provider that benchmarks use: its HTTP, fed with bytes."""

import asyncio
import json
from typing import cast

from benchmarks.arrivals import Arrivals
from benchmarks.stub import Connection, Stub

from paceline_worker.verdict.meaning import Meaning, read_answer


class Written:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def call(number: int, key: str = "one", name: str = "X-User-API-Key") -> bytes:
    body = json.dumps({"to_number": f"+1555020{number:04d}", "text": "Hello"}).encode()
    head = f"POST /open/whatsapp/send-message HTTP/1.1\r\n{name}: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def control(method: str, path: str, body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def answers(written: bytes) -> list[tuple[int, bytes]]:
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0])
        found.append((int(head.split(b" ")[1]), rest[:length]))
        written = rest[length:]
    return found


async def exchange(stub: Stub, *pieces: bytes, wait_s: float = 0) -> list[tuple[int, bytes]]:
    connection, transport = Connection(stub), Written()
    connection.connection_made(cast("asyncio.Transport", transport))
    for piece in pieces:
        connection.data_received(piece)
    await asyncio.sleep(wait_s)
    return answers(transport.data)


def test_the_worker_takes_its_answer_for_accepted() -> None:
    """202, with a message uuid that no other answer has."""
    stub = Stub()

    found = asyncio.run(exchange(stub, call(1), call(2)))
    read = [read_answer(status, {}, body) for status, body in found]

    assert [Meaning.ACCEPTED] * 2 == [answer.meaning for answer in read]
    assert 2 == len({answer.uuid for answer in read} - {""})


def test_calls_in_one_piece_or_in_many_are_all_answered() -> None:
    """Pipelined, and byte by byte."""
    whole = call(1) + call(2, "two") + control("GET", "/stub/count")

    for pieces in ([whole], [bytes([byte]) for byte in whole]):
        found = asyncio.run(exchange(Stub(), *pieces))
        assert [202, 202, 200] == [status for status, _ in found]
        assert {"arrivals": 2, "keys": 2} == json.loads(found[2][1])


def test_the_log_tells_keys_times_and_doubled_bodies() -> None:
    """As a client reads it; however the name of the header is spelt."""
    calls = (call(1), call(2, name="x-user-api-key"), call(1), call(1, "two"))

    found = asyncio.run(exchange(Stub(), *calls, control("GET", "/stub/arrivals")))
    log = Arrivals.from_bytes(found[-1][1])

    assert {"one": 3, "two": 1} == {key: len(times) for key, times in log.by_key().items()}
    assert 1 == log.doubled()


def test_answers_of_one_connection_keep_the_order_of_their_calls() -> None:
    """Also with a latency that varies, and with an answer that needs none behind them."""
    stub = Stub(latency_s=0.001, jitter_s=0.01)

    found = asyncio.run(exchange(stub, *(call(number) for number in range(20)), control("GET", "/nothing"), wait_s=0.1))
    uuids = [json.loads(body).get("message_uuid", "") for _, body in found]

    assert 21 == len(found)
    assert sorted(uuids[:20]) == uuids[:20]
    assert 404 == found[20][0]


def test_control_sets_the_latency_and_forgets_arrivals() -> None:
    """PUT /stub/latency and POST /stub/reset."""
    stub = Stub()
    body = json.dumps({"latency_ms": 5, "jitter_ms": 2}).encode()

    pieces = (call(1), control("PUT", "/stub/latency", body), control("POST", "/stub/reset"))
    found = asyncio.run(exchange(stub, *pieces, control("GET", "/stub/count")))

    assert [202, 200, 200, 200] == [status for status, _ in found]
    assert (0.005, 0.002, 0) == (stub.latency_s, stub.jitter_s, len(stub.log))
