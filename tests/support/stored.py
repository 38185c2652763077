"""What state holds of an account, read from its keys and not through our scripts."""

from collections.abc import Callable, Iterator

import redis

from paceline.state.shards import layout_of, root_at

PARTS = ("a", "about", "secret", "hook")


def stored_account(client: redis.Redis, name: str) -> dict[str, str]:
    """All fields of an account, from the three hashes that hold them."""
    fields: dict[str, str] = {}
    root = root_at(client, layout_of(client).shard_of(name))
    for part in PARTS:
        found = client.hgetall(f"{root}:{part}:{name}")
        fields |= {str(field): str(value) for field, value in found.items()}
    return fields


def contents(client: redis.Redis) -> Iterator[tuple[str, str]]:
    """Every key, and what commands read of it: a dump does not show a number that the server keeps as an integer."""
    readers: dict[str, Callable[[str], object]] = {
        "string": client.get,
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    for key in map(str, client.scan_iter("*", count=1000)):
        kind = str(client.type(key))
        if kind in readers:  # it may be gone by now
            yield key, str(readers[kind](key))
