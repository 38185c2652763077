"""Keys of a Redis broker that have become of another type: reading their queue fails for every worker until they are gone.

A queue that is empty is no key, so whoever may write there can make a key of another type, a compromised producer too.
"""

import logging
from collections.abc import Iterable
from typing import Any

from kombu.transport import redis

from paceline_worker.broker.refusals import Refusals

logger = logging.getLogger(__name__)


def delete_strays(channel: Any, queues: Iterable[str], refusals: Refusals) -> None:
    """Delete what is in the place of a queue, of its bindings or of Celery's notes and can be none of them.

    Args:
        channel: of any broker; only Redis has such keys.
        queues: the names of ours.
        refusals: told of each key.
    """
    if not isinstance(channel, redis.Channel):
        return
    types = _types(channel, list(queues))
    with channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
        for key in types:
            pipe.type(key)
        strays = [
            key for key, kind in zip(types, pipe.execute(), strict=True) if kind.decode() not in ("none", types[key])
        ]
        for key in strays:
            client.delete(key)
            refusals.add("envelope")
            logger.error("the broker's key %s was not of type %s: deleted", key, types[key])


def _types(channel: Any, queues: list[str]) -> dict[str, str]:
    """The keys, and the type that each has if it is there."""
    lists = [channel._q_for_pri(queue, step) for queue in queues for step in channel.priority_steps]  # noqa: SLF001 - kombu's own name of a key
    sets = [
        pattern % queue
        for queue in queues
        for pattern in (channel.keyprefix_queue, channel.keyprefix_binding_permanent)
    ]
    return (
        dict.fromkeys(lists, "list")
        | dict.fromkeys(sets, "set")
        | {channel.keyprefix_binding_deadlines: "zset", channel.unacked_key: "hash", channel.unacked_index_key: "zset"}
    )
