"""API keys at rest and in memory: AES-256-GCM under the key ring of ``PACELINE_SECRET_KEY``, redacted everywhere else."""

import base64
import hashlib
import hmac
import os
from typing import Final, Never

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paceline import names
from paceline.errors import ConfigurationError

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
# The secrets encrypt; another key, made of each, makes digests.
_DIGEST_PURPOSE: Final = b"paceline: digest of an API key"
_NAME_PURPOSE: Final = b"paceline: name of a secret"


class ApiKey:
    """A provider key that does not show itself: repr, str, format and pickle give nothing away.

    Args:
        value: the key.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the request header only."""
        return self._value

    def __repr__(self) -> str:
        return "ApiKey(redacted)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("an API key is not pickled")


class KeyRing:
    """Encrypts with the first key, decrypts with any: so a key can be rotated.

    Args:
        text: one or more values of ``paceline secret generate``, separated by commas, newest first.

    Raises:
        ConfigurationError: empty, or not such values.
    """

    def __init__(self, text: str) -> None:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ConfigurationError(f"{names.ENV_SECRET_KEY} is not set: make a value with `paceline secret generate`")
        try:
            keys = [_decoded(part) for part in parts]
        except ValueError:
            keys = []
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ConfigurationError(f"{names.ENV_SECRET_KEY} is not a value that `paceline secret generate` made")
        self._ciphers = [AESGCM(key) for key in keys]
        # So that workers can say which secrets they have.
        self.names = [hmac.digest(key, _NAME_PURPOSE, hashlib.sha256).hex()[:12] for key in keys]
        self._digest_keys = [hmac.digest(key, _DIGEST_PURPOSE, hashlib.sha256) for key in keys]

    def __repr__(self) -> str:
        return "KeyRing(redacted)"

    def encrypt(self, key: ApiKey, account: str, version: int) -> str:
        """Encrypt a provider key for one account.

        Args:
            key: the secret.
            account: associated data, so a stored value cannot be moved to another account.
            version: associated data, so an old value cannot be put back.

        Returns:
            Text to store.
        """
        return self.seal(key.reveal().encode(), _associated(account, version))

    def seal(self, raw: bytes, associated: bytes) -> str:
        """Encrypt under the newest secret.

        Args:
            raw: what is to stay secret.
            associated: what the text belongs to; it is opened with the same only.

        Returns:
            Text to store.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return base64.urlsafe_b64encode(nonce + self._ciphers[0].encrypt(nonce, raw, associated)).decode()

    def unseal(self, text: str, associated: bytes) -> bytes:
        """What `seal` encrypted, under any secret of the ring.

        Raises:
            ConfigurationError: it was encrypted under another secret, for something else, or changed since.
        """
        for cipher in self._ciphers:
            raw = _unsealed(cipher, text, associated)
            if raw is not None:
                return raw
        raise ConfigurationError(
            f"the text cannot be decrypted: {names.ENV_SECRET_KEY} differs, or the text was changed"
        )

    def is_newest(self, text: str, associated: bytes) -> bool:
        """Whether a text is encrypted under the newest secret."""
        return _unsealed(self._ciphers[0], text, associated) is not None

    def digests(self, key: ApiKey) -> list[str]:
        """Tell equal keys without telling them: one keyed digest under each secret of the ring, newest first.

        Args:
            key: the secret.

        Returns:
            Texts that nobody can compute, or try keys against, without the ring.
        """
        return [hmac.new(secret, key.reveal().encode(), hashlib.sha256).hexdigest() for secret in self._digest_keys]

    def decrypt(self, text: str, account: str, version: int) -> ApiKey:
        """The provider key of an account.

        Raises:
            ConfigurationError: it was encrypted under another secret, or for another account or version.
        """
        try:
            return ApiKey(self.unseal(text, _associated(account, version)).decode())
        except (ConfigurationError, ValueError):
            raise ConfigurationError(
                f"the API key of account {account!r} cannot be decrypted: {names.ENV_SECRET_KEY} differs, or the key was"
                " changed in state"
            ) from None

    def is_encrypted_under_the_newest(self, text: str, account: str, version: int) -> bool:
        """Whether a stored API key is encrypted under the newest secret."""
        return self.is_newest(text, _associated(account, version))


def _unsealed(cipher: AESGCM, text: str, associated: bytes) -> bytes | None:
    try:
        raw = _decoded(text)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):
        return None


def _decoded(text: str) -> bytes:
    """URL-safe base64, strictly: the lenient decoder skips foreign characters and drops what follows the padding."""
    return base64.b64decode(text, altchars=b"-_", validate=True)


def _associated(account: str, version: int) -> bytes:
    return f"paceline:{version}:{account}".encode()
