"""Seals: whatever changes of an operation, its seal is another."""

import json

import pytest

from paceline_worker.integrity.seals import LENGTH, UNREADABLE, Seals
from paceline_worker.integrity.tampering import Tampering

SEALS = Seals(bytes(32))
PARTS = ("id1", "acme", "+15550100001", "message.to_number", "+15550100002", '{"text":"Hi"}', "", "")
ANSWER = {
    "account": "acme",
    "sender": "+15550100001",
    "kind": "message.to_number",
    "to": "+15550100002",
    "payload": '{"text":"Hi"}',
}
OF_CAMPAIGN = ANSWER | {"campaign": "spring", "template": '{"text":"Hi {name}"}', "payload": '{"name":"Ann"}'}


def sealed(answer: dict[str, str]) -> dict[str, str]:
    campaign = answer.get("campaign", "")
    kind = "" if campaign else answer["kind"]
    shared = (answer["account"], answer["sender"], kind, answer["to"], answer["payload"], "", campaign)
    return answer | {"seal": SEALS.operation("id1", *shared)}


@pytest.mark.parametrize("place", range(len(PARTS)))
def test_each_part_is_sealed(place: int) -> None:
    """A byte more in any of them makes another seal; so does another key."""
    changed = [*PARTS]
    changed[place] += "x"
    assert SEALS.operation(*changed) != SEALS.operation(*PARTS) != Seals(bytes(31) + b"x").operation(*PARTS)
    assert LENGTH == len(SEALS.operation(*PARTS))


def test_parts_do_not_run_together() -> None:
    """What moves from one part into the next is a change."""
    assert SEALS.operation("ab", "c") != SEALS.operation("a", "bc")
    assert SEALS.operation("a", "") != SEALS.operation("a")


def test_purposes_are_kept_apart() -> None:
    """A campaign's seal is none of an operation with the same parts."""
    assert SEALS.campaign("a", "b", "c", "d") != SEALS.operation("a", "b", "c", "d")


def test_what_was_accepted_is_sent() -> None:
    """Singles and rows of campaigns."""
    judge = Tampering(SEALS)
    assert judge.objection("id1", sealed(ANSWER)) is None
    begun = sealed(OF_CAMPAIGN) | {"unsealed": "1"}
    assert judge.objection("id1", begun) is None
    seal = judge.campaign_to_seal(begun)
    assert seal == SEALS.campaign_of(OF_CAMPAIGN)
    assert judge.objection("id1", sealed(OF_CAMPAIGN) | {"campaign_seal": seal}) is None
    assert judge.campaign_to_seal(sealed(OF_CAMPAIGN)) is None


@pytest.mark.parametrize("field", ["account", "sender", "kind", "to", "payload", "follows", "campaign"])
def test_what_was_changed_is_not_sent(field: str) -> None:
    """Field by field; without a seal nothing is sent, and an answer that lacks a field is no error."""
    assert "content" == Tampering(SEALS).objection("id1", sealed(ANSWER) | {field: "other"})
    assert "content" == Tampering(SEALS).objection("id2", sealed(ANSWER))
    assert "missing" == Tampering(SEALS).objection("id1", ANSWER)
    assert "content" == Tampering(SEALS).objection("id1", {"seal": "x" * LENGTH})


@pytest.mark.parametrize("field", ["kind", "template"])
def test_a_campaign_keeps_what_it_began_with(field: str) -> None:
    """Whatever state says about its beginning: this process has seen it."""
    judge, other = Tampering(SEALS), sealed(OF_CAMPAIGN | {field: "other"})
    assert "campaign" == judge.objection("id1", other)
    assert "campaign" == judge.objection("id1", other | {"campaign_seal": SEALS.campaign_of(OF_CAMPAIGN)})
    assert judge.objection("id1", sealed(OF_CAMPAIGN) | {"unsealed": "1"}) is None
    assert "campaign" == judge.objection("id1", other | {"unsealed": "1"})
    assert "campaign" == judge.objection("id1", other | {"campaign_seal": SEALS.campaign_of(other)})


def test_the_version_of_a_key_is_stated_for_its_account() -> None:
    """A statement for another account, or a changed one, tells nothing."""
    statement = SEALS.floor("acme", 7)
    assert 7 == SEALS.floor_of("acme", statement)
    for text in (statement.replace("7", "9", 1), statement[:-1], "", "x|y", "9" * 5000 + "|"):
        assert 0 == SEALS.floor_of("acme", text)
    assert 0 == SEALS.floor_of("other", statement)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b"[]", b'{"sender": 1}', b"\xff", b'{"sender":"+1","common":{"k":"x"},"rows":[{}]}'],
)
def test_a_record_that_cannot_be_read_has_no_seals(body: bytes) -> None:
    """It is accept.lua that refuses it."""
    assert UNREADABLE == SEALS.of_record("acme", "", body)


def test_a_lone_surrogate_is_not_readable() -> None:
    """JSON may spell what UTF-8 cannot."""
    row = {"id": "id1", "to": "+1", "p": "\ud800"}
    body = json.dumps({"sender": "+1", "common": {"k": "x"}, "rows": [row]}).encode()
    assert UNREADABLE == SEALS.of_record("acme", "", body)
