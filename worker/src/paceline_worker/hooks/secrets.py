"""Secrets of hooks: they sign, are sealed in state as API keys are, and are replaced with an overlap."""

import base64
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Never

from paceline.errors import ConfigurationError
from paceline_worker.accounts.secrets import ApiKey, KeyRing

_BYTES: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The secret of a hook, and the ones before it that still sign.

    Args:
        current: ``whsec_`` and base64.
        former: others, and until when each signs (seconds since 1970).
    """

    current: str
    former: tuple[tuple[str, int], ...] = ()

    def __repr__(self) -> str:
        return "Secrets(redacted)"

    def __reduce__(self) -> Never:
        raise TypeError("secrets are not pickled")

    def rotated(self, overlap: timedelta, now: datetime) -> "Secrets":
        """A new secret; the one before it signs as well for a while."""
        until = int((now + overlap).timestamp())
        kept = tuple(one for one in self.former if one[1] > now.timestamp())
        return Secrets(new_secret(), (*kept, (self.current, until)) if overlap else ())

    def headers(self, event: str, body: str, now: datetime) -> dict[str, str]:
        """The headers of Standard Webhooks; one signature for each secret that signs.

        Args:
            event: id of the event.
            body: as it is posted.
            now: when it is posted.
        """
        at = now.astimezone(UTC)
        signing = (self.current, *(secret for secret, until in self.former if until > at.timestamp()))
        # A worker rotates these secrets and signs nothing: it comes without the library.
        from standardwebhooks.webhooks import Webhook  # noqa: PLC0415

        return {
            "webhook-id": event,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign(event, at, body) for secret in signing),
        }


def new_secret() -> str:
    """A random one."""
    return f"whsec_{base64.b64encode(os.urandom(_BYTES)).decode()}"


def seal(ring: KeyRing, hook: str, serial: int, secrets: Secrets) -> str:
    """As state keeps them.

    Args:
        ring: of ``PACELINE_SECRET_KEY``.
        hook: its id; what is sealed for one hook opens for no other.
        serial: grows with each change; what was replaced does not open again.
        secrets: what is sealed.
    """
    text = json.dumps({"current": secrets.current, "former": [list(one) for one in secrets.former]})
    return ring.encrypt(ApiKey(text), _name(hook), serial)


def unseal(ring: KeyRing, hook: str, serial: int, text: str) -> Secrets:
    """The secrets of a hook.

    Raises:
        ConfigurationError: they were sealed under another secret key, or for another hook or serial.
    """
    try:
        stored = json.loads(ring.decrypt(text, _name(hook), serial).reveal())
    except ConfigurationError as error:
        raise ConfigurationError(
            f"the secret of hook {hook} cannot be decrypted: PACELINE_SECRET_KEY differs"
        ) from error
    return Secrets(stored["current"], tuple((secret, int(until)) for secret, until in stored["former"]))


def _name(hook: str) -> str:
    # No account has a colon in its name.
    return f"hook:{hook}"
