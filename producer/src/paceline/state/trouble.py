"""What is wrong with a state server, in one sentence, by what redis-py raised."""

import re
from collections.abc import Iterable
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# After these a connection leads to the wrong server, or to a server that is not ready: the next command asks for the right one.
LEADS_ASTRAY: Final = (RedisConnectionError, ReadOnlyError, MovedError, ClusterDownError)
# After these the same server would answer another command in the same way, until a failover or a move is over.
PASSES: Final = (*LEADS_ASTRAY, AskError, TryAgainError, MasterDownError)
# The server did nothing of what it was told, because another server is the primary.
REFUSED: Final = (ReadOnlyError, MovedError)

# What stands in the server's words -> ours. redis-py takes the first word away from some.
_WORDS: Final = (
    (r"READONLY|read only replica", "is a replica, which takes no writes: name the primary"),
    (r"\bOOM\b|used memory > ", "is full: it reached its maxmemory and takes no writes until memory is free"),
    (
        r"MISCONF|unable to persist",
        "cannot save its data to disk, and takes no writes until then: check its log",
    ),
    (
        "NOREPLICAS|Not enough good replicas",
        "has fewer replicas than its min-replicas-to-write, and takes no writes",
    ),
    ("MASTERDOWN|Link with MASTER is down", "is a replica whose primary is away"),
    ("UNBLOCKED", "has just changed its role"),
    ("CLUSTERDOWN", "belongs to a cluster that is down"),
    ("CROSSSLOT", "belongs to a cluster, which cannot be a broker"),
    ("cluster support disabled", "is not a cluster: begin its address with redis:// or rediss://"),
    ("Slot is unserved|slot not served", "belongs to a cluster in which nobody serves the slot of its keys"),
)
_MOVED: Final = "belongs to a cluster of several shards: begin its address with redis+cluster:// or rediss+cluster://"
_MOVING: Final = "is moving the slot of its keys to another server, and nothing is done until that is over"
# The words for an error without others.
_NOT_TAKEN: Final = "did not take the command"

# Of an error, the shard whose server raised it, where shards lie on several servers.
_SHARD: Final = "paceline_shard"


class TooFewReplicas(RedisError):
    """A write stands on the primary, and not on as many replicas as PACELINE_WAIT_REPLICAS says."""


def of_shard(error: Exception, shard: int) -> None:
    """Note which shard's server is in trouble, so that `trouble` names it."""
    vars(error).setdefault(_SHARD, shard)


def shard_in(error: Exception) -> int | None:
    """The shard that `of_shard` noted."""
    shard: int | None = vars(error).get(_SHARD)
    return shard


def trouble(error: Exception, server: str = "the state server") -> str:
    """Say what is wrong.

    Args:
        error: what redis-py raised.
        server: what it is called.

    Returns:
        One sentence, without a full stop.
    """
    words = str(error).strip()
    if (shard := shard_in(error)) is not None:
        server = f"{server} of shard {shard}"
    if isinstance(error, AuthenticationError | NoPermissionError):
        return f"{server} refused access: {words or 'wrong user name or password'}"
    if isinstance(error, BusyLoadingError):
        return f"{server} is loading its data, and takes no commands yet"
    if isinstance(error, RedisConnectionError | RedisTimeoutError) or not isinstance(error, RedisError):
        return _of_connection(error, words, server)

    if isinstance(error, AskError | TryAgainError):
        return f"{server} {_MOVED if isinstance(error, MovedError) else _MOVING}"
    if isinstance(error, TooFewReplicas):
        return words

    for pattern, ours in _WORDS:
        if re.search(pattern, words):
            return f"{server} {ours}"
    if isinstance(error, ClusterDownError):
        return f"{server} belongs to a cluster that is down"

    if "executing the script can't" in words:
        return f"{server} refused access: {words}"
    if "unknown command" in words:
        return f"{server} lacks a command that is needed: {words}"
    if "DB index" in words:
        return f"{server} has no database of that number: {words}"

    return f"{server} {_NOT_TAKEN}: {words}"


def is_failed_script(error: BaseException | None) -> bool:
    """Whether a script failed on a server that is well, which it does again when it is run again.

    Args:
        error: what redis-py raised.
    """
    return isinstance(error, ResponseError) and "user_script" in str(error) and _NOT_TAKEN in trouble(error)


def _of_connection(error: Exception, words: str, server: str) -> str:
    cause: BaseException | None = error
    for found in _causes(cause):
        if isinstance(found, ResponseError) and not isinstance(found, RedisConnectionError):
            return trouble(found, server)
    return f"{server} cannot be reached: {words or type(error).__name__}"


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        error = error.__cause__ or error.__context__
        if error is not None:
            yield error
