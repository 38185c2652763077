"""What comes from outside, at random: bodies of receipts, answers of the provider, files of recipients and accounts.

A grammar of real documents with parts replaced, cut, doubled or turned into other bytes. Nothing may be raised but what a user is
told; nothing may hang. A few hundred of each in CI; `make fuzz PROFILE=full` tries 100,000 of each.
"""

import json
import random
from pathlib import Path
from typing import Any, Final

import pytest

from paceline.errors import InvalidOperation
from paceline.recipients.files import read_file
from paceline_worker.accounts.file import read_rows
from paceline_worker.provider.redaction import redactor
from paceline_worker.receipts.reading import Told, Unread, read_body
from paceline_worker.verdict.meaning import Answer, Meaning, read_answer
from tests.support import profiles

pytestmark = pytest.mark.timeout(0 if profiles.is_long() else 300)

TIMES: Final = 100_000 if profiles.is_long() else 300
KEY, NUMBER, TEXT = "UAKfuzz-7f3e9d", "+15559998877", "a secret text of a customer"

STRANGE: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 10**400, 1e308, float("nan"), "", "x", "\x00", "\ud800", "é" * 300, "9" * 5000, [], {}, [[[]]],
    {"a": {"b": []}},
    KEY, NUMBER, TEXT, NUMBER[1:], "=1+1", "\x1b[31m", "\u202e", "a\r\nb",
)  # fmt: skip
RECEIPT: Final[dict[str, Any]] = {
    "event": "whatsapp.message.receipt.read",
    "message_uuid": "MSG1",
    "uuid": "MSG2",
    "id": "MSG3",
    "sent_by": "api",
    "timestamp": "2026-01-31T09:00:00+00:00",
}
ANSWER: Final[dict[str, Any]] = {
    "success": True,
    "message_uuid": "MSG1",
    "error": False,
    "error_code": "E1",
    "error_message": f"number {NUMBER} with {TEXT} of {KEY}",
    "message": "no",
    "detail": [{"loc": ["body", "to"], "msg": "bad"}],
    "group": {"uuid": "WAG1"},
    "data": [{"participants": [{"number": NUMBER}]}],
}
PEOPLE: Final = f"to,name,key,not_before\n{NUMBER},Ann,k1,\n+15559998878,Bob,k2,2030-01-01T00:00:00Z\n".encode()
ACCOUNTS: Final = b"name,key_env,limit,pacing,variation,reserve,budget,senders\nacme,ACME,10/minute,spacing,auto,0,,\n"


def changed(chance: random.Random, document: dict[str, Any]) -> bytes:
    """A document with some of its parts replaced, and perhaps some of its bytes."""
    made: Any = json.loads(json.dumps(document))
    for _ in range(chance.randrange(4)):
        made[chance.choice([*made, "extra"])] = chance.choice([*STRANGE, json.loads(json.dumps(document))])
    return torn(chance, json.dumps(made).encode())


def torn(chance: random.Random, content: bytes) -> bytes:
    """Bytes cut, doubled, replaced, or in another encoding; mostly as they were."""
    place = chance.randrange(len(content) + 1)
    match chance.randrange(12):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes(chance.randrange(256) for _ in range(8)) + content[place:]
        case 2:
            return (
                content[:place]
                + chance.choice([b"[" * 5000, b'"', b",", b"\n", b"\x00", b"{", b"\xff\xfe"])
                + content[place:]
            )
        case 3:
            return content.decode(errors="replace").encode(
                chance.choice(["utf-16", "utf-8-sig", "utf-32", "latin-1"]), "replace"
            )
        case 4:
            return content * chance.randrange(2, 5)
        case _:
            return content


def test_receipts() -> None:
    """Each body is a receipt, is ignored, or is malformed."""
    chance = random.Random(31)
    seen: set[object] = set()

    def read() -> None:
        told = read_body(changed(chance, RECEIPT))
        assert isinstance(told, Told | Unread)
        seen.add(told if isinstance(told, Unread) else Told)

    for _ in range(TIMES):
        read()
    assert {Told, *Unread} == seen


def test_answers_of_the_provider() -> None:
    """Each has a meaning, and words without the key, the number and the text, of bounded length, fit for a terminal."""
    chance = random.Random(32)
    redact = redactor(KEY, "/whatsapp/send-message", {"to": NUMBER, "text": TEXT})
    seen: set[Meaning] = set()
    for _ in range(TIMES):
        status = chance.choice([200, 202, 204, 301, 400, 401, 402, 404, 409, 422, 429, 486, 500, 503, 504, 599])
        headers = {
            "retry-after": chance.choice(["", "1", "9" * 400, "-1", "Thu, 01 Jan 2099 00:00:00 GMT", "x\x00", "é"]),
            "date": chance.choice(["", "Thu, 01 Jan 2026 00:00:00 GMT", "x", "Thu, 99 Foo 2026"]),
        }
        answer = read_answer(status, headers, changed(chance, ANSWER), redact=redact)
        assert isinstance(answer, Answer)
        assert len(answer.words) <= 512
        assert answer.words == "" or answer.words.isprintable()
        assert not any(secret in answer.words for secret in (KEY, NUMBER[1:], TEXT))
        seen.add(answer.meaning)
    assert len(seen) >= 8


def test_files_of_recipients(tmp_path: Path) -> None:
    """Each is read, or refused in words that name the file; rows that are bad are rows that are bad."""
    chance = random.Random(33)
    names = [tmp_path / f"people{suffix}" for suffix in (".csv", ".jsonl", ".json", ".txt")]
    line = json.dumps({"to": NUMBER, "name": "Ann"}).encode() + b"\n"
    refused = 0
    for _ in range(TIMES):
        path = chance.choice(names)
        content = PEOPLE if path.suffix in (".csv", ".txt") else line * 3
        path.write_bytes(torn(chance, torn(chance, content)))
        try:
            for row in read_file(path):
                assert row.line >= 1
        except InvalidOperation:
            refused += 1
    assert 0 < refused < TIMES


def test_files_of_accounts() -> None:
    """Likewise."""
    chance = random.Random(34)
    refused = 0
    for _ in range(TIMES):
        try:
            read_rows(torn(chance, torn(chance, ACCOUNTS)), "accounts.csv", chance.choice([None, "csv", "jsonl"]))
        except InvalidOperation:
            refused += 1
    assert 0 < refused < TIMES
