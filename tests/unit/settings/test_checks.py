from typing import Any, cast

import pytest
import redis

from paceline.errors import ConfigurationError
from paceline_worker.checks import (
    UNTOLD,
    check_state_server,
    durability_objection,
    in_clear,
    slow_disk,
    version_objection,
)

SAFE: dict[str, object] = {"redis_version": "7.4.1", "aof_enabled": 1, "maxmemory_policy": "noeviction"}


class Server:
    """A state server that answers INFO, and nothing else."""

    def __init__(self, info: dict[str, object]) -> None:
        self._info = info

    def info(self, section: str) -> dict[str, object]:
        assert section == "everything"
        return self._info


def check(info: dict[str, object], *, allow_volatile: bool = False) -> None:
    check_state_server(cast("redis.Redis", Server(info)), allow_volatile=allow_volatile)


@pytest.mark.parametrize(
    ("objection", "info"),
    [
        (None, {"redis_version": "6.2.0"}),
        (None, {"redis_version": "6.2.14"}),
        (None, {"redis_version": "7.0.15"}),
        (None, {"redis_version": "8.2.1"}),
        (None, {"redis_version": "10.0.0"}),
        (None, {"redis_version": "255.255.255"}),
        (None, {"redis_version": "7.2.4", "valkey_version": "7.2.5"}),
        (None, {"redis_version": "7.2.4", "valkey_version": "9.0.0"}),
        (None, {"redis_version": "of a fork that counts otherwise"}),
        ("Redis 6.0.20; Redis 6.2 or later", {"redis_version": "6.0.20"}),
        ("Redis 5.0.7; Redis 6.2 or later", {"redis_version": "5.0.7"}),
        ("Redis 0; Redis 6.2 or later", {}),
        ("Valkey 7.1.0; Valkey 7.2 or later", {"redis_version": "7.2.4", "valkey_version": "7.1.0"}),
    ],
)
def test_old_servers_are_told_by_their_version(objection: str | None, info: dict[str, object]) -> None:
    """Redis from 6.2 and Valkey from 7.2 will do; an older one is named with what is needed."""
    found = version_objection(info)
    assert found is None if objection is None else objection in str(found)


@pytest.mark.parametrize(
    ("objection", "change"),
    [
        (None, {}),
        (None, {"aof_enabled": "1"}),
        ("appendonly yes", {"aof_enabled": 0}),
        ("appendonly yes", {"aof_enabled": "0"}),
        ("appendonly yes", {"aof_enabled": None}),
        ("maxmemory-policy noeviction", {"maxmemory_policy": "allkeys-lru"}),
        ("maxmemory-policy noeviction", {"maxmemory_policy": "volatile-ttl"}),
        ("appendonly yes", {"aof_enabled": 0, "maxmemory_policy": "allkeys-lru"}),
    ],
)
def test_a_server_that_forgets_is_told_with_the_remedy(objection: str | None, change: dict[str, Any]) -> None:
    """No append-only file or an evicting policy: the objection says which line of the configuration to change."""
    info = {name: value for name, value in (SAFE | change).items() if value is not None}
    found = durability_objection(info)
    assert found is None if objection is None else objection in str(found)
    assert found is None or "--allow-volatile" in found


def test_a_sound_server_passes() -> None:
    """A durable server of a good version raises nothing."""
    check(SAFE)


def test_a_volatile_server_needs_permission() -> None:
    """What may lose data is refused, unless that was allowed."""
    with pytest.raises(ConfigurationError, match="append-only file"):
        check(SAFE | {"aof_enabled": 0})
    check(SAFE | {"aof_enabled": 0, "maxmemory_policy": "allkeys-lru"}, allow_volatile=True)


def test_an_old_server_is_refused_in_any_case() -> None:
    """Allowing data loss does not make an old server good enough."""
    with pytest.raises(ConfigurationError, match=r"Redis 6\.2"):
        check(SAFE | {"redis_version": "6.0.0"}, allow_volatile=True)


class Secretive:
    """A state server of a managed service, in which INFO is forbidden or renamed."""

    def __init__(self, error: redis.RedisError) -> None:
        self._error = error

    def info(self, _section: str) -> dict[str, object]:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.NoPermissionError("no"),
        redis.ResponseError("unknown command 'INFO', with args beginning with:"),
    ],
)
def test_a_server_that_does_not_tell_needs_a_word(error: redis.RedisError) -> None:
    """Either setting accepts that, and the sentence says what nobody can check."""
    client = cast("redis.Redis", Secretive(error))
    with pytest.raises(ConfigurationError, match=f"^{UNTOLD}: start with --assume-durable"):
        check_state_server(client, allow_volatile=False)
    assert UNTOLD == check_state_server(client, allow_volatile=False, assume_durable=True)
    assert UNTOLD == check_state_server(client, allow_volatile=True)


def test_trouble_of_another_kind_is_none_of_secrecy() -> None:
    """A server that is away must not pass for one that forbids INFO."""
    with pytest.raises(redis.ConnectionError):
        check_state_server(cast("redis.Redis", Secretive(redis.ConnectionError("away"))), allow_volatile=True)


def test_a_service_may_be_durable_without_a_file() -> None:
    """Assumed durability needs no append-only file; a server that says that it evicts keys is refused all the same."""
    assert durability_objection(SAFE | {"aof_enabled": 0}, assume_durable=True) is None
    assert "evicts keys" in str(durability_objection(SAFE | {"maxmemory_policy": "allkeys-lru"}, assume_durable=True))


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://api.p.2chat.io/open", False),
        ("http://127.0.0.1:8080/open", False),
        ("http://[::1]:8080/open", False),
        ("http://localhost:8080/open", False),
        ("http://sandbox:8080/open", True),
        ("http://10.0.0.1/open", True),
        ("http://localhost.example.com/open", True),
    ],
)
def test_keys_that_travel_in_clear_are_noticed(base: str, expected: bool) -> None:
    """Only to this machine itself nobody can listen."""
    assert expected is in_clear(base)


@pytest.mark.parametrize(("delayed", "is_slow"), [(0, False), (9, False), (10, True)])
def test_a_disk_that_is_slow_again_and_again_is_told_of(delayed: int, is_slow: bool) -> None:
    """Redis acknowledges what it keeps back while an fsync takes longer than a second."""
    words = slow_disk(SAFE | {"aof_delayed_fsync": delayed})
    assert is_slow == bool(words)
    assert slow_disk(SAFE) is None
