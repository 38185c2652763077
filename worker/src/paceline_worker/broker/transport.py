"""A guard around kombu's own transport: whatever lies in a queue or comes through a channel, the process that reads it goes on.

kombu trusts what it reads, has no hook for what it cannot read, and puts a message back that ended its reader
(celery/kombu#2421, celery/celery#7975). So the guard stands where bytes become a message and where a message is handed on.
"""

import json
import uuid
from collections import Counter
from functools import cache
from queue import Empty
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.transport import redis, virtual
from redis.exceptions import ResponseError

from paceline_worker.broker import envelope, slices
from paceline_worker.broker.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable


def guard(connection: Connection, refusals: Refusals) -> None:
    """Have a connection read messages through the guard, also after it moved to another broker of its list.

    Args:
        connection: of any transport; those that bring no bytes of their own (AMQP) stay as they are.
        refusals: told of each message that is thrown away.
    """
    usual: Callable[[], Any] = connection.get_transport_cls
    vars(connection)["get_transport_cls"] = lambda: _guarded(usual(), refusals)


@cache
def _guarded(base: Any, refusals: Refusals) -> Any:
    if not issubclass(base, virtual.Transport):
        return base
    members: dict[str, Any] = {"refusals": refusals, "_deliver": _deliver(base)}
    if issubclass(base, redis.Transport):
        members["Channel"] = _redis_channel(base.Channel, refusals)
    return type(f"Guarded{base.__name__}", (base,), members)


def _deliver(base: Any) -> Any:
    """Of a transport: hand one message to the consumer of its queue."""

    def deliver(self: Any, message: Any, queue: str) -> None:
        why = envelope.objection(message)
        if why:
            self.refusals.add(why)
            return
        # Our own: a stranger could name the tag of another message.
        tag = message["properties"]["delivery_tag"] = str(uuid.uuid4())
        try:
            base._deliver(self, message, queue)  # noqa: SLF001 - this is its method
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception:  # noqa: BLE001 - what no check foresaw must not end the worker, nor come back
            self.refusals.add("failed")
            for channel in self.channels:
                if tag in channel.qos._delivered:  # noqa: SLF001 - there is no other way to ask
                    channel.qos.ack(tag)

    return deliver


def _redis_channel(base: Any, refusals: Refusals) -> Any:
    """A Redis channel that survives bytes that are no JSON, or too many."""

    class Channel(base):
        class QoS(base.QoS):
            def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's
                try:
                    super().restore_by_tag(tag, client, leftmost)
                except self.channel.connection_errors:
                    raise
                except Exception:  # noqa: BLE001 - a message that cannot be put back is forgotten: hints may be lost
                    refusals.add("envelope")
                    self._remove_from_indices(tag).execute()

        def _get_client(self) -> Any:
            return _bounded(super()._get_client())

        def _brpop_read(self, **options: Any) -> Any:
            before = refusals.number
            reply = self._read_one(**options)
            if refusals.number > before:
                _sift(self, self.client.served, refusals)
            return reply

        def _read_one(self, **options: Any) -> Any:
            try:
                return super()._brpop_read(**options)
            except (Empty, *self.connection_errors, self.ResponseError):
                raise
            except Exception:  # noqa: BLE001 - no JSON, or nested deeper than Python can follow
                refusals.add("envelope")
                return None

        def _handle_message(self, client: Any, reply: Any) -> Any:
            event = super()._handle_message(client, reply)
            if event["data"] and not _is_readable(event["data"]):
                refusals.add("envelope")
                event["data"] = None
            return event

    return Channel


def _sift(channel: Any, key: str, refusals: Refusals) -> None:
    """Where one message was refused there may be a flood: look at those behind it together."""
    try:
        with channel.conn_or_acquire() as client:
            raws = slices.popped(client, key)
    except ResponseError:
        return  # a server that runs no scripts: one message at a time, then

    refused: Counter[str] = Counter()
    for raw in raws:
        message, why = slices.read(raw)
        if why:
            refused[why] += 1
        else:
            channel.connection._deliver(message, key.rsplit(channel.sep, 1)[0])  # noqa: SLF001 - as kombu's channel does
    for why, number in refused.items():
        refusals.add(why, number)


def _bounded(base: Any) -> Any:
    """A Redis client that hands on no message larger than any of ours: parsing one takes twenty times its size."""

    class Client(base):
        # The list that the last message came from.
        served = ""

        def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
            reply = super().parse_response(connection, command_name, **options)
            if command_name == "BRPOP" and reply:
                self.served = reply[0].decode()
            if command_name == "BRPOP" and reply and len(reply[1]) > slices.LARGEST_MESSAGE:
                return reply[0], b""
            return reply

    return Client


def _is_readable(data: Any) -> bool:
    """Whether the content of an event is JSON; the number of subscribers of a confirmation is, too."""
    if isinstance(data, int):
        return True
    if not isinstance(data, bytes | str) or len(data) > slices.LARGEST_MESSAGE:
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
