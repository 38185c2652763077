"""The check before a worker starts: does the secret key decrypt the stored API keys?"""

from typing import Final

import redis

from paceline import names
from paceline.errors import ConfigurationError
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline.state.shards import of_each
from paceline_worker.accounts.secrets import KeyRing

# Number of stored keys that are tried; one success is enough.
_MOST: Final = 20


def check_secret(client: redis.Redis, ring: KeyRing) -> None:
    """Refuse a secret key that opens no stored API key: it would suspend one account after the other.

    A secret that decrypts some is accepted: a rotation may be under way. A single key that was tampered with stops only
    its account.

    Args:
        client: the state server.
        ring: of the secret key.

    Raises:
        ConfigurationError: there are stored keys, and none could be opened; says what to do.
    """
    # A shard that is away keeps no worker from starting.
    accounts = [name for names_there in of_each(client, _names).values for name in names_there]
    sample = accounts[:: max(1, len(accounts) // _MOST)]
    reply = Script("paceline_worker", "account").run(client, "keys", *sample) if sample else []
    stored = [one for one in zip(sample, reply[::3], reply[1::3], strict=True) if one[1]]
    if stored and not any(_opens(ring, *one) for one in stored):
        raise ConfigurationError(
            f"{names.ENV_SECRET_KEY} decrypts none of the stored API keys: they were encrypted under another value. "
            f"Set that value, or both separated by a comma, the newer first"
        )


def _names(client: redis.Redis) -> list[str]:
    return State(client).accounts()


def _opens(ring: KeyRing, account: str, text: str, version: str) -> bool:
    try:
        ring.decrypt(text, account, int(version or 0))
    except (ConfigurationError, ValueError):
        return False
    return True
