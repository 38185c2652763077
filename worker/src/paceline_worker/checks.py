"""What must hold before a worker starts. Each refusal is one sentence that says what to do."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import redis
from packaging.version import InvalidVersion, Version

from paceline.errors import ConfigurationError

_LEAST_REDIS: Final = Version("6.2")
_LEAST_VALKEY: Final = Version("7.2")
# Since the server started; once or twice is a hiccup.
_OFTEN_DELAYED: Final = 10


def check_state_server(client: redis.Redis, *, allow_volatile: bool) -> None:
    """Refuse a server that is too old, forgets on a restart, or throws data away when full.

    Args:
        client: the state server.
        allow_volatile: accept what may lose data.

    Raises:
        ConfigurationError: says what is wrong and what to do.
    """
    info = client.info("everything")
    objection = version_objection(info)
    if objection is None and not allow_volatile:
        objection = durability_objection(info)
    if objection is not None:
        raise ConfigurationError(objection)


def version_objection(info: dict[str, object]) -> str | None:
    """What is wrong with the server's version, or None."""
    name, least = ("Valkey", _LEAST_VALKEY) if "valkey_version" in info else ("Redis", _LEAST_REDIS)
    text = str(info.get("valkey_version", info.get("redis_version", "0")))
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return f"the state server is {name} {text}; {name} {least} or later is needed" if version < least else None


def durability_objection(info: dict[str, object]) -> str | None:
    """What may lose data on this server, or None."""
    advice = "or start with --allow-volatile"
    if not int(str(info.get("aof_enabled", 0))):
        return (
            f"the state server keeps no append-only file, so a crash loses the backlog: set `appendonly yes`, {advice}"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return f"the state server evicts keys when full ({policy}): set `maxmemory-policy noeviction`, {advice}"
    return None


def slow_disk(info: dict[str, object]) -> str | None:
    """What a slow disk lets the server forget when it is killed, or None.

    With ``appendfsync everysec`` Redis keeps writes back while an fsync takes longer than a second, and acknowledges them.
    """
    times = int(str(info.get("aof_delayed_fsync", 0)))
    if times < _OFTEN_DELAYED:
        return None
    return (
        f"the state server's disk is slow: {times} times an fsync took longer than a second, and a server "
        "killed at that moment may lose two seconds of writes. Use a faster disk, or set `appendfsync always`"
    )


def in_clear(api_base: str) -> bool:
    """Whether API keys would travel to another machine without TLS.

    Args:
        api_base: the provider's base address.
    """
    parts = urlsplit(api_base)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True
