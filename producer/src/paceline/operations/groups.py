"""Groups (docs/provider.md, 2.2). The provider takes ten participants a call: more are several calls of one operation."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, model_validator

from paceline.fields import GroupReference, MediaUrl, PhoneNumber
from paceline.operations.base import Operation, given
from paceline.recipients.cells import is_blank

PARTICIPANTS_A_CALL: Final = 10
# WhatsApp's own size of a group.
MOST_PARTICIPANTS: Final = 1024

# Any sequence is taken; a model keeps a tuple, because it is a value.
Participants = Annotated[
    Sequence[PhoneNumber], Field(min_length=1, max_length=MOST_PARTICIPANTS), AfterValidator(tuple)
]


def _seen(name: str) -> str:
    """A name that is not blank.

    Raises:
        ValueError: nobody would see it.
    """
    if is_blank(name):
        raise ValueError("is empty")
    return name


class _WithParticipants(Operation):
    """Ten of them a call."""

    participants: Participants

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.participants)) < len(self.participants):
            raise ValueError("participants: names a number twice")
        return self

    @property
    def requests(self) -> int:
        """A call for each ten."""
        return -(-len(self.participants) // PARTICIPANTS_A_CALL)


class CreateGroup(_WithParticipants):
    """Make a group. With more than ten participants the first ten come with it and the others are added, ten a call.

    Call: ``POST /whatsapp/group/create``. Other operations may name the group by this operation's id.

    Args:
        name: what the group is called, at most 100 characters.
        participants: their numbers, E.164, without the sender's own.
        description: shown in the group.
    """

    kinds: ClassVar = ("group.create",)

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_seen)]
    description: str | None = Field(default=None, min_length=1, max_length=2048)

    @model_validator(mode="after")
    def _others(self) -> Self:
        if self.sender in self.participants:
            raise ValueError(
                "participants: the sender creates the group and belongs to it anyway; leave its number out"
            )
        return self

    @property
    def target(self) -> str:
        """The operation itself: nothing exists before."""
        return ""

    def payload(self) -> dict[str, Any]:
        """Name, description and all participants."""
        return {"name": self.name, "participants": list(self.participants)} | given(description=self.description)


class _InGroup(Operation):
    """About a group."""

    group: GroupReference

    @property
    def target(self) -> str:
        """The group, or the operation that makes it."""
        return self.group


class _Participants(_WithParticipants, _InGroup):
    """Change who is in a group, or what they may do.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        participants: their numbers, E.164.
    """

    def payload(self) -> dict[str, Any]:
        """All participants."""
        return {"participants": list(self.participants)}


class AddParticipants(_Participants):
    """Add numbers to a group. Call: ``POST /whatsapp/group/{group_uuid}/add-participant``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        participants: their numbers, E.164.
    """

    kinds: ClassVar = ("group.add",)


class RemoveParticipants(_Participants):
    """Remove numbers from a group. Call: ``POST /whatsapp/group/{group_uuid}/remove-participant``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        participants: their numbers, E.164.
    """

    kinds: ClassVar = ("group.remove",)


class PromoteParticipants(_Participants):
    """Make participants admins. Call: ``POST /whatsapp/group/{group_uuid}/promote-participant``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        participants: their numbers, E.164.
    """

    kinds: ClassVar = ("group.promote",)


class DemoteParticipants(_Participants):
    """Make admins participants again. Call: ``POST /whatsapp/group/{group_uuid}/demote-participant``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        participants: their numbers, E.164.
    """

    kinds: ClassVar = ("group.demote",)


class SetGroupDescription(_InGroup):
    """A group's description. Call: ``POST /whatsapp/group/{group_uuid}/set-description``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        description: the words; empty removes them.
    """

    kinds: ClassVar = ("group.set_description",)

    description: str = Field(max_length=2048)

    def payload(self) -> dict[str, Any]:
        """The words."""
        return {"description": self.description}


class SetGroupPicture(_InGroup):
    """A group's picture. Call: ``POST /whatsapp/group/{group_uuid}/set-picture``.

    Args:
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        url: public https address of the picture.
    """

    kinds: ClassVar = ("group.set_picture",)

    url: MediaUrl

    def payload(self) -> dict[str, Any]:
        """The address."""
        return {"url": self.url}
