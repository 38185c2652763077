"""The calls about groups: what they do and what they answer (docs/provider.md, 2.2)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.bodies import Refused
from paceline_sandbox.calls import Moment, Request, Service
from paceline_sandbox.clock import SECOND_US
from paceline_sandbox.faults.scenario import microseconds
from paceline_sandbox.groups.groups import Group, GroupBook
from paceline_sandbox.groups.participants import ADDED, ALREADY_THERE, Verdict, refusal_of
from paceline_sandbox.groups.requests import (
    NewGroup,
    ParticipantChange,
    Setting,
    parse_change,
    parse_create,
    parse_description,
    parse_get,
    parse_list,
    parse_picture,
)
from paceline_sandbox.groups.views import group_object, participant_objects
from paceline_sandbox.messages.history import wa_group_id

# What becomes of one number: True when it is accepted.
_Step = Callable[[Group, str, int], bool]
_STEPS: Final[Mapping[str, _Step]] = {
    "group.remove": Group.remove,
    "group.promote": partial(Group.set_admin, admin=True),
    "group.demote": partial(Group.set_admin, admin=False),
}


class GroupCalls:
    """Serves everything about groups.

    Args:
        book: where groups are kept.
    """

    def __init__(self, book: GroupBook) -> None:
        self._book = book

    def services(self) -> Mapping[str, Service[Any]]:
        """Who serves what, by the operation's name."""
        return {
            "group.list": Service(parse_list, self._list),
            "group.get": Service(parse_get, self._get),
            "group.create": Service(parse_create, self._create),
            "group.add": Service(partial(parse_change, "group.add"), self._add),
            **{name: Service(partial(parse_change, name), self._change) for name in _STEPS},
            "group.set_description": Service(parse_description, self._set_description),
            "group.set_picture": Service(parse_picture, self._set_picture),
        }

    def check(self, group_uuid: str, moment: Moment) -> None:
        """Looks whether a group may be written to or read at this moment.

        Args:
            group_uuid: a well-formed group id.
            moment: the world it is asked in.

        Raises:
            Refused: the group is unknown and may not be, or too young to be seen: 404.
        """
        group = self._book.find(group_uuid)
        if _hidden(group, moment) if group else not moment.scenario.accept_unknown_groups:
            raise Refused(refusal(404, "The group was not found"))

    def _list(self, request: Request[None], moment: Moment) -> Answer:
        now_us = moment.now_us
        visible = [group for group in self._book if not _hidden(group, moment)]
        mine = [group for group in visible if request.sender in group.shown_members(now_us)]
        return Answer(200, {"success": True, "data": [group_object(group, now_us) for group in mine]})

    def _get(self, request: Request[str], moment: Moment) -> Answer:
        group = self._book.find(request.content)
        if group is None or _hidden(group, moment):
            return refusal(404, "The group was not found")
        shown = group_object(group, moment.now_us)
        shown["participants"] = participant_objects(group, moment.now_us)
        return Answer(200, {"success": True, "data": shown})

    def _create(self, request: Request[NewGroup], moment: Moment) -> Answer:
        new, sender, most = request.content, request.sender or "", moment.scenario.groups_per_day
        if most and self._book.made_today(sender, moment.now_us) >= most:
            return refusal(400, f"WhatsApp lets the number make no more than {most} groups a day")
        group_uuid = moment.new_id("WAG")
        group = Group(group_uuid, wa_group_id(group_uuid), new.name, sender, moment.now_us)
        group.description = new.description
        verdicts = {number: _joined(group, number, moment) for number in new.participants.numbers if number != sender}
        group.publish(moment.now_us, 0)
        self._book.add(group)
        creator = {sender: {**Verdict(ADDED).shown(), "isGroupCreator": True}}
        made: JsonObject = {
            "name": group.name,
            "wa_group_id": group.wa_group_id,
            "participants": creator
            | {number: {**verdict.shown(), "isGroupCreator": False} for number, verdict in verdicts.items()},
            "accepted_numbers": [number for number, verdict in verdicts.items() if verdict.accepted],
            "unaccepted_numbers": [*_unaccepted(verdicts), *new.participants.malformed],
            "uuid": group_uuid,
        }
        return Answer(200, {"success": True, "group": made})

    def _add(self, request: Request[ParticipantChange], moment: Moment) -> Answer:
        change, where = request.content, moment.scenario.add_refusals_in
        group = self._written(change.group_uuid, request, moment)
        verdicts = {number: _joined(group, number, moment) for number in change.participants.numbers}
        _publish(group, moment)
        participants: JsonObject = {number: verdict.shown() for number, verdict in verdicts.items()}
        body: JsonObject = {"success": True, "participants": participants}
        unaccepted = [*_unaccepted(verdicts), *change.participants.malformed]
        # The sample, of a call without refusals, has no such list; its place is unknown otherwise.
        if unaccepted and where != "nowhere":
            (body if where == "top" else participants)["unaccepted_numbers"] = unaccepted
        return Answer(200, body)

    def _change(self, request: Request[ParticipantChange], moment: Moment) -> Answer:
        change, step = request.content, _STEPS[request.operation]
        group = self._written(change.group_uuid, request, moment)
        accepted: list[str] = []
        unaccepted: list[str] = []
        for number in change.participants.numbers:
            refused = refusal_of(number, moment.scenario) is not None
            (unaccepted if refused or not step(group, number, moment.now_us) else accepted).append(number)
        _publish(group, moment)
        participants: JsonObject = {
            "timestamp": moment.now_us // SECOND_US,
            "accepted_numbers": accepted,
            "unaccepted_numbers": [*unaccepted, *change.participants.malformed],
        }
        return Answer(200, {"success": True, "participants": participants})

    def _set_description(self, request: Request[Setting], moment: Moment) -> Answer:
        group = self._written(request.content.group_uuid, request, moment)
        group.description, group.updated_us = request.content.value, moment.now_us
        return Answer(200, {"success": True})

    def _set_picture(self, request: Request[Setting], moment: Moment) -> Answer:
        group = self._written(request.content.group_uuid, request, moment)
        group.picture, group.updated_us = request.content.value, moment.now_us
        return Answer(200, {"success": True})

    def _written(self, group_uuid: str, request: Request[Any], moment: Moment) -> Group:
        """The group that a call changes; an unknown group counts as made elsewhere and is created here."""
        self.check(group_uuid, moment)
        group = self._book.find(group_uuid)
        if group is None:
            name, owner = "A group made elsewhere", request.sender or ""
            group = Group(group_uuid, wa_group_id(group_uuid), name, owner, moment.now_us, assumed=True)
            self._book.add(group)
        return group


def _hidden(group: Group, moment: Moment) -> bool:
    lag_us = microseconds(moment.scenario.group_lag_seconds, "seconds")
    return not group.assumed and moment.now_us < group.created_us + lag_us


def _publish(group: Group, moment: Moment) -> None:
    group.publish(moment.now_us, microseconds(moment.scenario.participant_lag_seconds, "seconds"))


def _joined(group: Group, number: str, moment: Moment) -> Verdict:
    """Adds a number to a group if nothing speaks against it."""
    refused = refusal_of(number, moment.scenario)
    if refused is not None:
        return refused
    return Verdict(ADDED if group.add(number, moment.now_us) else ALREADY_THERE)


def _unaccepted(verdicts: Mapping[str, Verdict]) -> list[str]:
    return [number for number, verdict in verdicts.items() if not verdict.accepted]
