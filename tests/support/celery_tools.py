"""Celery's own tools, as an operator calls them."""

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

from celery.bin.control import _compile_arguments

from paceline import names
from paceline.settings import Settings
from paceline_worker.celery import build_app
from tests.support.processes import Process
from tests.support.stack import PATIENCE, Stack, canary_environment
from tests.support.wait import wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "paceline_worker"]


def celery(url: str, *args: str) -> subprocess.CompletedProcess[str]:
    """One of Celery's tools, which knows the broker and nothing else."""
    environment = canary_environment() | {names.ENV_BROKER_URL: url, names.ENV_STATE_URL: "redis://127.0.0.1:1/0"}
    return subprocess.run([*CELERY, *args], env=environment, capture_output=True, text=True, timeout=200, check=False)


def node(worker: Process) -> str:
    """Its name among Celery's workers."""
    return worker.wait_for_line(r"([\w.-]+@[\w.-]+) ready\.")[1]


def by_tool(stack: Stack, worker: Process, tool: str, *command: str) -> Any:
    """What one worker answers to `celery inspect` or `celery control`; its name keeps the tool from waiting for others."""
    done = celery(stack.server.url, tool, *command, "--json", "--timeout", "30", "--destination", node(worker))
    answers = json.loads(done.stdout)
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
