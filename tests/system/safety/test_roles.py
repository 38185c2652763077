"""Real processes under the users of deploy/valkey/users.acl."""

from collections.abc import Iterator

import pytest

from tests.support import roles
from tests.support.celery_tools import CELERY, node
from tests.support.processes import free_port, spawn
from tests.support.shell import paceline
from tests.support.stack import SECRET, Stack

pytestmark = [pytest.mark.system]


@pytest.fixture
def users(stack: Stack) -> Iterator[None]:
    roles.create(stack.client)
    yield
    for worker in stack.workers:
        worker.kill()
    roles.remove(stack.client)


@pytest.mark.usefixtures("users")
def test_a_worker_and_a_person_need_no_more_than_their_users_may(stack: Stack) -> None:
    """The worker consumes, sends and obeys; the command line and Celery's tools work; nothing is refused by the server."""
    stack.add_account()
    roles.acl(stack.client, "LOG", "RESET")
    worker = stack.start_worker(PACELINE_BROKER_URL=roles.url_of(stack.server.url, "worker"))
    for number in range(3):
        stack.send(number)
    assert 3 == stack.settled(3).outcomes["accepted"]
    operator = {"PACELINE_BROKER_URL": roles.url_of(stack.server.url, "operator"), "PACELINE_SECRET_KEY": SECRET}
    for command in (
        ("accounts", "list"),
        ("accounts", "suspend", stack.name),
        ("accounts", "resume", stack.name),
        ("accounts", "change", stack.name, "--limit", "10/minute"),
        ("audit",),
        ("dead", "list"),
        ("unknown", "list"),
        ("outcomes",),
        ("campaign", "list"),
        ("receipts", "show", stack.name),
    ):
        ended = paceline(operator, *command)
        assert 0 == ended.code, f"{command}: {ended.err}"
    asked = [*CELERY, "inspect", "ping", "--timeout", "30", "--destination", node(worker)]
    with spawn(asked, operator, worker.log_path.with_suffix(f".{free_port()}")) as tool:
        tool.wait_for_line("pong")
    # redis-py tells its name where it may; nobody needs that.
    refused = [str(entry) for entry in roles.acl(stack.client, "LOG") if "client|setinfo" not in str(entry)]
    assert [] == refused
    assert "NoPermission" not in worker.log_text()
