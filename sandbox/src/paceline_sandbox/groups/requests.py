"""What calls about groups must say (docs/provider.md, 2.2)."""

from dataclasses import dataclass
from typing import Final

from paceline_sandbox.accounts.phones import normalized
from paceline_sandbox.answers import invalid_field, refusal
from paceline_sandbox.bodies import (
    Body,
    Refused,
    as_group,
    as_number,
    json_object,
    mistyped,
    needed_address,
    needed_list,
    needed_number,
    needed_object,
    needed_text,
    text,
)
from paceline_sandbox.calls import Asked, Moment, Request

MOST_PARTICIPANTS: Final = 10


@dataclass(frozen=True, slots=True)
class Participants:
    """The participants of a call, each once; `malformed` are those that are no phone numbers at all."""

    numbers: tuple[str, ...]
    malformed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group to be made."""

    name: str
    description: str
    participants: Participants


@dataclass(frozen=True, slots=True)
class ParticipantChange:
    """Participants to be added, removed, promoted or demoted."""

    group_uuid: str
    participants: Participants


@dataclass(frozen=True, slots=True)
class Setting:
    """A new description or picture."""

    group_uuid: str
    value: str


def parse_list(asked: Asked, _: Moment) -> Request[None]:
    """Understands a call for the groups of a number; the arguments and refusals of all these as in `Service.parse`."""
    return Request("lookup", None, as_number(asked.path["number"], "The number"))


def parse_get(asked: Asked, _: Moment) -> Request[str]:
    """Understands a call for one group."""
    group_uuid = as_group(asked.path["group_uuid"])
    return Request("lookup", group_uuid, to=group_uuid)


def parse_create(asked: Asked, moment: Moment) -> Request[NewGroup]:
    """Understands a call that makes a group."""
    body = json_object(asked.raw_body)
    sender = needed_number(body, "from_number")
    group = needed_object(body, "group")
    name, description = needed_text(group, "name", "group."), text(group, "description", "group.")
    participants = _participants(group, "group.", moment)
    return Request("group.create", NewGroup(name, description, participants), sender, numbers=participants.numbers)


def parse_change(operation: str, asked: Asked, moment: Moment) -> Request[ParticipantChange]:
    """Understands a call that changes participants.

    Args:
        operation: its name.
        asked: the request.
        moment: the world it is asked in.
    """
    group_uuid = as_group(asked.path["group_uuid"])
    body = json_object(asked.raw_body)
    sender = needed_number(body, "from_number")
    participants = _participants(body, "", moment)
    change = ParticipantChange(group_uuid, participants)
    return Request(operation, change, sender, group_uuid, participants.numbers)


def parse_description(asked: Asked, _: Moment) -> Request[Setting]:
    """Understands a call that sets a description; it may be empty."""
    group_uuid = as_group(asked.path["group_uuid"])
    body = json_object(asked.raw_body)
    sender = needed_number(body, "from_number")
    description = needed_text(body, "description") if body.get("description") is None else text(body, "description")
    return Request("group.set_description", Setting(group_uuid, description), sender, group_uuid)


def parse_picture(asked: Asked, _: Moment) -> Request[Setting]:
    """Understands a call that sets a picture."""
    group_uuid = as_group(asked.path["group_uuid"])
    body = json_object(asked.raw_body)
    sender = needed_number(body, "from_number")
    return Request("group.set_picture", Setting(group_uuid, needed_address(body, "url")), sender, group_uuid)


def _participants(body: Body, within: str, moment: Moment) -> Participants:
    given = needed_list(body, "participants", within)
    if len(given) > MOST_PARTICIPANTS:
        words = f"ensure this value has at most {MOST_PARTICIPANTS} items"
        if moment.scenario.too_many_participants_status == 400:
            raise Refused(refusal(400, f"participants: {words}"))
        raise Refused(invalid_field(f"{within}participants", words, "value_error.list.max_items"))

    numbers: dict[str, None] = {}
    malformed: dict[str, None] = {}

    for one in given:
        if not isinstance(one, str):
            raise mistyped(f"{within}participants", "str")
        number = normalized(one)
        if number is None:
            malformed[one] = None
        else:
            numbers[number] = None

    return Participants(tuple(numbers), tuple(malformed))
