import base64
import copy
import json
import pickle
import string
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.errors import ConfigurationError
from paceline_worker.accounts.secrets import ApiKey, KeyRing

CANARY = "UAKcanary0-1111-4222-8333-444444444444"


def secret(letter: bytes) -> str:
    return base64.urlsafe_b64encode(letter * 32).decode()


NEW, OLD = secret(b"n"), secret(b"o")


@given(st.text(string.printable), st.text(), st.integers(1, 10**6))
def test_a_key_comes_back(key: str, account: str, version: int) -> None:
    """What was encrypted for an account and version is decrypted for the same."""
    ring = KeyRing(NEW)
    assert key == ring.decrypt(ring.encrypt(ApiKey(key), account, version), account, version).reveal()


def test_equal_keys_are_stored_differently() -> None:
    """A nonce per encryption: nobody sees from outside that two accounts share a key."""
    ring = KeyRing(NEW)
    stored = {ring.encrypt(ApiKey(CANARY), "acme", 1) for _ in range(100)}
    assert len(stored) == 100
    assert not any(CANARY in text or base64.b64encode(CANARY.encode()).decode() in text for text in stored)


@pytest.mark.parametrize(
    ("account", "version", "ring"),
    [("other", 1, NEW), ("acme", 2, NEW), ("acme", 1, OLD), ("1:acme", 1, NEW), ("", 1, NEW), ("ACME", 1, NEW)],
)
def test_a_stored_key_opens_only_for_its_own(account: str, version: int, ring: str) -> None:
    """Another account, another version or another secret is refused, with the account's name and the variable."""
    stored = KeyRing(NEW).encrypt(ApiKey(CANARY), "acme", 1)
    with pytest.raises(ConfigurationError, match=f"'{account}'.*PACELINE_SECRET_KEY") as refusal:
        KeyRing(ring).decrypt(stored, account, version)
    assert CANARY not in str(refusal.value)


@given(st.data())
def test_a_stored_key_that_was_changed_is_refused(data: st.DataObject) -> None:
    """One flipped bit anywhere, nonce and tag included, is noticed."""
    raw = bytearray(base64.urlsafe_b64decode(KeyRing(NEW).encrypt(ApiKey(CANARY), "acme", 1)))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ConfigurationError):
        KeyRing(NEW).decrypt(base64.urlsafe_b64encode(raw).decode(), "acme", 1)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_stored_key_is_refused(text: str) -> None:
    """Nothing else decrypts, and nothing raises another error: empty, cut, or not base64."""
    with pytest.raises(ConfigurationError):
        KeyRing(f"{NEW},{OLD}").decrypt(text, "acme", 1)


def test_a_ring_is_rotated_by_putting_a_new_key_in_front() -> None:
    """The first key encrypts, all decrypt; without the old key old values are refused."""
    stored = KeyRing(OLD).encrypt(ApiKey(CANARY), "acme", 1)
    rotated = KeyRing(f" {NEW} , {OLD},")
    assert rotated.decrypt(stored, "acme", 1).reveal() == CANARY
    again = rotated.encrypt(ApiKey(CANARY), "acme", 2)
    assert KeyRing(NEW).decrypt(again, "acme", 2).reveal() == CANARY
    with pytest.raises(ConfigurationError):
        KeyRing(OLD).decrypt(again, "acme", 2)


@pytest.mark.parametrize("text", ["", "  ", ",", " , "])
def test_a_missing_secret_says_how_to_make_one(text: str) -> None:
    """Without a secret the refusal names the variable and the command."""
    with pytest.raises(ConfigurationError, match=r"PACELINE_SECRET_KEY is not set.*paceline secret generate"):
        KeyRing(text)


@pytest.mark.parametrize("text", ["password", NEW[:-4], f"{NEW},short", "é" * 44, "=" * 44, secret(b"n").rstrip("=")])
def test_a_malformed_secret_is_refused_without_being_shown(text: str) -> None:
    """Only 32 bytes in base64 are a secret; the refusal does not repeat what was given."""
    with pytest.raises(ConfigurationError, match="PACELINE_SECRET_KEY is not a value") as refusal:
        KeyRing(text)
    shown = "".join(traceback.format_exception(refusal.value))
    assert text not in shown


@pytest.mark.parametrize("text", [f"{NEW} {OLD}", f"{NEW};{OLD}", NEW + OLD, f"{NEW}!", f"#{NEW}"])
def test_a_secret_is_read_whole_or_not_at_all(text: str) -> None:
    """Two secrets that are not separated by a comma are refused, instead of the second being dropped in silence."""
    with pytest.raises(ConfigurationError):
        KeyRing(text)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>60}".format,
        "{!r}".format,
        lambda key: f"{key}",
        lambda key: "%s" % key,  # noqa: UP031 - one of the ways
        lambda key: str([key]),
        lambda key: str({"key": key}),
        lambda key: json.dumps({"key": key}, default=str),
        lambda key: str(key.__class__),
        lambda key: str(dir(key)),
    ],
)
def test_a_key_does_not_show_itself(show: Callable[[ApiKey], str]) -> None:
    """No way of printing shows the key."""
    assert CANARY not in show(ApiKey(CANARY))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy, lambda key: pickle.dumps([key], 0)])
def test_a_key_does_not_leave_the_process(take: Callable[[ApiKey], object]) -> None:
    """A key is neither pickled nor copied."""
    with pytest.raises(TypeError, match="not pickled"):
        take(ApiKey(CANARY))


def test_a_key_is_not_in_a_traceback() -> None:
    """Even a traceback with all local variables shows no key."""

    def fail(key: ApiKey) -> None:
        raise RuntimeError(f"with {key}")

    try:
        fail(ApiKey(CANARY))
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        text = "".join(shown)
        assert "key = ApiKey(redacted)" in text
        assert CANARY not in text


def test_a_ring_does_not_show_itself() -> None:
    """Nor does the ring that opens them."""
    ring = KeyRing(NEW)
    assert repr(ring) == str(ring) == f"{ring}" == "KeyRing(redacted)"
