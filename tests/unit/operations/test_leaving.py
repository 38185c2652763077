"""A stored operation is checked again before its call, and nothing in it leads the call elsewhere."""

import contextlib
from typing import Any

import pytest

from paceline.errors import InvalidOperation
from paceline.operations.leaving import check
from paceline.operations.requests import Work, request_for
from paceline_worker.delivery.begun import read_begun

SENDER, TO, GROUP = "+15550100001", "+15550100002", "WAG11111111-2222-4333-8444-555555555555"
INNER = "http://169.254.169.254/latest"


def work(kind: str = "message.to_number", to: str = TO, payload: Any = None, sender: str = SENDER) -> Work:
    return Work(kind, sender, to, payload if payload is not None else {"text": "Hi"})


@pytest.mark.parametrize(
    "to", [TO, GROUP, "WGP11111111", "123456789012345@lid", "01j0000000000000000000000a", "MSG1-a"]
)
def test_what_a_producer_writes_may_leave(to: str) -> None:
    """Numbers, groups, remote ids, operations, messages; addresses of public hosts."""
    check(
        work(
            to=to,
            payload={"url": "https://example.com/a.jpg", "text": INNER, "header_media_url": "https://a.example.com/"},
        )
    )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"to": "../../sms/send?x="}, "to: "),
        ({"to": ""}, "to: "),
        ({"to": ".."}, "to: "),
        ({"to": "+1555#"}, "to: "),
        ({"to": "+1555\r\nX: y"}, "to: "),
        ({"sender": "+1555/../x"}, "sender: "),
        ({"sender": "us"}, "sender: "),
        ({"payload": {"url": INNER}}, "url: "),
        ({"payload": {"params": {"header": [{"media_url": INNER}]}}}, "media_url: "),
        ({"payload": {"url": ["https://example.com/", "https://10.0.0.1/"]}}, "url: "),
    ],
)
def test_what_no_producer_writes_stays(changed: dict[str, Any], named: str) -> None:
    """Whoever changed it: the operation is refused by the name of its field."""
    with pytest.raises(InvalidOperation) as raised:
        check(work(**changed))
    assert str(raised.value).startswith(named)


@pytest.mark.parametrize("part", ["../../sms/send?x=", "..", "a/b", "a?b", "a#b", "a b", "a%2fb", "\r\n", "é"])
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("group.set_description", {"description": "x"}),
        ("group.add", {"participants": [TO]}),
        ("number.check", {}),
    ],
)
def test_no_target_leads_a_call_elsewhere(kind: str, payload: Any, part: str) -> None:
    """A part of a path stays one part, whatever is in it."""
    usual = request_for(work(kind, GROUP, payload)).path
    found = request_for(work(kind, part, payload)).path
    assert usual.count("/") == found.count("/")
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-+@%~.")
    assert not {"..", "."} & set(found.split("/"))


def test_numbers_and_groups_stand_in_a_path_as_they_are() -> None:
    """The provider's own form."""
    assert f"/whatsapp/group/{GROUP}/set-description" == request_for(work("group.set_description", GROUP, {})).path
    assert f"/whatsapp/check-number/{SENDER}/{TO}" == request_for(work("number.check", TO, {})).path


@pytest.mark.parametrize(
    "payload", ["[" * 100_000, "null", "[]", '"x"', "{", '{"url": 5}', '{"url": {"url": "x"}}', '{"participants": 5}']
)
@pytest.mark.parametrize("kind", ["message.to_number", "group.add", "group.create", "message.delete", "profile.about"])
def test_a_payload_of_another_form_is_sent_or_refused(kind: str, payload: str) -> None:
    """Never an error that nobody expects: that would keep the sender until the lease ends."""
    found = {
        "account": "a",
        "priority": "t",
        "kind": kind,
        "sender": SENDER,
        "to": TO,
        "payload": payload,
        "accepted_at": "1",
        "slot": "1",
        "tolerance": "1",
        "attempts": "0",
        "max_attempts": "8",
        "throttled": "0",
        "window": "60000000",
        "key_version": "1",
    }
    # What the engine settles as `unsendable`.
    expected = (InvalidOperation, ValueError, KeyError, TypeError, AttributeError, RecursionError)
    with contextlib.suppress(*expected):
        read_begun(found)
