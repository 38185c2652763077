"""Another secret key while everything runs: whatever is encrypted under an older one is encrypted again under the newest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import redis

from paceline.errors import ConfigurationError, PacelineError
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline_worker.accounts.holders import digests_text
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.hooks.state import HookBook
from paceline_worker.integrity.stored import StoredSeals

_PAGE = 100
# As hooks/secrets.py names them; no account has a colon in its name.
_HOOK = "hook:"


class RotationRefused(PacelineError):
    """Something would not be able to decrypt what is encrypted again; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a rotation is.

    Args:
        newest: things under the newest secret: API keys, secrets of hooks, and the key of the seals.
        older: things under an older secret of the ring.
        unreadable: accounts whose key no secret of the ring opens, and hooks (``hook:ID``) likewise.
        workers: how many live workers there are.
        behind: live workers that do not have the newest secret, or do not tell.
    """

    newest: int
    older: int
    unreadable: tuple[str, ...] = ()
    workers: int = 0
    behind: tuple[str, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        """Whether the older secrets are needed by nothing that was read."""
        return not self.older and not self.unreadable

    def as_json(self) -> dict[str, Any]:
        """As `paceline secret rotate --json` prints it."""
        found = {"newest": self.newest, "older": self.older, "unreadable": list(self.unreadable)}
        return found | {"workers": self.workers, "behind": list(self.behind), "complete": self.is_complete}


class Rotation:
    """Encrypts under the newest secret, one thing at a time, so an interrupted rotation continues where it stopped.

    Args:
        client: the state server.
        ring: the newest secret first, and all that are in use.
    """

    def __init__(self, client: redis.Redis, ring: KeyRing) -> None:
        self._client = client
        self._ring = ring
        self._seals = StoredSeals(client, ring)
        self._hooks = HookBook(client)
        self._keys = Script("paceline_worker", "account")
        self._script = _script()

    def standing(self) -> Standing:
        """How far it is; changes nothing."""
        newest, older, unreadable = 0, 0, []
        for account, text, version in (*self._stored(), *self._of_hooks()):
            if self._ring.is_encrypted_under_the_newest(text, account, version):
                newest += 1
            elif self._opens(text, account, version):
                older += 1
            else:
                unreadable.append(account)
        seals = self._seals.is_newest()
        newest, older = newest + (seals is True), older + (seals is False)
        workers = self._workers()
        behind = sorted(worker for worker, secrets in workers.items() if self._ring.names[0] not in secrets)
        return Standing(
            newest=newest, older=older, unreadable=tuple(unreadable), workers=len(workers), behind=tuple(behind)
        )

    def run(self, on_progress: Callable[[int], None] = lambda _: None) -> int:
        """Encrypt again whatever is not under the newest secret.

        Args:
            on_progress: told how many things were encrypted again.

        Returns:
            How many that were.

        Raises:
            RotationRefused: a live worker does not have the newest secret; nothing was changed.
        """
        if behind := self.standing().behind:
            raise RotationRefused(
                f"{len(behind)} live workers do not have the newest secret ({behind[0]}): restart them with both,"
                " the newer first, before anything is encrypted under it"
            )

        done = int(self._seals.encrypt_anew())
        on_progress(done)

        for account, text, version in self._stored():
            if self._ring.is_encrypted_under_the_newest(text, account, version):
                continue
            try:
                key = self._ring.decrypt(text, account, version)
            except ConfigurationError:
                continue  # `standing` tells of it
            sealed = self._ring.encrypt(key, account, version)
            arguments = ("reseal", account, text, sealed, digests_text(key, self._ring))
            done += self._script.run(self._client, *arguments) == "done"
            on_progress(done)

        for name, text, serial in self._of_hooks():
            hook = name.removeprefix(_HOOK)
            if not self._ring.is_encrypted_under_the_newest(text, name, serial) and self._opens(text, name, serial):
                sealed = self._ring.encrypt(self._ring.decrypt(text, name, serial), name, serial + 1)
                done += self._hooks.seal(hook, serial, sealed)
                on_progress(done)

        return done

    def _of_hooks(self) -> Iterator[tuple[str, str, int]]:
        """Name, sealed secrets and serial of each hook."""
        for hook, stored in self._hooks.all().hooks.items():
            yield f"{_HOOK}{hook}", self._hooks.secrets(hook), stored.serial

    def _stored(self) -> Iterator[tuple[str, str, int]]:
        """Account, encrypted key and version of all that have a key."""
        accounts = State(self._client).accounts()
        for start in range(0, len(accounts), _PAGE):
            page = accounts[start : start + _PAGE]
            reply = self._keys.run(self._client, "keys", *page)
            for account, text, version in zip(page, reply[::3], reply[1::3], strict=True):
                if text:
                    yield account, text, int(version or 0)

    def _opens(self, text: str, account: str, version: int) -> bool:
        try:
            self._ring.decrypt(text, account, version)
        except ConfigurationError:
            return False
        return True

    def _workers(self) -> dict[str, set[str]]:
        flat = self._script.run(self._client, "workers")
        return {worker: set(secrets.split()) for worker, secrets in zip(flat[::2], flat[1::2], strict=True)}


@cache
def _script() -> Script:
    """One for all calls, so that the server knows its text after the first."""
    return Script("paceline_worker", "rotation")


def tell_secrets(client: redis.Redis, worker: str, ring: KeyRing, holds_s: float) -> None:
    """Say which secrets a worker has, by names that tell nothing of them.

    Args:
        client: the state server.
        worker: its name in the fleet.
        ring: its secrets.
        holds_s: until it says so again, at the latest; 0: it leaves.
    """
    _script().run(client, "tell", worker, " ".join(ring.names), int(holds_s * 1e6))
