"""The key of all seals, as state keeps it: random, encrypted under the secret key, so that another secret needs no other seals."""

import os
from collections.abc import Callable
from typing import Final

import redis

from paceline import names
from paceline.errors import ConfigurationError
from paceline.state.scripts import Script, root_of
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.seals import KEY_BYTES, Seals

# Behind the key, encrypted with it: whether all that was accepted before there were seals has one.
_COMPLETE: Final = b"\x01"
_BEGUN: Final = b"\x00"


class StoredSeals:
    """Opens, makes and encrypts again the key of all seals of a state.

    Args:
        client: the state server.
        ring: of the secret key.
    """

    def __init__(self, client: redis.Redis, ring: KeyRing) -> None:
        self._client = client
        self._ring = ring
        self._script = Script("paceline_worker", "seals")
        self._associated = f"paceline: key of the seals of {root_of(client)}".encode()
        self._raw, self._text = b"", ""

    def open(self) -> Seals:
        """The seals, for a worker; in state that never accepted an operation the key is made now.

        Raises:
            ConfigurationError: the secret key is another one, or operations were accepted before there were seals.
        """
        stored, used = self._script.run(self._client, "look")
        if not stored and used == "1":
            raise ConfigurationError(
                "state holds operations without seals, and no key for seals: stop all workers and run"
                " `paceline state migrate`, which seals waiting operations"
            )
        text = stored or self._made(_COMPLETE)
        key, complete = self._opened(text)
        if not complete:
            raise ConfigurationError("`paceline state migrate` was interrupted: run it again")
        self._raw, self._text = key + _COMPLETE, text
        return Seals(key)

    def tend(self) -> Seals | None:
        """Other seals, when state was emptied under this worker and another one was quicker to make them; else None.

        State that lost the key gets the one of this worker: what it has sealed must not be refused by the next one.

        Raises:
            ConfigurationError: the key is encrypted under a secret that this worker does not have.
        """
        stored = str(self._script.run(self._client, "key"))
        if not stored:
            stored = str(self._script.run(self._client, "make", self._ring.seal(self._raw, self._associated)))
        if stored == self._text:
            return None
        key, complete = self._opened(stored)
        self._text = stored
        if not complete or key + _COMPLETE == self._raw:
            return None
        self._raw = key + _COMPLETE
        return Seals(key)

    def seen(self) -> Seals | None:
        """The seals for a person who looks; None while there are none. Makes nothing.

        Raises:
            ConfigurationError: the secret key is another one.
        """
        stored = str(self._script.run(self._client, "key"))
        return Seals(self._opened(stored)[0]) if stored else None

    def publish(self, seals: Seals) -> bool:
        """Let producers know the public key; False when another one stood in state, which nobody with the secret key writes."""
        return self._script.run(self._client, "publish", seals.payloads.public) in ("", seals.payloads.public)

    def seal_all(self, on_progress: Callable[[int], None] | None = None) -> int:
        """Seal what was accepted before there were seals: once, by a person, while no worker is alive. May be run again.

        Args:
            on_progress: called with the number of operations that were looked at in vain or sealed.

        Returns:
            How many operations were sealed.

        Raises:
            ConfigurationError: the secret key is another one.
        """
        stored = self._script.run(self._client, "look")[0] or self._made(_BEGUN)
        key, complete = self._opened(stored)
        if complete:
            return 0

        seals, sealed, cursor = Seals(key), 0, "0"
        for name, *shared in self._script.run(self._client, "campaigns"):
            self._script.run(self._client, "campaign", name, seals.campaign(name, *shared))

        while True:
            cursor, *page = self._script.run(self._client, "page", cursor)
            pairs = [text for op in page for text in (op[0], seals.operation(*op))]
            if pairs:
                sealed += int(self._script.run(self._client, "seal", *pairs))
            if on_progress:
                on_progress(sealed)
            if cursor == "0":
                break

        self._script.run(self._client, "swap", stored, self._ring.seal(key + _COMPLETE, self._associated))
        return sealed

    def is_newest(self) -> bool | None:
        """Whether the key is encrypted under the newest secret; None when there is none."""
        stored = self._script.run(self._client, "key")
        return self._ring.is_newest(stored, self._associated) if stored else None

    def encrypt_anew(self) -> bool:
        """Encrypt the key under the newest secret; False when there is none, or it is already.

        Raises:
            ConfigurationError: no secret of the ring opens it.
        """
        stored = self._script.run(self._client, "key")
        if not stored or self._ring.is_newest(stored, self._associated):
            return False
        raw = self._ring.unseal(stored, self._associated)
        return bool(self._script.run(self._client, "swap", stored, self._ring.seal(raw, self._associated)))

    def _made(self, mark: bytes) -> str:
        raw = os.urandom(KEY_BYTES) + mark
        return str(self._script.run(self._client, "make", self._ring.seal(raw, self._associated)))

    def _opened(self, stored: str) -> tuple[bytes, bool]:
        try:
            raw = self._ring.unseal(stored, self._associated)
        except ConfigurationError:
            raise ConfigurationError(
                f"{names.ENV_SECRET_KEY} differs from the value that this state was used with: it does not decrypt "
                f"the key of the seals. Set that value, or both separated by a comma, the newer first"
            ) from None
        return raw[:KEY_BYTES], raw[KEY_BYTES:] == _COMPLETE
