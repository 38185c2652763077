"""RabbitMQ as the broker, plain and TLS: hints cross it with confirms, and what happens to it loses and doubles nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from paceline import Outbox, Queued, Settings
from paceline_sandbox.embedded import EmbeddedServer
from tests.support.processes import Sandbox
from tests.support.rabbitmq import RabbitMQ
from tests.support.stack import Stack
from tests.support.wait import wait_until

# RabbitMQ takes a long time to start, and little of the machine.
pytestmark = [pytest.mark.system, pytest.mark.first, pytest.mark.timeout(400)]

QUEUES = ("paceline.accept", "paceline.deliver")
QUORUM = '{"queue_type": "quorum"}'
THIRD = 50
PATIENCE = timedelta(seconds=120)


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with TemporaryDirectory(prefix="rabbit-") as folder, RabbitMQ(Path(folder)) as broker:
        yield broker


class Line:
    """A stack whose hints cross RabbitMQ; state stays where it was."""

    def __init__(self, stack: Stack, url: str, options: str) -> None:
        self.stack, self._own = stack, stack.outbox
        self.variables = {
            "PACELINE_BROKER_URL": url,
            "PACELINE_STATE_URL": stack.server.url,
            "PACELINE_BROKER_OPTIONS": options,
        }

    def __enter__(self) -> Stack:
        self.stack.environment |= self.variables
        settings = {name: value for name, value in self.variables.items() if value}
        self.stack.outbox = Outbox(settings=Settings.from_environment(settings))
        return self.stack

    def __exit__(self, *_: object) -> None:
        self.stack.outbox.close()
        self.stack.outbox = self._own


@pytest.fixture
def stack(server: EmbeddedServer, sandbox: Sandbox, rabbitmq: RabbitMQ) -> Iterator[Stack]:
    with Stack(server, sandbox) as built:
        built.sandbox.reset()
        built.scenario()
        yield built
    rabbitmq.forget(*QUEUES)


@pytest.mark.parametrize(("encrypted", "options", "kind"), [(False, "", "classic"), (True, QUORUM, "quorum")])
def test_hints_cross_rabbitmq(stack: Stack, rabbitmq: RabbitMQ, encrypted: bool, options: str, kind: str) -> None:
    """A message goes all the way, over queues of the type that is asked for, and no queue for delays is made."""
    with Line(stack, rabbitmq.encrypted_url if encrypted else rabbitmq.url, options):
        stack.add_account()
        stack.start_worker()
        tickets = [stack.send(number) for number in range(5)]
        assert {Queued} == {type(ticket.wait(timeout=60)) for ticket in tickets}
        stack.settled(5)
        assert [kind, kind] == [rabbitmq.type_of(queue) for queue in QUEUES]
        assert rabbitmq.has("paceline.accept")
        assert not rabbitmq.has("celery_delayed_0")
    assert {f"message {number}": 1 for number in range(5)} == stack.texts_accepted()


def test_a_killed_broker_a_killed_worker_and_emptied_queues_lose_and_double_nothing(
    stack: Stack, rabbitmq: RabbitMQ
) -> None:
    """Two workers, one plain and one with TLS, on quorum queues: the sandbox's log has each message once."""
    with Line(stack, rabbitmq.encrypted_url, QUORUM):
        stack.add_account("1200/minute")
        stack.scenario(latency_ms=50)
        first = stack.start_worker()
        stack.start_worker(PACELINE_BROKER_URL=rabbitmq.url)
        for number in range(THIRD):
            stack.send(number)
        stack.settled(10)
        for queue in QUEUES:
            rabbitmq.purge(queue)
        rabbitmq.kill()
        for number in range(THIRD, 2 * THIRD):
            stack.send(number)
        stack.settled(2 * THIRD, PATIENCE)  # the broker is away, and state has them all
        rabbitmq.start()
        for number in range(2 * THIRD, 3 * THIRD):
            stack.send(number)
        stack.settled(2 * THIRD + 10, PATIENCE)
        first.kill()
        stack.start_worker()
        for queue in QUEUES:
            rabbitmq.purge(queue)
        books = stack.settled(3 * THIRD, PATIENCE)
        assert {"accepted": 3 * THIRD} == {name: count for name, count in books.outcomes.items() if count}
        wait_until(lambda: sum(map(rabbitmq.depth, QUEUES)) == 0, PATIENCE, "no hint stays behind")
    assert Counter({f"message {number}": 1 for number in range(3 * THIRD)}) == stack.texts_accepted()
    assert 0 == stack.violations()
