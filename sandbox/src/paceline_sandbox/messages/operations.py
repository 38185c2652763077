"""The operations of the provider: which method and path asks for which, and what kind of call it is (docs/provider.md, 0 and 2)."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

CallKind = Literal[
    "send", "delete", "story", "profile", "group", "waba", "sms", "check", "history", "lookup", "info", "other"
]
# Names from docs/provider.md, 0: the log shows them, and faults name them.
OperationName = Literal[
    "message.to_number",
    "message.to_group",
    "message.pin",
    "message.to_remote_id",
    "message.delete",
    "status.text",
    "status.image",
    "status.video",
    "profile.about",
    "profile.picture",
    "group.create",
    "group.add",
    "group.remove",
    "group.promote",
    "group.demote",
    "group.set_description",
    "group.set_picture",
    "waba.template",
    "waba.session_text",
    "waba.session_media",
    "waba.interactive",
    "sms.send",
    "number.check",
]
OPERATION_NAMES: Final[frozenset[str]] = frozenset(get_args(OperationName))

_READS: Final = frozenset({"history", "lookup", "info", "other"})
# These set a state that a second call sets again, or only ask: a repeat does no harm.
_REPEATABLE: Final = frozenset(
    {
        "group.promote",
        "group.demote",
        "group.set_description",
        "group.set_picture",
        "profile.about",
        "profile.picture",
        "number.check",
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of the provider.

    `name` tells it apart from all others; `path` is the pattern below the base path. Where the body decides what a call
    is, as with send-message, `name` is the kind and the log's name comes from the body.
    """

    name: str
    kind: CallKind
    method: str
    path: str

    @property
    def shown(self) -> str:
        """What the log calls it: the name of a write, the kind of a read."""
        return self.kind if self.kind in _READS else self.name

    @property
    def takes_effect(self) -> bool:
        """Whether it changes or spends something: every write, and a number check."""
        return self.kind not in _READS

    @property
    def web(self) -> bool:
        """Whether it goes through a number's WhatsApp Web channel."""
        return self.path.startswith("/whatsapp/")

    @property
    def occupies(self) -> bool:
        """Whether the sender's phone has to work on it."""
        return self.web and self.takes_effect and self.kind != "check"


def is_repeatable(name: str) -> bool:
    """Whether a second, equal call does no harm.

    Args:
        name: of the operation, as the log shows it.
    """
    return name in _REPEATABLE


UNKNOWN: Final = Operation("unknown", "other", "*", "")
NOT_ALLOWED: Final = Operation("method_not_allowed", "other", "*", "")
INFO: Final = Operation("info", "info", "GET", "/info")

OPERATIONS: Final = (
    INFO,
    Operation("send", "send", "POST", "/whatsapp/send-message"),
    Operation("conversations", "history", "GET", "/whatsapp/messages/{number}"),
    Operation("conversation", "history", "GET", "/whatsapp/messages/{number}/{remote}"),
    Operation("group_history", "history", "GET", "/whatsapp/groups/messages/{group_uuid}"),
    Operation("message.get", "lookup", "GET", "/whatsapp/message/{session_key}/{message_uuid}"),
    Operation("message.delete", "delete", "DELETE", "/whatsapp/message/{session_key}/{message_uuid}"),
    Operation("group.list", "lookup", "GET", "/whatsapp/groups/{number}"),
    Operation("group.create", "group", "POST", "/whatsapp/group/create"),
    Operation("group.get", "lookup", "GET", "/whatsapp/group/{group_uuid}"),
    Operation("group.add", "group", "POST", "/whatsapp/group/{group_uuid}/add-participant"),
    Operation("group.remove", "group", "POST", "/whatsapp/group/{group_uuid}/remove-participant"),
    Operation("group.promote", "group", "POST", "/whatsapp/group/{group_uuid}/promote-participant"),
    Operation("group.demote", "group", "POST", "/whatsapp/group/{group_uuid}/demote-participant"),
    Operation("group.set_description", "group", "POST", "/whatsapp/group/{group_uuid}/set-description"),
    Operation("group.set_picture", "group", "POST", "/whatsapp/group/{group_uuid}/set-picture"),
    Operation("number.list", "lookup", "GET", "/whatsapp/get-numbers"),
    Operation("channel.get", "lookup", "GET", "/whatsapp/channel/{channel_uuid}"),
    Operation("channel.status", "lookup", "GET", "/whatsapp/channel/{channel_uuid}/status"),
    Operation("number.check", "check", "GET", "/whatsapp/check-number/{number}/{target}"),
    Operation("profile.picture", "profile", "POST", "/whatsapp/set-profile-picture/{number}"),
    Operation("profile.about", "profile", "POST", "/whatsapp/set-status/{number}"),
    Operation("status.text", "story", "POST", "/whatsapp/set-text-status/{number}"),
    Operation("status.image", "story", "POST", "/whatsapp/set-image-status/{number}"),
    Operation("status.video", "story", "POST", "/whatsapp/set-video-status/{number}"),
    Operation("waba", "waba", "POST", "/waba/send-message"),
    Operation("template.list", "lookup", "GET", "/waba/templates"),
    Operation("template.sync", "lookup", "POST", "/waba/templates/sync"),
    Operation("window.get", "lookup", "GET", "/waba/conversation-window/{number}/{remote}"),
    Operation("waba_number.list", "lookup", "GET", "/waba/numbers"),
    Operation("sms.send", "sms", "POST", "/sms/send"),
    Operation("webhook.list", "other", "GET", "/webhooks"),
    Operation("webhook.channel_list", "other", "GET", "/webhooks/channel/{channel_uuid}"),
    Operation("webhook.subscribe", "other", "POST", "/webhooks/subscribe/{event}"),
    Operation("webhook.delete", "other", "DELETE", "/webhooks/{uuid}"),
)
