"""Addresses of receipts: tokens, what opens what, and which webhooks at the provider are ours."""

import pytest

from paceline.errors import InvalidOperation
from paceline_worker.receipts.address import address_of, checked_base, digest_of, new_token, opens, token_in
from paceline_worker.receipts.hooks import (
    Webhook,
    Wish,
    events,
    goes_to,
    read_numbers,
    read_webhooks,
    stale,
    subscribe,
    token_of,
)

BASE = "https://hooks.example.com"
TOKEN, OTHER = "t" * 43, "u" * 43
ADDRESS = f"{BASE}/receipts/acme/{TOKEN}"


def test_tokens_are_long_and_never_the_same() -> None:
    """32 random bytes, in characters that an address may have."""
    tokens = {new_token() for _ in range(100)}
    assert 100 == len(tokens)
    assert {43} == {len(token) for token in tokens}
    assert all(token_in(address_of(BASE, "acme", token), "acme") == token for token in tokens)


@pytest.mark.parametrize(
    ("expected", "token", "digest"),
    [
        (True, TOKEN, digest_of(TOKEN)),
        (False, OTHER, digest_of(TOKEN)),
        (False, digest_of(TOKEN), digest_of(TOKEN)),
        (False, "", digest_of(TOKEN)),
        (False, "", digest_of("")),
        (False, "", ""),
        (False, "", "-" * 64),
        (False, TOKEN, ""),
        (False, "\ud800", digest_of(TOKEN)),
        (False, "ü" * 43, digest_of(TOKEN)),
        (False, TOKEN * 4, digest_of(TOKEN * 4)),
    ],
)
def test_only_its_token_opens_an_account(expected: bool, token: str, digest: str) -> None:
    """Not its digest, not an empty one; nothing that may be sent is too strange to be refused."""
    assert expected == opens(token, digest)


@pytest.mark.parametrize(
    ("expected", "address", "account"),
    [
        (TOKEN, ADDRESS, "acme"),
        (TOKEN, f"http://10.0.0.1:9810/inner/receipts/acme/{TOKEN}", "acme"),
        ("", ADDRESS, "acm"),
        ("", ADDRESS, "me"),
        ("", f"{ADDRESS}/x", "acme"),
        ("", f"{ADDRESS}?x=1", "acme"),
        ("", f"{BASE}/receipts/acme/", "acme"),
        ("", "", "acme"),
    ],
)
def test_a_token_is_found_in_an_address_of_its_account(expected: str, address: str, account: str) -> None:
    """Whatever its base; in no other address."""
    assert expected == token_in(address, account)


@pytest.mark.parametrize("text", [BASE, f"{BASE}/", f"{BASE}//", "http://127.0.0.1:9810", f"{BASE}/paceline/"])
def test_a_base_loses_its_last_slash(text: str) -> None:
    """Whoever writes it."""
    assert text.rstrip("/") == checked_base(text)


@pytest.mark.parametrize(
    "text",
    ["", "hooks.example.com", "ftp://x", "https://", "https://x:port", "https://[", "https://a b", "https://ü.de"],
)
def test_what_is_no_base_is_refused(text: str) -> None:
    """One sentence that names the option."""
    with pytest.raises(InvalidOperation, match=r"^--base-url: is not an address"):
        checked_base(text)


@pytest.mark.parametrize("text", [f"{BASE}?x=1", f"{BASE}#x", f"{BASE}/?", "https://u:p@x"])
def test_a_base_that_no_path_can_follow_is_refused(text: str) -> None:
    """A query, a fragment, a user."""
    with pytest.raises(InvalidOperation, match=r"^--base-url: has a user"):
        checked_base(text)


def hook(url: str, uuid: str = "WHK1", event: str = "whatsapp.message.receipt.read", channel: str = "WPN1") -> Webhook:
    return Webhook(uuid, event, channel, url)


def test_webhooks_are_read_tolerantly() -> None:
    """The channel stands in two places; what has no handle or no address is left out."""
    inner = {"uuid": "WHK2", "event_name": 5, "hook_url": "x", "hook_params": {"waweb_uuid": "WPN2"}}
    listed = [
        {"uuid": "WHK1", "event_name": "a", "hook_url": "y", "channel_uuid": "WPN1", "hook_params": None},
        inner, {"uuid": "a/b", "hook_url": "z"}, {"uuid": "WHK3"}, None,
    ]  # fmt: skip
    assert [Webhook("WHK1", "a", "WPN1", "y"), Webhook("WHK2", "", "WPN2", "x")] == read_webhooks({"webhooks": listed})
    assert [] == read_webhooks({}) == read_webhooks({"webhooks": 5})


def test_numbers_are_read_with_their_channels() -> None:
    """With and without a plus; 200 of them may not be all."""
    listed = [
        {"uuid": "WPN1", "phone_number": "+15550100001"},
        {"uuid": "WPN2", "phone_number": "15550100002"},
        {"uuid": 5},
    ]
    expected = {"+15550100001": "WPN1", "+15550100002": "WPN2"}
    assert (expected, False) == read_numbers({"numbers": listed})
    assert ({}, False) == read_numbers({})
    assert read_numbers({"numbers": [{}] * 200})[1]


def test_the_token_is_known_by_its_digest() -> None:
    """Out of the address that the provider has."""
    listed = [hook("https://else.example"), hook(f"{BASE}/receipts/acme/{OTHER}"), hook(ADDRESS)]
    assert TOKEN == token_of(listed, "acme", digest_of(TOKEN))
    assert token_of(listed, "acme", digest_of("x")) is None
    assert token_of(listed, "other", digest_of(TOKEN)) is None


def test_old_webhooks_of_ours_are_stale_and_others_are_not() -> None:
    """Ours: at this base with another token, or with this token at another base. Nobody else's is touched."""
    old, moved = hook(f"{BASE}/receipts/acme/{OTHER}"), hook(f"https://old.example/receipts/acme/{TOKEN}")
    others = [
        hook(ADDRESS), hook("https://crm.example/hook"), hook(f"{BASE}/receipts/other/{OTHER}"),
        hook(f"https://staging.example/receipts/acme/{OTHER}"),
    ]  # fmt: skip
    assert [old, moved] == stale([others[0], old, *others[1:], moved], BASE, "acme", TOKEN)


def test_where_an_event_of_a_number_goes_to() -> None:
    """By the number's channel; one that the provider does not list may have any channel that no other number has."""
    wish, event = Wish("+15550100001", "whatsapp.message.receipt.read"), "whatsapp.message.receipt.sent"
    listed = [hook("a"), hook("b", channel="WPN2"), hook("c", event=event), hook("d", channel="")]
    assert ["a"] == goes_to(listed, wish, {"+15550100001": "WPN1"})
    assert ["b", "d"] == goes_to(listed, wish, {"+15550100002": "WPN1"})
    assert [] == goes_to(listed, wish, {"+15550100001": "WPN3"})


def test_the_calls_are_those_of_the_reference() -> None:
    """The event is in the path, the number in the body; the metric's label is bounded."""
    *receipts, inbound = events(waba=False)
    assert ["sent", "received", "read", "not-sent"] == [name.rpartition(".")[2] for name in receipts]
    assert "whatsapp.message.received" == inbound
    assert all(name.startswith("whatsapp.waba.message.rece") for name in events(waba=True))
    request = subscribe(Wish("+15550100001", events(waba=False)[0]), ADDRESS)
    assert ("POST", "/webhooks/subscribe/whatsapp.message.receipt.sent") == (request.method, request.path)
    assert {"hook_url": ADDRESS, "on_number": "+15550100001"} == request.body
    assert "/webhooks/subscribe/{event}" == request.endpoint
