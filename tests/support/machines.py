"""Running a stateful Hypothesis machine against a real server on a moved clock."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from tests.support import profiles
from tests.support.moved_clock import moved_scripts


def run(
    machine: type[RuleBasedStateMachine],
    server: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    examples: int,
    steps: int,
) -> None:
    """Run a machine that finds its client in the class attribute `client`.

    Args:
        machine: what to run.
        server: it is emptied.
        monkeypatch: moves the clock of the scripts.
        examples: how many sequences of steps, see `profiles`; `HYPOTHESIS_EXAMPLES` in the environment overrides the number.
        steps: of each example.
    """
    client = connect(server.url)
    bound: Any = type(machine.__name__, (machine,), {"client": client})
    with moved_scripts(monkeypatch):
        run_state_machine_as_test(
            bound,
            settings=settings(
                max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", profiles.of_a_machine(examples))),
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
            ),
        )
    client.flushall()
    client.close()
