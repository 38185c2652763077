"""Encrypted numbers for people at the command line who have the secret key. `paceline.cli.numbers` finds this by name."""

from paceline.errors import PacelineError
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.payloads import Payloads, Unreadable
from paceline_worker.integrity.stored import StoredSeals


class Opening:
    """Numbers as they were given, and as they stand in state.

    Args:
        payloads: of the state.
    """

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    def opened(self, text: str) -> str:
        """A number in the clear; what was encrypted under another key stays as it is."""
        try:
            return self._payloads.opened_number(text)
        except Unreadable:
            return text

    def closed(self, number: str) -> str:
        """A number as encrypted operations have it."""
        return self._payloads.number(number)


def opening() -> Opening | None:
    """By the environment; None without a secret key that opens this state, and where the role may not read the key.

    Raises:
        RedisError: the state server does not answer.
    """
    settings = Settings.from_environment()
    secret = settings.secret_key.get_secret_value()
    if not secret:
        return None
    client = connect_to(settings)
    try:
        seals = StoredSeals(client, KeyRing(secret)).seen()
    except PacelineError:
        return None
    finally:
        client.close()
    return Opening(seals.payloads) if seals else None
