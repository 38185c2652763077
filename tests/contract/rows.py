"""The table: each request that Paceline makes of the provider, and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    Pin,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
)
from paceline.kinds import KINDS
from paceline.operations import Interactive, ListRow, ListSection, ReplyButton, UrlButton
from paceline.operations.requests import ProviderRequest, Work, request_for
from paceline_worker.accounts.info import INFO
from paceline_worker.verdict.meaning import Meaning
from paceline_worker.verdict.reconcile import lookup_for
from tests.contract import shapes
from tests.contract.service import UNKNOWN_GROUP, UNKNOWN_MESSAGE, Service

FINISHED: Final = ("finish", "accepted")
STEP: Final = ("step", "")


@dataclass(frozen=True)
class Row:
    """One request that is answered.

    Args:
        name: of the test.
        work: the operation, as a worker has it when it makes this call.
        endpoint: method and path, without variable parts.
        shape: of the answer's body.
        verdict: verb and outcome of what the worker makes of it.
        uuid: how the handle begins that the worker takes from it.
        brings: names in the operation's result.
        needs: what must be given.
        looks_up: whether it is the look-up of an unknown outcome.
        guessed: True if docs/provider.md has no body; then only ``success`` is asked of the real service.
    """

    name: str
    work: Callable[[Service], Work]
    endpoint: str
    shape: type[shapes.Body]
    verdict: tuple[str, str] = FINISHED
    uuid: str = ""
    brings: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    looks_up: bool = False
    guessed: bool = False

    @property
    def kind(self) -> str:
        return self.name.split(" ", maxsplit=1)[0]

    def request(self, work: Work) -> ProviderRequest:
        return lookup_for(work) if self.looks_up else request_for(work)


@dataclass(frozen=True)
class Wrong:
    """One request that is refused.

    Args:
        name: of the test.
        request: what is asked.
        statuses: any of them.
        meaning: what the worker reads in it.
        key: instead of the account's.
    """

    name: str
    request: Callable[[Service], ProviderRequest]
    statuses: frozenset[int]
    meaning: Meaning = Meaning.REJECTED
    key: str | None = None


def row(kind: str, shape: type[shapes.Body], model: type[Operation], more: str = "", **how: Any) -> Row:
    """The only call of an operation; `fields` gives its arguments."""
    fields: Callable[[Service], Mapping[str, Any]] = how.pop("fields")
    name, endpoint = f"{kind} {more}".strip(), f"{KINDS[kind].method} {KINDS[kind].path}"
    return Row(name, lambda service: service.work(model, **fields(service)), endpoint, shape, **how)


def message(kind: str, fields: Callable[[Service], Mapping[str, Any]], more: str = "", *needs: str) -> Row:
    return row(kind, shapes.Sent, SendMessage, more, fields=fields, uuid="MSG", needs=needs)


def change(kind: str, model: type[Operation], shape: type[shapes.Body], *, guessed: bool = False) -> Row:
    def fields(service: Service) -> Mapping[str, Any]:
        return {"group": service.group, "participants": [service.given.to]}

    brings = frozenset({"numbers", "calls"})
    return row(kind, shape, model, fields=fields, brings=brings, guessed=guessed)


def waba(kind: str, model: type[Operation], more: str = "", *needs: str, **content: Any) -> Row:
    def fields(service: Service) -> Mapping[str, Any]:
        told = {name: value(service) if callable(value) else value for name, value in content.items()}
        return {"sender": service.given.waba_from, "to": service.given.to, **told}

    return row(kind, shapes.Sent, model, more, fields=fields, uuid="MSG", needs=("waba_from", *needs))


def to_number(service: Service) -> Work:
    return service.work(SendMessage, to=service.given.to, text="Contract")


def to_group(service: Service) -> Work:
    return service.work(SendMessage, group=service.group, text="Contract")


def new_group(service: Service) -> Work:
    return service.work(CreateGroup, name="Paceline contract", participants=[service.given.to], description="A test")


def deletion(service: Service) -> Work:
    uuid = service.sent_message(to=service.given.to)
    work = service.work(DeleteMessage, message=uuid, to=service.given.to)
    return replace(work, channel=service.channel)


def deletion_in_group(service: Service) -> Work:
    work = service.work(DeleteMessage, message=UNKNOWN_MESSAGE, group=service.group)
    return replace(work, channel=service.channel)


MESSAGE: Final = "POST /whatsapp/send-message"
DELETION: Final = f"{KINDS['message.delete'].method} {KINDS['message.delete'].path}"

ROWS: Final = (
    message("message.to_number", lambda s: {"to": s.given.to, "text": "Contract"}, "text"),
    message(
        "message.to_number",
        lambda s: {"to": s.given.to, "text": "Contract", "url": s.given.picture},
        "picture with caption",
        "picture",
    ),
    message("message.to_group", lambda s: {"group": s.group, "text": "Contract"}),
    message("message.to_remote_id", lambda s: {"remote_id": s.given.remote_id, "text": "Contract"}, "", "remote_id"),
    message(
        "message.pin",
        lambda s: {"to": s.given.to, "pin": Pin(latitude=52.52, longitude=13.405, name="Here", address="A street")},
    ),
    Row("message.delete", deletion, DELETION, shapes.Deleted, uuid="MSG"),
    Row(
        "message.delete asks for the channel",
        lambda s: s.work(DeleteMessage, message=UNKNOWN_MESSAGE, to=s.given.to),
        "GET /whatsapp/get-numbers",
        shapes.Numbers,
        verdict=STEP,
        brings=frozenset({"channel"}),
    ),
    Row(
        "message.delete asks for the group",
        deletion_in_group,
        "GET /whatsapp/group/{target}",
        shapes.OneGroup,
        verdict=STEP,
        brings=frozenset({"wa_group_id"}),
    ),
    row(
        "status.text",
        shapes.Success,
        PostStory,
        fields=lambda _: {"text": "Contract", "background_color": "#205081", "font": 1},
    ),
    row(
        "status.image",
        shapes.Success,
        PostStory,
        fields=lambda s: {"image_url": s.given.picture},
        needs=("picture",),
    ),
    row("status.video", shapes.Success, PostStory, fields=lambda s: {"video_url": s.given.video}, needs=("video",)),
    row("profile.about", shapes.Batched, SetAbout, fields=lambda _: {"text": "Contract"}),
    row(
        "profile.picture",
        shapes.Batched,
        SetProfilePicture,
        fields=lambda s: {"url": s.given.picture},
        needs=("picture",),
    ),
    row("profile.picture", shapes.Batched, SetProfilePicture, "is removed", fields=lambda _: {"url": None}),
    Row(
        "group.create",
        new_group,
        "POST /whatsapp/group/create",
        shapes.Created,
        uuid="W",
        brings=frozenset({"numbers", "calls", "group_uuid", "wa_group_id"}),
    ),
    change("group.add", AddParticipants, shapes.Added),
    change("group.remove", RemoveParticipants, shapes.Changed),
    change("group.promote", PromoteParticipants, shapes.Changed, guessed=True),
    change("group.demote", DemoteParticipants, shapes.Changed, guessed=True),
    row(
        "group.set_description",
        shapes.Success,
        SetGroupDescription,
        fields=lambda s: {"group": s.group, "description": "Contract"},
    ),
    row(
        "group.set_picture",
        shapes.Success,
        SetGroupPicture,
        fields=lambda s: {"group": s.group, "url": s.given.picture},
        needs=("picture",),
    ),
    waba("waba.template", SendTemplate, "", "template", template=lambda s: s.given.template),
    waba("waba.session_text", SendWaba, text="Contract"),
    waba("waba.session_media", SendWaba, "", "picture", url=lambda s: s.given.picture),
    waba(
        "waba.interactive",
        SendWaba,
        "buttons",
        interactive=Interactive(body="Contract?", footer="Now", buttons=(ReplyButton(id="y", label="Yes"),)),
    ),
    waba(
        "waba.interactive",
        SendWaba,
        "list",
        interactive=Interactive(
            body="Contract?", list_label="Choose", sections=(ListSection(rows=(ListRow(id="1", title="One"),)),)
        ),
    ),
    waba(
        "waba.interactive",
        SendWaba,
        "address",
        interactive=Interactive(body="Contract?", url_button=UrlButton(label="Go", url="https://example.com/")),
    ),
    row(
        "sms.send",
        shapes.SmsSent,
        SendSms,
        fields=lambda s: {"sender": s.given.sms_from, "to": s.given.to, "text": "Contract"},
        uuid="MSG",
        needs=("sms_from",),
    ),
    row(
        "number.check",
        shapes.Checked,
        CheckNumber,
        fields=lambda s: {"number": s.given.to},
        brings=frozenset({"check"}),
    ),
    row(
        "number.check",
        shapes.Checked,
        CheckNumber,
        "with extra information",
        fields=lambda s: {"number": s.given.to, "extra_information": True},
        brings=frozenset({"check"}),
    ),
    Row(
        "message.to_number is looked up",
        to_number,
        "GET /whatsapp/messages/{sender}/{recipient}",
        shapes.Messages,
        verdict=("looked", ""),
        looks_up=True,
    ),
    Row(
        "message.to_group is looked up",
        to_group,
        "GET /whatsapp/groups/messages/{group}",
        shapes.Messages,
        verdict=("looked", ""),
        looks_up=True,
    ),
    Row(
        "group.create is looked up",
        new_group,
        "GET /whatsapp/groups/{sender}",
        shapes.Groups,
        verdict=("looked", "held"),
        looks_up=True,
    ),
)


def spoilt(work: Callable[[Service], Work], **fields: Any) -> Callable[[Service], ProviderRequest]:
    """What Paceline would send, made wrong: its own models refuse to."""

    def make(service: Service) -> ProviderRequest:
        request = request_for(work(service))
        return replace(request, body={**(request.body or {}), **fields})

    return make


def eleven(_: Service) -> list[str]:
    return [f"+1555010{number:04d}" for number in range(11)]


def eleven_at_once(service: Service) -> ProviderRequest:
    return spoilt(new_group, group={"name": "Contract", "participants": eleven(service)})(service)


def eleven_more(service: Service) -> ProviderRequest:
    add = service.work(AddParticipants, group=service.group, participants=[service.given.to])
    return spoilt(lambda _: add, participants=eleven(service))(service)


def unknown_message(service: Service) -> ProviderRequest:
    return request_for(
        replace(service.work(DeleteMessage, message=UNKNOWN_MESSAGE, to=service.given.to), channel=service.channel)
    )


MALFORMED: Final = frozenset({400, 422})
ABSENT: Final = frozenset({404})

WRONGS: Final = (
    Wrong("an empty key", lambda _: INFO, frozenset({401, 403}), Meaning.BAD_KEY, key=""),
    Wrong("a wrong key", lambda _: INFO, frozenset({401}), Meaning.BAD_KEY, key="UAK-not-a-key"),
    Wrong("two targets", spoilt(to_number, to_group_uuid=UNKNOWN_GROUP), MALFORMED),
    Wrong("no content", spoilt(to_number, text=None), MALFORMED),
    Wrong("a malformed number", spoilt(to_number, to_number="+12"), MALFORMED),
    Wrong("a malformed sender", spoilt(to_number, from_number="us"), MALFORMED),
    Wrong("eleven participants at once", eleven_at_once, MALFORMED),
    Wrong("eleven participants more", eleven_more, MALFORMED),
    Wrong(
        "a group that is not there", lambda s: request_for(replace(deletion_in_group(s), target=UNKNOWN_GROUP)), ABSENT
    ),
    Wrong("a message that is not there", unknown_message, ABSENT),
)
