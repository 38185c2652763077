"""Webhooks at the provider: which there are, which are wanted, and the calls that make the difference. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paceline.operations.requests import ProviderRequest
from paceline_worker.receipts.address import address_of, digest_of, token_in
from paceline_worker.verdict.words import handle, scalar

# Of the four the vendor documents the first three; of the official API the first two. The others are subscribed to as well.
_STEPS: Final = ("sent", "received", "read", "not-sent")
LIST: Final = ProviderRequest("GET", "/webhooks", None, "/webhooks")
_PER_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook as the provider lists it.

    Args:
        uuid: its handle.
        event: which event.
        channel: handle of the number's channel; '' when it is not told.
        url: where it goes.
    """

    uuid: str
    event: str
    channel: str
    url: str


@dataclass(frozen=True, slots=True)
class Wish:
    """One event of one number."""

    sender: str
    event: str


def events(*, waba: bool, inbound: bool = True) -> list[str]:
    """The names of the receipt events, and of the event of inbound messages, which may be opt-out words.

    Args:
        waba: of numbers of the official API.
        inbound: with that of inbound messages.
    """
    message = f"whatsapp.{'waba.' if waba else ''}message"
    return [*(f"{message}.receipt.{step}" for step in _STEPS), *([f"{message}.received"] if inbound else ())]


def numbers(page: int) -> ProviderRequest:
    """The call that lists connected numbers with their channels.

    Args:
        page: from 0.
    """
    query = {"page_number": str(page), "results_per_page": str(_PER_PAGE)}
    return ProviderRequest("GET", "/whatsapp/get-numbers", None, "/whatsapp/get-numbers", query)


def subscribe(wish: Wish, url: str) -> ProviderRequest:
    """The call that makes a webhook."""
    body = {"hook_url": url, "on_number": wish.sender}
    return ProviderRequest("POST", f"/webhooks/subscribe/{wish.event}", body, "/webhooks/subscribe/{event}")


def delete(webhook: Webhook) -> ProviderRequest:
    """The call that removes a webhook."""
    return ProviderRequest("DELETE", f"/webhooks/{webhook.uuid}", None, "/webhooks/{uuid}")


def read_webhooks(value: Mapping[str, Any]) -> list[Webhook]:
    """Read the answer to `LIST`, tolerantly: what has no handle or no address is left out."""
    found = []
    for one in _objects(value.get("webhooks")):
        params = one.get("hook_params")
        inner = params if isinstance(params, dict) else {}
        channel = next((known for name in ("waweb_uuid", "waba_uuid") if (known := handle(inner.get(name)))), "")
        uuid, url = handle(one.get("uuid")), one.get("hook_url")
        if uuid and isinstance(url, str):
            event = one.get("event_name")
            found.append(
                Webhook(uuid, event if isinstance(event, str) else "", handle(one.get("channel_uuid")) or channel, url)
            )
    return found


def read_numbers(value: Mapping[str, Any]) -> tuple[dict[str, str], bool]:
    """Read one page of connected numbers.

    Returns:
        Number (E.164) to channel; and whether another page may follow.
    """
    listed = list(_objects(value.get("numbers")))
    channels = {
        f"+{digits}": channel
        for one in listed
        if (digits := scalar(one.get("phone_number")).lstrip("+")).isdecimal() and (channel := handle(one.get("uuid")))
    }
    return channels, len(listed) >= _PER_PAGE


def token_of(webhooks: Iterable[Webhook], account: str, digest: str) -> str | None:
    """The account's token, out of an address that the provider has; state knows its digest only."""
    tokens = (token_in(webhook.url, account) for webhook in webhooks)
    return next((token for token in tokens if token and digest_of(token) == digest), None)


def stale(webhooks: Iterable[Webhook], base_url: str, account: str, token: str) -> list[Webhook]:
    """Webhooks of ours that are not wanted: with an old token, or with this one at another base.

    Another base with another token is somebody else's: of an installation beside this one, perhaps.
    """
    wanted, ours = address_of(base_url, account, token), address_of(base_url, account, "")
    return [
        webhook
        for webhook in webhooks
        if (found := token_in(webhook.url, account))
        and webhook.url != wanted
        and (found == token or webhook.url == ours + found)
    ]


def wishes(senders: Iterable[str], names: Sequence[str]) -> Iterator[Wish]:
    """Every event of every number."""
    return (Wish(sender, event) for sender in senders for event in names)


def goes_to(webhooks: Iterable[Webhook], wish: Wish, channels: Mapping[str, str]) -> list[str]:
    """The addresses that an event of a number goes to, by the provider's list.

    Args:
        webhooks: from `read_webhooks`.
        wish: which event of which number.
        channels: number to channel. Of a number without one, they are those of channels without a number: it may be any of
            them.
    """
    channel, others = channels.get(wish.sender), set(channels.values())
    return [
        one.url
        for one in webhooks
        if one.event == wish.event and (one.channel == channel if channel else one.channel not in others)
    ]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
