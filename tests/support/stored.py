"""What state holds of an account, read from its keys and not through our scripts."""

import redis

from paceline import names

PARTS = ("a", "about", "secret", "hook")


def stored_account(client: redis.Redis, name: str) -> dict[str, str]:
    """All fields of an account, from the three hashes that hold them."""
    fields: dict[str, str] = {}
    for part in PARTS:
        found = client.hgetall(f"{names.STATE_ROOT}:{part}:{name}")
        fields |= {str(field): str(value) for field, value in found.items()}
    return fields
