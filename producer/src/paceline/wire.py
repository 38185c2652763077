"""From an operation to the provider's request. Pure: the worker's HTTP module sends what this returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.template import render


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One call of the provider.

    Args:
        method: HTTP method.
        path: below the API base.
        body: JSON object.
        endpoint: the path without variable parts, a bounded metric label.
    """

    method: str
    path: str
    body: dict[str, Any]
    endpoint: str


_SEND_MESSAGE = "/whatsapp/send-message"
_TARGET_FIELDS = {"message.to_number": "to_number", "message.to_group": "to_group_uuid"}


def request_for(kind: str, sender: str, target: str, payload: Mapping[str, Any]) -> ProviderRequest:
    """The request of one operation.

    Args:
        kind: operation kind.
        sender: E.164.
        target: number or group uuid.
        payload: as `Operation.payload` gave it.

    Returns:
        The request.

    Raises:
        KeyError: a kind this release does not know.
    """
    body = {"from_number": sender, _TARGET_FIELDS[kind]: target, **payload}
    return ProviderRequest("POST", _SEND_MESSAGE, body, _SEND_MESSAGE)


def merged(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A campaign's payload with one recipient's values put in.

    Args:
        template: the campaign's payload; its text may hold placeholders.
        values: the recipient's columns.

    Returns:
        The payload to send.

    Raises:
        InvalidOperation: a value is missing.
    """
    return dict(template) | ({"text": render(template["text"], values)} if "text" in template else {})
