"""What must hold before a worker starts. Each refusal is one sentence that says what to do."""

import re
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from packaging.version import InvalidVersion, Version
from redis.exceptions import NoPermissionError, ResponseError

from paceline.errors import ConfigurationError

_LEAST_REDIS: Final = Version("6.2")
_LEAST_VALKEY: Final = Version("7.2")
UNTOLD: Final = (
    "the state server forbids INFO, so its version, append-only file, eviction policy and restarts cannot be checked"
)
# Since the server started; once or twice is a hiccup.
_OFTEN_DELAYED: Final = 10


def check_state_server(client: redis.Redis, *, allow_volatile: bool, assume_durable: bool = False) -> str | None:
    """Refuse a server that is too old, forgets on a restart, or throws data away when full.

    Args:
        client: the state server.
        allow_volatile: accept what may lose data.
        assume_durable: take the server for durable where it does not tell, or has no append-only file of its own.

    Returns:
        What cannot be checked, in one sentence, or None.

    Raises:
        ConfigurationError: says what is wrong and what to do.
    """
    info = told(client)
    if not info:
        if allow_volatile or assume_durable:
            return UNTOLD
        raise ConfigurationError(
            f"{UNTOLD}: start with --assume-durable if the service keeps what it acknowledged, or with --allow-volatile"
        )
    objection = version_objection(info)
    if objection is None and not allow_volatile:
        objection = durability_objection(info, assume_durable=assume_durable)
    if objection is not None:
        raise ConfigurationError(objection)
    return None


def told(client: redis.Redis) -> dict[str, Any]:
    """What the server tells with INFO; nothing where a managed service forbids that, or has renamed the command.

    Raises:
        RedisError: the server does not answer, or lets nobody in.
    """
    try:
        return dict(client.info("everything"))
    except NoPermissionError:
        return {}
    except ResponseError as error:
        if "unknown command" in str(error).lower():
            return {}
        raise


def moving(client: redis.Redis) -> set[int]:
    """Slots that the node of a cluster hands over or takes over in the old way, key by key.

    Args:
        client: whose connections lead to the node.

    Raises:
        RedisError: the node does not tell.
    """
    nodes = client.execute_command("CLUSTER", "NODES")  # type: ignore[no-untyped-call]
    return {int(slot) for slot in re.findall(r"\[(\d+)-[<>]-", str(nodes))}


def version_objection(info: dict[str, object]) -> str | None:
    """What is wrong with the server's version, or None."""
    name, least = ("Valkey", _LEAST_VALKEY) if "valkey_version" in info else ("Redis", _LEAST_REDIS)
    text = str(info.get("valkey_version", info.get("redis_version", "0")))
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return f"the state server is {name} {text}; {name} {least} or later is needed" if version < least else None


def durability_objection(info: dict[str, object], *, assume_durable: bool = False) -> str | None:
    """What may lose data on this server, or None.

    Args:
        info: what the server tells.
        assume_durable: it needs no append-only file, because the service keeps what it acknowledged in another way.
    """
    advice = "or start with --allow-volatile"
    if not assume_durable and not int(str(info.get("aof_enabled", 0))):
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
