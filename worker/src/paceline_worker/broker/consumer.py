"""Celery's consumer and remote control, which take hints and known commands, and forget everything else."""

import logging
from contextlib import suppress
from typing import Any, ClassVar, Final

from celery.app.control import Control
from celery.worker.consumer import Consumer
from kombu import compression, pidbox

from paceline import names
from paceline_worker.broker import commands, hints
from paceline_worker.broker.refusals import Refusals
from paceline_worker.broker.strays import delete_strays
from paceline_worker.broker.transport import guard

logger = logging.getLogger(__name__)

# Workers need no word of each other: neither elections nor a common memory of what was revoked.
_ALONE: Final = {"without_gossip": True, "without_mingle": True}


# Queues for delays of up to 2 ** 27 s, which Celery declares on RabbitMQ beside quorum queues. Nothing of ours waits in Celery.
_DELAYS: Final = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class HintConsumer(Consumer):
    """Celery's consumer for our two tasks."""

    class Blueprint(Consumer.Blueprint):
        """Celery's steps, without the one that declares queues for delays."""

        default_steps: ClassVar = [step for step in Consumer.Blueprint.default_steps if step != _DELAYS]

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **options: Any) -> None:
        _forbid_compression()
        for name in set(options["app"].tasks) - {names.ACCEPT_TASK, names.DELIVER_TASK}:
            options["app"].tasks.pop(name)  # Celery's own, which run others
        super().__init__(*args, worker_options={**(worker_options or {}), **_ALONE}, **options)

    @property
    def refusals(self) -> Refusals:
        """Where refused messages are counted."""
        return self.app.refusals  # type: ignore[no-any-return]

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        """A connection whose messages pass the guard, to queues that can be read."""
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        guard(connection, self.refusals)
        connected = self.ensure_connected(connection)
        with suppress(*connected.connection_errors):  # the consumer meets the same error, and connects again
            delete_strays(connected.default_channel, (self.app.accept_queue, self.app.deliver_queue), self.refusals)
        return connected

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """A function that takes one message: a hint goes on to its task, anything else is acknowledged and forgotten."""
        take = super().create_task_handler(*args, **options)

        def on_message(message: Any) -> None:
            why = hints.objection(message.content_type, message.content_encoding, message.headers, message.body)
            if why:
                self._forget(message, why)
                return
            message.headers = hints.kept(message.headers)
            take(message)

        return on_message

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """Forget a message that cannot be decoded; Celery's own would write it into the log."""
        self._forget(message, "content")

    def _forget(self, message: Any, why: str) -> None:
        self.refusals.add(why)
        acknowledge = getattr(message, "ack_log_error", None)  # a message of AMQP that kombu could not read has none
        if acknowledge and not message.acknowledged:
            acknowledge(logger, self.connection_errors)


class CommandNode(pidbox.Node):
    """A worker's mailbox, which obeys known commands and answers to those who may ask."""

    def handle_message(self, body: Any, message: Any = None) -> Any:
        """Obey one command, or forget it."""
        node: Any = self
        why = commands.objection(body, known=node.handlers, reply_exchange=node.mailbox.reply_exchange.name)
        if why:
            node.state.app.refusals.add(why)
            return None
        return super().handle_message(body, message)  # type: ignore[no-untyped-call]


class CommandMailbox(pidbox.Mailbox):
    """Celery's mailbox with nodes of ours."""

    node_cls = CommandNode


class CommandControl(Control):
    """Celery's remote control with mailboxes of ours."""

    Mailbox = CommandMailbox


def _forbid_compression() -> None:
    """Let this process open no compressed message: a small one would grow until the machine is full."""
    known: Any = compression
    for content_type in known.encoders():
        encode, _ = known.get_encoder(content_type)
        known.register(encode, _refuse, content_type)


def _refuse(_: bytes) -> bytes:
    raise ValueError("messages are not compressed")
