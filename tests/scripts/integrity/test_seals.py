"""Operations are sealed when they are accepted; what state holds then is told apart from what somebody wrote into it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from paceline.errors import ConfigurationError
from paceline.ids import new_id
from paceline.inbox.record import content_digest, operation_id, single
from paceline.operations import SendMessage
from paceline.state import questions
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.integrity.tampering import Tampering
from paceline_worker.state.inbox import REFUSED
from tests.conftest import SECRET, SENDER
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, DEAD, REJECTED, SEALS, SENDER_BUSY, Drive

R = "paceline:{0}"
OTHER_SECRET = "B" * 43 + "="


def objection(drive: Drive, judge: Tampering | None = None) -> str | None:
    """What a worker says about the next operation."""
    hint = drive.grant_next()
    return (judge or Tampering(SEALS)).objection(hint.id, drive.begin_at_slot(hint))


def test_what_was_accepted_is_genuine(drive: Drive) -> None:
    """From begin to begin, however often it comes back."""
    op = drive.send()
    for _ in range(3):
        hint = drive.grant_next()
        assert Tampering(SEALS).objection(op, drive.begin_at_slot(hint)) is None
        drive.settle(hint, SENDER_BUSY)


def inbox_of(drive: Drive) -> list[str]:
    """The records that wait."""
    return [str(rid) for rid in drive.client.zrange(f"{R}:inbox", 0, -1)]


EDITS: dict[str, Callable[[redis.Redis, str], Any]] = {
    "another target": lambda client, op: client.hset(f"{R}:o:{op}", "to", "+15550100009"),
    "another text": lambda client, op: client.hset(f"{R}:o:{op}", "p", json.dumps({"text": "Pay here"})),
    "another kind": lambda client, op: client.hset(f"{R}:o:{op}", "k", "sms.send"),
    "no seal": lambda client, op: client.hdel(f"{R}:o:{op}", "g"),
    "a seal of nobody": lambda client, op: client.hset(f"{R}:o:{op}", "g", "x" * 20),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_changed_in_state_is_told(drive: Drive, edit: str) -> None:
    """By whoever may write state, the receiver included."""
    op = drive.send()
    EDITS[edit](drive.client, op)
    assert objection(drive) in ("content", "missing")


def test_a_copy_under_another_id_is_told(drive: Drive) -> None:
    """Its seal is that of the first."""
    op = drive.send()
    drive.client.hset(f"{R}:o:copy", mapping=drive.client.hgetall(f"{R}:o:{op}"))  # type: ignore[arg-type]
    drive.client.lset(f"{R}:l:acme:+15550100001:t", 0, "copy")
    assert "content" == objection(drive)
    drive.client.delete(f"{R}:o:copy", f"{R}:o:{op}")


def test_what_is_accepted_at_the_provider_loses_its_seal(drive: Drive) -> None:
    """So it is sent no more, whatever is written into it; a rejected or dead one keeps it, for a person may replay it."""
    for verdict, keeps in ((ACCEPTED, False), (REJECTED, True), (DEAD, True)):
        op = drive.deliver_sent(verdict)
        assert keeps is bool(drive.client.hget(f"{R}:o:{op}", "g"))
    op = drive.deliver_sent(ACCEPTED)
    drive.client.hset(f"{R}:o:{op}", "s", "w")
    drive.client.rpush(f"{R}:l:acme:+15550100001:t", op)
    drive.send(to="+15550100003")  # which makes the account look at its lane
    assert "missing" == objection(drive)


@pytest.mark.parametrize("field", ["p", "k"])
def test_the_template_of_a_campaign_is_sealed_when_it_begins(drive: Drive, field: str) -> None:
    """Before that it may be corrected; after that a change is told, also to a worker that did not see its beginning."""
    Uploads(drive).start("spring", 4)
    drive.accept_all()
    judge, hint = Tampering(SEALS), drive.grant_next()
    answer = drive.begin_at_slot(hint)
    assert judge.objection(hint.id, answer) is None
    seal = judge.campaign_to_seal(answer)
    assert seal
    drive.settle(hint, ACCEPTED)
    assert objection(drive) is None  # begun, and not sealed yet
    script = Script("paceline_worker", "seal_campaign")
    assert [1, 0] == [script.run(drive.client, "spring", text) for text in (seal, "another")]
    assert objection(drive) is None
    drive.client.hset(f"{R}:c:spring", field, '{"text": "Pay here"}')
    assert "campaign" == objection(drive)


def test_a_record_that_is_no_text_is_refused(drive: Drive) -> None:
    """What Lua would read and Python does not, has no seals, so it is not accepted."""
    drive.send(accept=False)
    [rid] = inbox_of(drive)
    body = str(drive.client.hget(f"{R}:in:{rid}", "body")).replace("Hello", "\\ud800")
    drive.client.hset(f"{R}:in:{rid}", "body", body)
    [done] = drive.worker.accept([rid])
    assert REFUSED == done.written
    assert 0 == drive.balance().unaccounted


def test_a_record_changed_between_reading_and_accepting(drive: Drive) -> None:
    """accept.lua takes what was sealed, so a change in between comes too late."""
    op = drive.send(accept=False)
    inbox = drive.worker._inbox  # noqa: SLF001 - the moment between its two calls
    [rid] = inbox_of(drive)
    records = inbox._read(drive.client, [rid])  # noqa: SLF001
    drive.client.hset(f"{R}:in:{rid}", "body", "changed")
    inbox._take(drive.client, records, SEALS)  # noqa: SLF001
    assert '{"text":"Hello"}' == drive.operation(op)["p"]
    assert objection(drive) is None


def test_records_that_come_before_are_taken_first(drive: Drive) -> None:
    """A hint that overtakes others, of which each still finds something to do, and more of them than one call reads."""
    ops = []
    for number in range(130):
        drive.advance(0.001)
        ops.append(drive.send(accept=False, to=f"+1555010{number:04}"))
    rids = inbox_of(drive)
    assert 100 == sum(done.written for done in drive.worker.accept([rids[-1]]))
    assert 29 == sum(done.written for done in drive.worker.accept([rids[-2]]))
    assert [-1, 1] == [done.written for done in drive.worker.accept([rids[0], rids[-1]])]
    assert ops == drive.client.lrange(f"{R}:l:acme:+15550100001:t", 0, -1)


def test_acceptance_costs_what_it_did(drive: Drive) -> None:
    """Sealing takes no command more: the record is read once, by another script. Nor does encryption."""

    def commands(sealed: bool, *, encrypts: bool = False) -> int:
        drive.worker.seals, drive.worker.encrypts = SEALS if sealed else None, encrypts
        for number in range(3):
            drive.send(to=f"+1555010{number:04}", accept=False)
        drive.client.config_resetstat()
        drive.accept_all()
        stats = drive.client.info("commandstats")
        return sum(int(of["calls"]) for name, of in stats.items() if "eval" not in name)

    commands(sealed=True)
    assert commands(sealed=True) == commands(sealed=False) == commands(sealed=True, encrypts=True)


# -- the key -----------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_opened_by_the_secret(client: redis.Redis) -> None:
    """Workers that start together agree; another secret is refused before anything is sent."""
    ring = KeyRing(SECRET)
    first, second = StoredSeals(client, ring).open(), StoredSeals(client, ring).open()
    assert first.floor("acme", 1) == second.floor("acme", 1)
    with pytest.raises(ConfigurationError, match="does not decrypt the key of the seals"):
        StoredSeals(client, KeyRing(OTHER_SECRET)).open()
    both = KeyRing(f"{OTHER_SECRET},{SECRET}")
    number = first.payloads.number("+15550100002")
    assert [True, False] == [StoredSeals(client, both).encrypt_anew() for _ in range(2)]
    rotated = StoredSeals(client, KeyRing(OTHER_SECRET)).open()
    assert first.floor("acme", 1) == rotated.floor("acme", 1)
    assert ("+15550100002", first.payloads.public) == (rotated.payloads.opened_number(number), rotated.payloads.public)


def test_the_public_key_is_published_and_put_back(client: redis.Redis) -> None:
    """A worker says whether another one stood there; nothing and its own are no reason to complain."""
    stored = StoredSeals(client, KeyRing(SECRET))
    seals = stored.open()
    assert [True, True] == [stored.publish(seals) for _ in range(2)]
    client.set(f"{R}:public", "pk1.another")
    assert [False, True] == [stored.publish(seals) for _ in range(2)]
    assert seals.payloads.public == client.get(f"{R}:public")
    assert StoredSeals(client, KeyRing(SECRET)).seen() is not None


def test_nobody_who_only_looks_makes_a_key(client: redis.Redis) -> None:
    """A command that opens numbers finds nothing to open, and leaves nothing behind."""
    assert StoredSeals(client, KeyRing(SECRET)).seen() is None
    assert not client.exists(f"{R}:seals")


def test_a_key_used_before_and_after_encryption_is_a_duplicate(drive: Drive) -> None:
    """The digest of the content was plain, and is keyed now: they say nothing of each other."""
    ids = []
    for encrypts in (False, True, True):
        drive.worker.encrypts = encrypts
        ids.append(drive.send(idempotency_key="inv-1", accept=False))
        drive.accept_all()
    assert 1 == len(set(ids))
    counts = drive.client.hgetall(f"{R}:a:acme:n")
    assert ("1", "2", None) == (counts["written"], counts["duplicate"], counts.get("refused"))


def test_state_that_was_emptied_gets_the_key_back(client: redis.Redis) -> None:
    """Or the workers that are there take over the one that a new worker made."""
    ring = KeyRing(SECRET)
    running, other = StoredSeals(client, ring), StoredSeals(client, ring)
    seals = running.open()
    other.open()
    assert running.tend() is None
    client.flushall()
    assert running.tend() is None
    assert seals.floor("acme", 1) == StoredSeals(client, ring).open().floor("acme", 1)
    client.flushall()
    made = StoredSeals(client, ring).open()
    taken = other.tend()
    assert taken
    assert made.floor("acme", 1) == taken.floor("acme", 1)


def test_what_was_accepted_before_there_were_seals_is_sealed_by_a_person(drive: Drive) -> None:
    """A worker refuses to start until `paceline state migrate` has done so; after that nothing without a seal is sent."""
    drive.worker.seals = None
    drive.deliver_sent(ACCEPTED)
    kept = [drive.deliver_sent(REJECTED), *(drive.send(to=f"+1555010{number:04}") for number in range(3))]
    Uploads(drive).start("spring", 4)
    drive.accept_all()
    stored = StoredSeals(drive.client, KeyRing(SECRET))
    with pytest.raises(ConfigurationError, match="paceline state migrate"):
        stored.open()
    assert len(kept) + 4 == stored.seal_all()
    seals = stored.open()
    assert objection(drive, Tampering(seals)) is None
    late = drive.send(to="+15550109999")
    assert 0 == stored.seal_all()
    assert drive.client.hget(f"{R}:o:{late}", "g") is None


def test_an_interrupted_conversion_goes_on(drive: Drive) -> None:
    """A worker does not start on half of it."""
    drive.worker.seals = None
    first, *_ = [drive.send(to=f"+1555010{number:04}") for number in range(3)]
    stored = StoredSeals(drive.client, KeyRing(SECRET))

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored.seal_all(stop)
    with pytest.raises(ConfigurationError, match="interrupted"):
        stored.open()
    drive.client.hdel(f"{R}:o:{first}", "g")
    assert 1 == stored.seal_all()
    assert stored.open()


def test_a_producer_that_does_not_encrypt_yet_may_send_a_key_again(drive: Drive) -> None:
    """Workers encrypt first (docs/encryption.md): what they stored says nothing of a plain digest, and they compare contents."""
    drive.worker.encrypts = True
    message = SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hello", idempotency_key="order-1")
    other = SendMessage(account="acme", sender=SENDER, to="+15550100002", text="Hallo", idempotency_key="order-1")

    def write(operation: SendMessage) -> str:
        op_id = operation_id(operation)
        keyed = {"op_id": op_id, "digest": content_digest(operation)}
        body = single(operation, op_id, drive.now)
        written = drive.state.ask(questions.submit(new_id(), "acme", SENDER, 1, body, **keyed))
        drive.accept_all()
        return written

    assert ["written"] * 3 == [write(message), write(message), write(other)]
    counts = drive.client.hgetall(f"{R}:a:acme:n")
    assert ("1", "1", "1") == (counts["written"], counts["duplicate"], counts.get("refused"))
