"""What is known of each kind of operation: its call, and what may be done when nobody knows whether the call took effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from paceline.operations import OnUnknown

# How `reconcile` finds out whether a call of unknown outcome took effect (docs/provider.md, 5):
#   history  read the conversation: found is accepted, absent twice is sent again
#   groups   read the sender's groups: found is accepted; absent decides nothing, because a new group shows late: held
#   repeat   the call sets a state or only reads, so it is made again
#   hold     nothing tells: held for a person
Resolution = Literal["history", "groups", "repeat", "hold"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of operation.

    Args:
        method: HTTP method.
        path: below the API base, with ``{sender}``, ``{target}`` and the like; also the bounded label of metrics.
        resolution: of unknown outcomes under ``on_unknown="reconcile"``.
        repeating: what a repeated call does at the provider, in words.
    """

    method: str
    path: str
    resolution: Resolution
    repeating: str


_TWICE: Final = "sends a second one"
_SETS: Final = "harmless: sets the same state"


def _message(resolution: Resolution = "history") -> Kind:
    return Kind("POST", "/whatsapp/send-message", resolution, _TWICE)


def _waba() -> Kind:
    return Kind("POST", "/waba/send-message", "hold", _TWICE)


def _participants(verb: str, repeating: str) -> Kind:
    return Kind("POST", f"/whatsapp/group/{{target}}/{verb}-participant", "repeat", repeating)


KINDS: Final[dict[str, Kind]] = {
    "message.to_number": _message(),
    "message.to_group": _message(),
    "message.to_remote_id": _message(),
    "message.pin": _message(),
    "message.delete": Kind(
        "DELETE",
        "/whatsapp/message/{session_key}/{message_uuid}",
        "repeat",
        "harmless: the message is gone, which counts as done",
    ),
    "status.text": Kind("POST", "/whatsapp/set-text-status/{sender}", "hold", "posts a second one"),
    "status.image": Kind("POST", "/whatsapp/set-image-status/{sender}", "hold", "posts a second one"),
    "status.video": Kind("POST", "/whatsapp/set-video-status/{sender}", "hold", "posts a second one"),
    "profile.about": Kind("POST", "/whatsapp/set-status/{sender}", "repeat", _SETS),
    "profile.picture": Kind("POST", "/whatsapp/set-profile-picture/{sender}", "repeat", _SETS),
    "group.create": Kind("POST", "/whatsapp/group/create", "groups", "makes a second group"),
    "group.add": _participants("add", "may send invitations again"),
    "group.remove": _participants("remove", "harmless, but reports the numbers as not in the group"),
    "group.promote": _participants("promote", _SETS),
    "group.demote": _participants("demote", _SETS),
    "group.set_description": Kind("POST", "/whatsapp/group/{target}/set-description", "repeat", _SETS),
    "group.set_picture": Kind("POST", "/whatsapp/group/{target}/set-picture", "repeat", _SETS),
    "waba.template": _waba(),
    "waba.session_text": _waba(),
    "waba.session_media": _waba(),
    "waba.interactive": _waba(),
    "sms.send": Kind("POST", "/sms/send", "hold", _TWICE),
    "number.check": Kind("GET", "/whatsapp/check-number/{sender}/{target}", "repeat", "harmless: it only reads"),
}

# What settle.lua does with an unknown outcome: look it up, repeat it, or hold it.
_LETTERS: Final[dict[Resolution, str]] = {"history": "l", "groups": "l", "repeat": "r", "hold": "h"}


def unknown_letter(kind: str, on_unknown: OnUnknown) -> str:
    """What becomes of an operation whose call has an unknown outcome, as state holds it.

    Args:
        kind: operation kind.
        on_unknown: the operation's own policy.

    Returns:
        ``l`` look it up, ``r`` repeat the call, ``h`` hold it.
    """
    found = KINDS[kind]
    if found.method == "GET" or on_unknown == "resend":
        return "r"
    return "h" if on_unknown == "hold" else _LETTERS[found.resolution]
