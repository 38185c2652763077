"""How to make groups and change them."""

import pytest

from paceline import AddParticipants, CreateGroup, Outbox, PromoteParticipants, RemoveParticipants, SetGroupDescription
from paceline.errors import InvalidOperation

pytestmark = [pytest.mark.system]

SENDER, ANA, BEN = "+15550100001", "+15550700001", "+15550700002"
# The emulated provider refuses this number as a participant: its owner allows invitations only.
INVITATIONS_ONLY = "+15559993403"


def people(number: int) -> list[str]:
    return [f"+1555071{n:04d}" for n in range(number)]


def test_a_group_is_an_operation_with_a_handle(outbox: Outbox) -> None:
    """The status names the group as the provider does."""
    made = outbox.send(CreateGroup(account="acme", sender=SENDER, name="Team A", participants=[ANA])).wait_settled(20)
    assert "accepted" == made.state
    assert (made.group_uuid or "").startswith("WAG")


def test_more_than_ten_participants_are_several_calls_of_one_operation(outbox: Outbox) -> None:
    """The first ten come with the group, the others are added; each number has its own result."""
    twelve = people(12)
    made = outbox.send(CreateGroup(account="acme", sender=SENDER, name="Team B", participants=twelve)).wait_settled(20)
    assert ("accepted", 2) == (made.state, made.result["calls"])
    assert dict.fromkeys(twelve, True) == {number: told["accepted"] for number, told in made.result["numbers"].items()}


def test_a_number_may_be_refused_while_the_group_is_made(outbox: Outbox) -> None:
    """The operation is accepted; its result says which numbers are missing and why."""
    made = outbox.send(
        CreateGroup(account="acme", sender=SENDER, name="Team C", participants=[ANA, INVITATIONS_ONLY])
    ).wait_settled(20)
    numbers = made.result["numbers"]
    assert (True, False) == (numbers[ANA]["accepted"], numbers[INVITATIONS_ONLY]["accepted"])
    assert "1 of 2 numbers" in made.why


def test_a_group_is_changed_by_its_handle(outbox: Outbox) -> None:
    """Participants are added, promoted and removed; the description is set."""
    made = outbox.send(CreateGroup(account="acme", sender=SENDER, name="Team D", participants=[ANA])).wait_settled(20)
    group = made.group_uuid or ""
    for change in (
        AddParticipants(account="acme", sender=SENDER, group=group, participants=[BEN]),
        PromoteParticipants(account="acme", sender=SENDER, group=group, participants=[BEN]),
        RemoveParticipants(account="acme", sender=SENDER, group=group, participants=[ANA]),
        SetGroupDescription(account="acme", sender=SENDER, group=group, description="Thursdays at six"),
    ):
        assert "accepted" == outbox.send(change).wait_settled(20).state


def test_a_group_without_participants_is_refused_at_once() -> None:
    """The error names the field."""
    with pytest.raises(InvalidOperation, match=r"^participants: "):
        CreateGroup(account="acme", sender=SENDER, name="Nobody", participants=[])
