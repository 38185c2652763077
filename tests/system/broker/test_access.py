"""The rights that Paceline needs of a server, as docs/infrastructure.md lists them, and no more."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paceline import Outbox
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from tests.support.celery_tools import node
from tests.support.processes import Sandbox
from tests.support.servers import start_server
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

PAGE = Path(__file__).parents[3] / "docs" / "infrastructure.md"


def rules(user: str) -> list[str]:
    """The words of `ACL SETUSER` for a user, as the page has them."""
    line = re.search(rf"^ACL SETUSER {user} (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert line
    return line[1].split()


def test_the_documented_users_can_do_all_that_is_needed(sandbox: Sandbox) -> None:
    """One user for state and one for the broker, on one server: messages are delivered, and workers answer."""
    with start_server() as server, closing(connect(server.url)) as admin:
        setuser: Any = admin.execute_command
        for user in ("paceline-state", "paceline-broker"):
            setuser("ACL", "SETUSER", user, *rules(user))
        environment = {
            "PACELINE_BROKER_URL": address(server, "paceline-broker"),
            "PACELINE_STATE_URL": address(server, "paceline-state"),
        }
        with Stack(server, sandbox, **environment) as built:
            built.scenario()
            built.add_account()
            worker = built.start_worker()
            with Outbox(environment["PACELINE_BROKER_URL"], environment["PACELINE_STATE_URL"]) as outbox:
                before, built.outbox = built.outbox, outbox
                for number in range(5):
                    built.send(number)
                built.settled(5)
                built.outbox = before
            assert node(worker)
            assert "No permissions" not in worker.log_text()
            assert "NOPERM" not in worker.log_text()
        log: Any = admin.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
        assert [] == log


def address(server: EmbeddedServer, user: str) -> str:
    return server.url.replace("redis://", f"redis://{user}:secret@")
