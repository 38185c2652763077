"""Envelopes: what a producer writes for workers only, sealed to their public key (X25519, HKDF-SHA256, AES-256-GCM)."""

import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from paceline import names
from paceline.errors import ConfigurationError

if TYPE_CHECKING:
    from paceline.settings import Settings

# What an envelope and a public key begin with; the digit is the version of their form. No JSON begins so.
ENVELOPE: Final = "pe1."
PUBLIC_KEY: Final = "pk1."
# Before a number that stands encrypted in state: a plus as before other numbers, and a letter that no number has.
NUMBER: Final = names.SEALED_NUMBER
KEY_BYTES: Final = 32
# So long a producer relies on a key that it has read.
_KEPT_S: Final = 60.0
_INFO: Final = b"paceline: envelope for "
# Each envelope has a key of its own, so its nonce may be the same.
_NONCE: Final = bytes(12)


class Envelope:
    """Seals texts to one public key.

    Args:
        public: the key, as workers publish it.

    Raises:
        ConfigurationError: it is no such key, or ``cryptography`` is not installed.
    """

    __slots__ = ("_peer", "_raw")

    def __init__(self, public: str) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                f"{names.ENV_ENCRYPT_PAYLOADS} needs the package cryptography: pip install 'paceline[encryption]'"
            ) from None
        try:
            self._raw = base64.urlsafe_b64decode(public.removeprefix(PUBLIC_KEY) + "=")
            self._peer = X25519PublicKey.from_public_bytes(self._raw)
        except ValueError:
            raise ConfigurationError(
                f"the public key of the workers is damaged: it is not {PUBLIC_KEY} and 43 characters"
            ) from None

    def closed(self, text: str, purpose: str) -> str:
        """A text that only workers read.

        Args:
            text: anything.
            purpose: what it is, such as ``record of acme``; it is opened for the same purpose only.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra

        ours = X25519PrivateKey.generate()
        ours_raw = ours.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        key = derived_for(ours.exchange(self._peer), ours_raw + self._raw, purpose)
        sealed = AESGCM(key).encrypt(_NONCE, text.encode(), None)
        return ENVELOPE + base64.urlsafe_b64encode(ours_raw + sealed).decode()


def derived_for(shared: bytes, publics: bytes, purpose: str) -> bytes:
    """The key of one envelope.

    Args:
        shared: what X25519 gave.
        publics: the public key that was made for the envelope, then the workers'.
        purpose: of the envelope.
    """
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - an extra

    return HKDF(SHA256(), length=KEY_BYTES, salt=publics, info=_INFO + purpose.encode()).derive(shared)


def opened_with(private: bytes, public: bytes, text: str, purpose: str) -> str:
    """What an envelope holds.

    Args:
        private: the workers' key.
        public: its public half.
        text: the envelope.
        purpose: that it was sealed for.

    Raises:
        ValueError: it was sealed to another key, for another purpose, or changed since.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415 - an extra
        X25519PrivateKey,
        X25519PublicKey,
    )
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra

    raw = base64.b64decode(text.removeprefix(ENVELOPE), altchars=b"-_", validate=True)
    theirs, sealed = raw[:KEY_BYTES], raw[KEY_BYTES:]
    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(theirs))
    try:
        return AESGCM(derived_for(shared, theirs + public, purpose)).decrypt(_NONCE, sealed, None).decode()
    except InvalidTag:
        raise ValueError("the envelope was sealed to another key, for another purpose, or changed") from None


class Envelopes:
    """The workers' public key, as a producer knows it: from its own settings, else from state.

    Args:
        pinned: the key by ``PACELINE_PAYLOAD_KEY``, or ''.
        clock: tells seconds.
    """

    def __init__(self, pinned: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._pinned = pinned
        self._clock = clock
        self._envelope = Envelope(pinned) if pinned else None
        self._until_s = 0.0

    def current(self) -> Envelope | None:
        """Seals with the key that is known; None when the key is to be read from state."""
        return self._envelope if self._pinned or self._clock() < self._until_s else None

    def learned(self, public: str) -> Envelope:
        """Seals with the key that stands in state.

        Raises:
            ConfigurationError: there is none.
        """
        if not public:
            raise ConfigurationError(
                f"state has no public key to seal payloads to: start a worker with {names.ENV_ENCRYPT_PAYLOADS}=1 first,"
                f" or give {names.ENV_PAYLOAD_KEY}"
            )
        self._envelope, self._until_s = Envelope(public), self._clock() + _KEPT_S
        return self._envelope


def envelopes_of(settings: "Settings") -> Envelopes | None:
    """How a process with these settings seals what it writes; None when it does not."""
    return Envelopes(settings.payload_key) if settings.encrypt_payloads else None
