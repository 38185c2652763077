"""The broker: whether it lets us in, takes hints, and carries control commands."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from kombu.entity import Exchange, Queue
from redis.exceptions import RedisError

from paceline.errors import ConfigurationError
from paceline.inbox.app import App
from paceline.settings import Settings
from paceline.settings.address import read_broker
from paceline.state.trouble import trouble
from paceline_worker.doctor.finding import Finding, failure, ok, warning

_PATIENCE_S: Final = 1.0


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at the broker."""
    broker = read_broker(settings.broker_url)
    if "CERT_NONE" in broker.url or (broker.tls and not broker.tls["cert_reqs"]):
        yield warning(
            "broker TLS", "the broker's certificate is not verified: remove ssl_cert_reqs from PACELINE_BROKER_URL"
        )
    app = App("paceline.doctor", settings)
    with closing(app):
        try:
            app.check_broker()
        except ConfigurationError as error:
            yield failure("broker", str(error))
            return
        yield from _looks(app, broker.kind)


def _looks(app: App, kind: str) -> Iterator[Finding]:
    options = app.conf["broker_transport_options"]
    app.conf["broker_transport_options"] = options | {"max_retries": 0, "interval_start": 0, "interval_max": 0}
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            name = f"{app.accept_queue}.doctor"
            exchange = Exchange(name)  # type: ignore[no-untyped-call]
            queue: Any = Queue(name, exchange, routing_key=name)  # type: ignore[no-untyped-call]
            queue = queue(connection.default_channel)
            queue.declare()
            queue.delete()
            queue.exchange.delete()
        except Exception as error:  # noqa: BLE001 - any broker, any error
            yield failure("broker", _words(error))
            return
        yield ok("broker", f"the broker ({kind}) accepts the connection, and queues can be declared")

    try:
        answers = app.control.ping(timeout=_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - any broker, any error
        yield failure("broker control", _words(error))
        return

    yield ok("broker control", f"control commands pass; {len(answers)} answered within {_PATIENCE_S:g} s")


def _words(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, RedisError | OSError) else error
    if isinstance(cause, RedisError):
        return trouble(cause, "the broker")
    return f"the broker cannot be used: {cause}"
