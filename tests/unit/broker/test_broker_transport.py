"""What our broker connections do that kombu's own do not."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError

from paceline import Settings
from paceline.inbox import transport
from paceline.inbox.app import App
from paceline.inbox.publisher import Publisher
from tests.conftest import Servers
from tests.support.servers import SERVER_KINDS


@pytest.fixture(scope="module")
def app(servers: Servers) -> Iterator[App]:
    made = App("test", Settings(broker_url=servers.get(SERVER_KINDS[0]).url))
    yield made
    made.close()


def test_a_closed_channel_is_a_lost_connection(app: App) -> None:
    """A hint that is acknowledged after its connection was closed meets an error that Celery waits out, not one that ends it."""
    connection = app.connection_for_read()
    channel = connection.default_channel
    errors = connection.connection_errors
    connection.release()
    with pytest.raises(RedisConnectionError, match="connection to the broker is closed"):
        channel.qos.ack("1")
    assert issubclass(RedisConnectionError, errors)


@pytest.mark.parametrize("error", [ResponseError, ReadOnlyError])
@pytest.mark.parametrize("url", ["redis://host", "rediss://host", "unix:///run/x", "sentinel://host?master_name=m"])
def test_a_refusal_is_a_lost_connection(url: str, error: type[Exception]) -> None:
    """READONLY, UNBLOCKED, OOM, MISCONF, NOREPLICAS: the consumer reconnects, and goes on when the server lets it."""
    with App("test", Settings(broker_url=url, state_url="redis://state")).connection_for_read() as connection:
        assert issubclass(error, connection.connection_errors)


@pytest.mark.parametrize(("most", "start"), [(1.0, 2), (1.0, 30), (0.0, 0)])
def test_waits_stay_short_however_long_a_broker_is_away(
    app: App, monkeypatch: pytest.MonkeyPatch, most: float, start: float
) -> None:
    """kombu would wait 2, 4, 6 ... 30 s. The tenth wait is as long as the first, jittered, and who must not wait does not."""
    waits: list[tuple[Any, ...]] = []
    monkeypatch.setattr("kombu.connection.retry_over_time", lambda *given, **_: waits.append(given[6:9]))
    for _ in range(20):
        with app.connection_for_read() as connection:
            connection.ensure_connection(interval_start=start)
    assert all(first == last and step == 0 and first <= most for first, step, last in waits)
    assert len(set(waits)) == (20 if most else 1)


def test_a_connection_leaves_the_chance_of_the_program_alone(app: App) -> None:
    """A seeded program draws the same numbers whether hints leave beside it or not."""
    before = random.getstate()
    with app.connection_for_read() as connection:
        connection.ensure_connection()
    assert before == random.getstate()


def test_a_consumer_that_is_let_in_and_refused_comes_back_once_a_second(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not spin, and the first attempt waits for nothing."""
    slept: list[float] = []
    monkeypatch.setattr(transport.Connection, "_consumer_connects_s", -math.inf)
    monkeypatch.setattr("paceline.inbox.transport.time.sleep", slept.append)
    for _ in range(3):
        with app.connection_for_read() as connection:
            connection.ensure_connection(lambda *_: None)
    assert 2 == len(slept)
    assert all(0.5 < pause <= 1 for pause in slept)


class Deaf:
    """A broker connection whose server listens to nothing: waiting for its answer would last for ever."""

    connected = True

    def __init__(self) -> None:
        self.connection = self
        self.collected = 0

    def collect(self) -> None:
        self.collected += 1

    def release(self) -> None:
        raise AssertionError("it waits for an answer")


def test_a_broker_that_blocks_is_left_without_a_word(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ in its memory alarm takes a message, confirms nothing, and does not hear that we close."""
    deaf = Deaf()
    monkeypatch.setattr(app, "connection_for_write", lambda: deaf)

    def send_task(*_: Any, confirm_timeout: float, **__: Any) -> None:
        assert 0 < confirm_timeout < 5
        raise TimeoutError

    monkeypatch.setattr(app, "send_task", send_task)
    monkeypatch.setattr(app.amqp, "Producer", lambda *_, **__: None)
    publisher = Publisher(app)
    for number in (1, 2):
        with pytest.raises(TimeoutError):
            publisher.publish("task", [], queue="queue")
        assert number == deaf.collected
