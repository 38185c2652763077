"""Celery's own tools, as an operator calls them."""

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from celery.bin.control import _compile_arguments

from paceline import names
from paceline.settings import Settings
from paceline_worker.celery import build_app
from tests.support.processes import Process
from tests.support.stack import PATIENCE, Stack, canary_environment
from tests.support.wait import wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "paceline_worker"]


@dataclass(frozen=True)
class Said:
    """How one of Celery's tools ended, and all that it wrote, standard and error alike."""

    code: int
    text: str


def celery(environment: Mapping[str, str], *args: str, forked: bool = True) -> Said:
    """One of Celery's tools, as an operator would start it; or as a child of the nursery, which has imported it already."""
    with TemporaryDirectory(prefix="paceline-tool-") as folder:
        with patch.dict("os.environ", canary_environment(), clear=True):
            tool = Process([*CELERY, *args], environment, Path(folder) / "log", forked=forked)
        try:
            return Said(tool.wait(timedelta(seconds=200)), tool.log_text())
        finally:
            tool.kill()


def of_broker(url: str) -> dict[str, str]:
    """The environment of who knows the broker and nothing else."""
    return {names.ENV_BROKER_URL: url, names.ENV_STATE_URL: "redis://127.0.0.1:1/0"}


def node(worker: Process) -> str:
    """Its name among Celery's workers."""
    return worker.wait_for_line(r"([\w.-]+@[\w.-]+) ready\.")[1]


def by_tool(stack: Stack, worker: Process, tool: str, *command: str) -> Any:
    """What one worker answers to `celery inspect` or `celery control`; its name keeps the tool from waiting for others."""
    environment = of_broker(stack.server.url)
    done = celery(environment, tool, *command, "--json", "--timeout", "30", "--destination", node(worker))
    answers = json.loads(done.text)
    if isinstance(answers, list):
        (answers,) = answers
    return answers[node(worker)]


def ask(stack: Stack, worker: Process, *command: str) -> Any:
    """What one worker answers to a command of `inspect` or `control`, asked as these do, in this process."""
    name, *words = command
    app, address = build_app(Settings(broker_url=stack.server.url)), node(worker)
    with closing(app), app.connection_for_write() as connection:
        (answer,) = app.control.broadcast(
            name,
            arguments=_compile_arguments(name, words),
            destination=[address],
            connection=connection,
            reply=True,
            limit=1,
            timeout=200,
        )
    return answer[address]


def figures_when(stack: Stack, worker: Process, **wanted: Any) -> dict[str, Any]:
    """What `inspect paceline` says, as soon as it says this."""

    def check() -> dict[str, Any] | None:
        found: dict[str, Any] = ask(stack, worker, "paceline")
        return found if wanted.items() <= found.items() else None

    return wait_until(check, PATIENCE, lambda: f"{wanted}; {ask(stack, worker, 'paceline')}")
