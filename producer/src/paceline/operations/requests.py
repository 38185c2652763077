"""From an operation to the provider's next request. Pure: the worker's HTTP module sends what this returns.

An operation is one call, or several: a group of 37 is one creation and three additions, and a deletion first asks for the
sender's channel. What earlier calls brought is the operation's result; the next call follows from it alone, so a worker
that takes over goes on where the last answer was recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from paceline.errors import InvalidOperation
from paceline.ids import is_id
from paceline.kinds import KINDS
from paceline.operations.groups import PARTICIPANTS_A_CALL
from paceline.template import filled

NUMBERS_A_PAGE: Final = 200
_OF_A_ROW: Final = ("message_uuid",)

Step = Literal["only", "channel", "conversation", "create", "participants"]


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One call of the provider.

    Args:
        method: HTTP method.
        path: below the API base.
        body: JSON object, or None.
        endpoint: the path without variable parts, a bounded metric label.
        query: parameters of the query.
        step: which of the operation's calls it is.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None
    endpoint: str
    query: Mapping[str, str] = field(default_factory=dict)
    step: Step = "only"


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of the operation that another one follows.

    Args:
        uuid: the provider's handle of what it made or sent.
        target: whom it was about.
        result: its result.
    """

    uuid: str
    target: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """An operation as state holds it.

    Args:
        kind: operation kind.
        sender: E.164.
        target: number, group, remote id, or the id of the operation that it follows.
        payload: as `Operation.payload` gave it.
        result: what its earlier calls brought.
        followed: the operation it follows, settled and accepted; None when it follows none.
        channel: the sender's channel at the provider, when known.
    """

    kind: str
    sender: str
    target: str
    payload: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    followed: Followed | None = None
    channel: str = ""

    @property
    def group(self) -> str:
        """The group it is about: named, made by the operation it follows, or made by this operation."""
        if self.kind == "group.create":
            return str(self.result.get("group_uuid", ""))
        return self.recipient

    @property
    def recipient(self) -> str:
        """Whom the provider is told, once the operation that was followed has a result."""
        if self.followed and is_id(self.target):
            return self.followed.uuid
        return self.target


def request_for(work: Work) -> ProviderRequest:
    """The next request of an operation.

    Args:
        work: the operation.

    Returns:
        The request.

    Raises:
        KeyError: a kind this release does not know, or a payload that lacks something.
        InvalidOperation: the operation that it follows did not bring what it needs.
    """
    kind = work.kind
    if kind.startswith("message.") and kind != "message.delete":
        return _post(kind, {"from_number": work.sender, **_addressed(work.recipient), **work.payload})
    if kind == "message.delete":
        return _deletion(work)
    if kind.startswith(("status.", "profile.")):
        return _post(kind, dict(work.payload), sender=work.sender)

    if kind == "group.create" and not work.group:
        first = work.payload["participants"][:PARTICIPANTS_A_CALL]
        return _post(
            kind, {"from_number": work.sender, "group": {**work.payload, "participants": first}}, step="create"
        )

    if "participants" in work.payload:
        return _change_of_participants(work)
    if kind.startswith("group."):
        return _post(kind, {"from_number": work.sender, **work.payload}, target=work.group)

    if kind == "number.check":
        path = _filled(kind, sender=work.sender, target=work.target)
        query = {"extra-information": "true"} if work.payload.get("extra_information") else {}
        return ProviderRequest("GET", path, None, KINDS[kind].path, query)

    return _post(kind, {"from_number": work.sender, "to_number": work.target, **work.payload})


def participants_of_this_call(work: Work) -> list[str]:
    """The numbers that the next call of an operation with participants is about."""
    done = int(work.result.get("calls", 0)) * PARTICIPANTS_A_CALL
    return list(work.payload["participants"][done : done + PARTICIPANTS_A_CALL])


def merged(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A campaign's payload with one recipient's values put in.

    Args:
        template: the campaign's payload; its texts and its addresses may hold placeholders.
        values: the recipient's columns.

    Returns:
        The payload to send.

    Raises:
        InvalidOperation: a value is missing.
    """
    # What a row brings besides values of the template is for its call alone: which message is to be deleted.
    own = {name: values[name] for name in _OF_A_ROW if name in values}
    return dict(filled(template, values)) | own


def session_key(channel: str, conversation: str) -> str:
    """The provider's name of a conversation of the WhatsApp Web channel (docs/provider.md, 2).

    Args:
        channel: the sender's ``WPN...``.
        conversation: a number, a remote id, or a group's WhatsApp id, which ends in ``@g.us``.
    """
    return f"WW-{channel}-{conversation}" if "@" in conversation else f"WW-{channel}-{conversation.lstrip('+')}@c.us"


def _filled(kind: str, **parts: str) -> str:
    """The path of a kind, in which no part ends early, begins a query or leads elsewhere."""
    return KINDS[kind].path.format(**{name: _escaped(part) for name, part in parts.items()})


def _escaped(part: str) -> str:
    return quote(part, safe="+@").replace(".", "%2E") if part.strip(".") == "" else quote(part, safe="+@")


def _post(kind: str, body: Mapping[str, Any], *, step: Step = "only", **parts: str) -> ProviderRequest:
    return ProviderRequest("POST", _filled(kind, **parts), body, KINDS[kind].path, step=step)


def _addressed(target: str) -> dict[str, str]:
    if target.startswith("+"):
        return {"to_number": target}
    return {"to_remote_id": target} if target.endswith("@lid") else {"to_group_uuid": target}


def _change_of_participants(work: Work) -> ProviderRequest:
    """Ten participants of a change, or of those that did not fit into the creation of a group."""
    kind = "group.add" if work.kind == "group.create" else work.kind
    body = {"from_number": work.sender, "participants": participants_of_this_call(work)}
    return _post(kind, body, step="participants", target=work.group)


def _deletion(work: Work) -> ProviderRequest:
    """Ask for the sender's channel, for a group's WhatsApp id if it is one, then delete."""
    conversation, uuid = work.target, work.payload.get("message_uuid", "")
    if work.followed:
        uuid = work.followed.uuid
        conversation = str(work.followed.result.get("recipient", work.followed.target))

    # Of anything else the provider could only say that it is not there, after calls that look for it.
    if not uuid.startswith("MSG"):
        raise InvalidOperation("message: the operation that sent it has no message uuid")

    channel = work.channel or str(work.result.get("channel", ""))
    if not channel:
        page = str(work.result.get("page", 0))
        query = {"status": "all", "page_number": page, "results_per_page": str(NUMBERS_A_PAGE)}
        return ProviderRequest("GET", "/whatsapp/get-numbers", None, "/whatsapp/get-numbers", query, "channel")

    if conversation.startswith("W"):
        group = str(work.result.get("wa_group_id", ""))
        if not group:
            path = f"/whatsapp/group/{_escaped(conversation)}"
            return ProviderRequest("GET", path, None, "/whatsapp/group/{target}", step="conversation")
        conversation = group

    path = _filled(work.kind, session_key=session_key(channel, conversation), message_uuid=uuid)
    return ProviderRequest("DELETE", path, None, KINDS[work.kind].path)
