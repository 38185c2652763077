"""Users of a server, as deploy/valkey/users.acl has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import redis

FILE: Final = Path(__file__).parents[2] / "deploy" / "valkey" / "users.acl"


def roles() -> dict[str, list[str]]:
    """Each role with its rules."""
    lines = [line.split() for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith("user ")]
    return {words[1]: words[2:] for words in lines if words[1] != "default"}


def acl(client: redis.Redis, *words: str) -> Any:
    """Run one command of a server's access control."""
    raw: Any = client
    return raw.execute_command("ACL", *words)


def create(client: redis.Redis) -> None:
    """Make the users of the file, as a server does that starts with it."""
    for name, rules in roles().items():
        acl(client, "SETUSER", name, "reset", *rules)


def remove(client: redis.Redis) -> None:
    """Remove them."""
    acl(client, "DELUSER", *roles())


def url_of(url: str, role: str) -> str:
    """The address of a server for a role."""
    return url.replace("redis://", f"redis://{role}:{role.upper()}-PASSWORD@")
