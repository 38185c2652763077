"""Webhooks out, the pure part: which addresses, which events, which tries, which signatures."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from paceline.errors import ConfigurationError, InvalidOperation
from paceline.status.entry import OutcomeEntry, entry_of
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.cli.spans import span
from paceline_worker.hooks import hook as hooks
from paceline_worker.hooks.addresses import is_public
from paceline_worker.hooks.event import event_of
from paceline_worker.hooks.hook import Hook
from paceline_worker.hooks.policy import BACKOFF, Answer, Breaker, Next, answer_of, breaker_of, next_of
from paceline_worker.hooks.secrets import Secrets, new_secret, seal, unseal
from tests.conftest import SECRET

FAILED = Answer("failed", "HTTP 500")
DELIVERED = Answer("delivered", "HTTP 204")
ALL = Hook("https://shop.example.com/p", frozenset({"acme"}), frozenset(hooks.EVENT_TYPES))
FIELDS = {
    "id": "01k0zxw5d3v8m2c7r4q9n6t1ea", "account": "acme", "campaign": "", "kind": "message.to_number",
    "outcome": "accepted", "code": "202", "message_uuid": "MSG1", "words": "", "accepted_at_us": "1769850000000000",
    "settled_at_us": "1769850001000000", "v": "2", "to": "+15550100002", "metadata": '{"order":"17"}',
}  # fmt: skip
FINAL = FIELDS | {"id": "", "kind": "campaign", "campaign": "spring", "outcome": "complete", "count": "3", "first": "1"}


def entry(**fields: str) -> OutcomeEntry:
    return entry_of("1769850001000-0", FIELDS | fields)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:4136:e378::",
        "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_that_the_internet_does_not_reach_is_not_public(address: str) -> None:
    """In whatever form it comes: also one IPv4 address within another of IPv6."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_other_addresses_are_public(address: str) -> None:
    """Also those that carry a public one."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://shop.example.com", "not an address"),
        ("https://", "not an address"),
        ("https://shop.example.com:x/", "not an address"),
        ("https://shop.example.com/ p", "not an address"),
        ("https://user:word@shop.example.com/", "user or a fragment"),
        ("https://shop.example.com/#p", "user or a fragment"),
        ("http://shop.example.com/", "not https"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::ffff:10.0.0.1]/", "not a public address"),
        ("https://127.1/", "127.1 is neither a name nor an address"),
        ("https://0177.0.0.1/", "0177.0.0.1 is neither a name nor an address"),
        ("https://2130706433/", "2130706433 is neither a name nor an address"),
        ("https://8.8.0x808/", "8.8.0x808 is neither a name nor an address"),
        ("https://shop.example.0x/", "shop.example.0x is neither a name nor an address"),
        ("https://93.184.216.34./", "93.184.216.34. is neither a name nor an address"),
        ("https://shop.example.com/" + "x" * 2048, "characters"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, words: str) -> None:
    """With what is wrong."""
    with pytest.raises(InvalidOperation, match=words):
        hooks.make(url, ["acme"], ["settled"], with_recipients=False, allow_private=False)


def test_a_hook_needs_events_and_accounts_that_can_be() -> None:
    """What cannot be is named."""
    for accounts, events, words in (
        (["acme"], ["setled"], "setled is not one of settled, sent"),
        (["acme"], [], "nothing is not one of"),
        ([], ["settled"], "name at least one"),
        (["a b"], ["settled"], "is not the name of an account"),
    ):
        with pytest.raises(InvalidOperation, match=words):
            hooks.make(ALL.url, accounts, events, with_recipients=False, allow_private=False)


def test_a_hook_is_read_as_it_was_written() -> None:
    """In state."""
    assert hooks.read(ALL.text()) == ALL


def test_an_event_is_made_of_an_entry() -> None:
    """With what was given; with the recipient where that was asked for."""
    made = event_of(entry(), ALL)
    assert made is not None
    body = json.loads(made.body)
    assert ("settled", "2026-01-31T09:00:01+00:00") == (body["type"], body["timestamp"])
    assert {"order": "17"} == body["data"]["metadata"]
    assert "+15550100002" not in made.body
    with_recipient = event_of(entry(), replace(ALL, with_recipients=True))
    assert with_recipient is not None
    assert "+15550100002" == json.loads(with_recipient.body)["data"]["to"]
    assert made.id == with_recipient.id == "evt_1769850001000-0"


@pytest.mark.parametrize(
    "given",
    [
        (entry(account="other"), ALL),
        (entry(event="read"), replace(ALL, events=frozenset({"settled"}))),
        (entry_of("1-0", {**FINAL, "first": ""}), ALL),
        (entry_of("1-0", FINAL), replace(ALL, events=frozenset({"settled"}))),
        (entry_of("1-0", FINAL | {"account": "other"}), ALL),
    ],
)
def test_a_hook_is_not_told_what_it_does_not_want(given: tuple[OutcomeEntry, Hook]) -> None:
    """Events of other accounts, of other types, and a campaign's second completion."""
    assert event_of(*given) is None


def test_the_completion_of_a_campaign_is_one_event_whatever_its_entry() -> None:
    """A power cut may take the entry back; it comes again with another id."""
    first, again = (event_of(entry_of(place, FINAL), ALL) for place in ("1-0", "2-0"))
    assert first == again
    assert first is not None
    assert "campaign.completed" == json.loads(first.body)["type"]


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (200, None, DELIVERED),
        (204, "9", DELIVERED),
        (301, None, FAILED),
        (404, None, FAILED),
        (410, None, Answer("gone", "")),
        (429, "30", Answer("failed", "", timedelta(seconds=30))),
        (503, "soon", FAILED),
    ],
)
def test_an_answer_is_read(status: int, retry_after: str | None, expected: Answer) -> None:
    """2xx is delivered, 410 the end; redirects are not followed."""
    answer = answer_of(status, retry_after)
    assert (expected.result, expected.retry_after) == (answer.result, answer.retry_after)


def test_tries_spread_over_days_and_end() -> None:
    """The schedule of Standard Webhooks; after the last wait one more try, and then the event is dead."""
    waits = [next_of(FAILED, tries, BACKOFF, 0.5) for tries in range(len(BACKOFF) + 1)]
    assert [Next("late", wait) for wait in BACKOFF] == waits[:-1]
    assert Next("dead") == waits[-1]
    assert timedelta(days=3) < sum(BACKOFF, timedelta(0)) < timedelta(days=4)
    assert Next("done") == next_of(DELIVERED, 99, BACKOFF, 0.5)


def test_a_receiver_may_ask_for_time() -> None:
    """Up to an hour; never for less than the schedule."""
    asked = [replace(FAILED, retry_after=timedelta(seconds=seconds)) for seconds in (1, 600, 90_000)]
    assert [5, 600, 3600] == [next_of(answer, 0, BACKOFF, 0.5).wait.total_seconds() for answer in asked]


def test_jitter_is_a_fifth() -> None:
    """To both sides."""
    assert [4, 6] == [next_of(FAILED, 0, BACKOFF, random).wait.total_seconds() for random in (0.0, 1.0)]


def after(breaker: Breaker, *answers: Answer, now_ms: int = 0) -> Breaker:
    for answer in answers:
        breaker = breaker.after(answer, now_ms)
    return breaker


def test_ten_failures_in_a_row_open_the_breaker() -> None:
    """Not nine, and not ten with a success among them."""
    assert 16 == after(Breaker(), *[FAILED] * 9).room(0, 16)
    assert 16 == after(Breaker(), *[FAILED] * 9, DELIVERED, *[FAILED] * 9).room(0, 16)
    opened = after(Breaker(), *[FAILED] * 10)
    assert (0, 30_000) == (opened.room(29_999, 16), opened.open_until_ms)
    assert opened == breaker_of({name: text for name, text in opened.as_fields().items() if text})


def test_an_open_breaker_lets_one_probe_through_at_the_end_of_each_wait() -> None:
    """It waits twice as long each time, up to ten minutes; one success closes it."""
    opened, waits = after(Breaker(), *[FAILED] * 10), []
    for _ in range(7):
        assert 1 == opened.room(opened.open_until_ms, 16)
        now_ms = opened.open_until_ms
        opened = after(opened, FAILED, now_ms=now_ms)
        waits.append((opened.open_until_ms - now_ms) // 1000)
    assert [60, 120, 240, 480, 600, 600, 600] == waits
    assert Breaker() == after(opened, DELIVERED, now_ms=opened.open_until_ms)


def test_answers_of_before_do_not_prolong_the_wait() -> None:
    """Those of requests that were under way when it opened."""
    opened = after(Breaker(), *[FAILED] * 10)
    assert opened.open_until_ms == after(opened, FAILED, FAILED, now_ms=5).open_until_ms


def fits(secret: str, body: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_the_library_takes_a_signature_and_no_other() -> None:
    """Neither another body, nor another id, nor another secret, nor an old time."""
    secret = new_secret()
    now = datetime.now(UTC)
    headers = Secrets(secret).headers("evt_1", '{"a":1}', now)
    assert fits(secret, '{"a":1}', headers)
    assert not fits(secret, '{"a":2}', headers)
    assert not fits(secret, '{"a":1}', headers | {"webhook-id": "evt_2"})
    assert not fits(new_secret(), '{"a":1}', headers)
    assert not fits(secret, '{"a":1}', Secrets(secret).headers("evt_1", '{"a":1}', now - timedelta(minutes=6)))


def test_both_secrets_sign_until_the_overlap_is_over() -> None:
    """Also when it is replaced twice meanwhile."""
    now = datetime.now(UTC)
    first = Secrets(new_secret())
    second = first.rotated(timedelta(hours=1), now - timedelta(hours=2))
    third = second.rotated(timedelta(hours=1), now)
    headers = third.headers("e", "{}", now)
    assert [True, True, False] == [fits(one.current, "{}", headers) for one in (third, second, first)]
    assert 1 == third.headers("e", "{}", now + timedelta(hours=1)).get("webhook-signature", "").count("v1,")
    at_once = third.rotated(timedelta(0), now)
    assert [True, False] == [fits(one.current, "{}", at_once.headers("e", "{}", now)) for one in (at_once, third)]


def test_secrets_are_sealed_for_one_hook_and_one_number() -> None:
    """Neither moved to another hook, nor put back after a rotation, nor opened under another key; and never shown."""
    ring, secrets = KeyRing(SECRET), Secrets(new_secret(), ((new_secret(), 9),))
    sealed = seal(ring, "hook-1", 0, secrets)
    assert secrets == unseal(ring, "hook-1", 0, sealed)
    assert secrets.current not in sealed + repr(secrets) + str(secrets) + f"{secrets}"
    other = KeyRing("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
    wrong: list[tuple[Any, ...]] = [(ring, "hook-2", 0), (ring, "hook-1", 1), (other, "hook-1", 0)]
    for opener, hook, serial in wrong:
        with pytest.raises(ConfigurationError, match=f"the secret of hook {hook} cannot be decrypted"):
            unseal(opener, hook, serial, sealed)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("3d", 259_200), ("0.5s", 0.5), ("20ms", 0.02)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert seconds == span("--since", text).total_seconds()


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2 h", "2w", "99999999d"])
def test_other_lengths_are_refused(text: str) -> None:
    """With an example."""
    with pytest.raises(InvalidOperation, match=r"--since: .* is not a time such as"):
        span("--since", text)
