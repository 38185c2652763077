"""A machine that slept and a state server whose clock was set: nothing is sent twice, and nothing against the pace."""

import os
import signal
import time
from pathlib import Path

import pytest

from paceline import names
from paceline.state.scripts import Script
from paceline_sandbox.embedded import EmbeddedServer
from tests.support.clocks import Sleeper, set_server_clock, shifted_server
from tests.support.proxy import Proxy
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

# With the default of 15 s a lease has 20 s.
DEADLINE_S = "1"
STOOD_S = 0.5


def hold_begin(proxy: Proxy) -> None:
    """The next begin is carried out, and the worker does not hear of that: it stops before the call, however late it is stopped."""
    proxy.hold_replies(Script("paceline_worker", "begin")._sha.encode())  # noqa: SLF001


def test_a_machine_that_slept_does_not_send_what_another_worker_has_sent_meanwhile(
    stack: Stack, server: EmbeddedServer, tmp_path: Path
) -> None:
    """It slept from begin until after its lease. Its monotonic clock says that the slot is now."""
    stack.add_account()
    sleeper = Sleeper(tmp_path)
    with Proxy(server.port) as proxy:
        far = stack.start_worker(
            PACELINE_BROKER_URL=f"redis://127.0.0.1:{proxy.port}/0",
            PACELINE_HTTP_DEADLINE=DEADLINE_S,
            **sleeper.environment,
        )
        stack.status_when(stack.send(0), "accepted")
        hold_begin(proxy)
        receipt = stack.send(1, on_unknown="resend")
        wait_until(lambda: proxy.replies_held, PATIENCE, "the answer of begin")
        with sleeper.asleep(far):
            proxy.pass_through()  # that answer, and no other: one that tells the server's time would be a warning
            proxy.black_hole()
            other = stack.start_worker(PACELINE_HTTP_DEADLINE=DEADLINE_S)
            stack.status_when(receipt, "accepted")
            hold_begin(proxy)
        wait_until(lambda: proxy.commands_held or len(stack.arrivals()) > 2, PATIENCE, "it asks once more, or sends")
        proxy.pass_through()
        other.stop()
        stack.status_when(stack.send(2), "accepted")  # it is awake, and goes on
    assert {"message 0": 1, "message 1": 1, "message 2": 1} == stack.texts_accepted()
    assert 3 == len(stack.arrivals())


def test_a_worker_that_stood_still_sends_what_it_holds_at_another_slot(stack: Stack, server: EmbeddedServer) -> None:
    """Between begin and slot, for less than its lease: the operation moves, it is not given back and granted again."""
    stack.add_account()
    with Proxy(server.port) as proxy:
        far = stack.start_worker(PACELINE_BROKER_URL=f"redis://127.0.0.1:{proxy.port}/0")
        stack.status_when(stack.send(0), "accepted")
        hold_begin(proxy)
        receipt = stack.send(1)
        wait_until(lambda: proxy.replies_held, PATIENCE, "the answer of begin")
        token = stack.client.hget(f"{names.STATE_ROOT}:o:{receipt.id}", "n")
        os.kill(far.pid, signal.SIGSTOP)
        proxy.pass_through()
        time.sleep(STOOD_S)
        os.kill(far.pid, signal.SIGCONT)
        stack.status_when(receipt, "accepted")
        assert token == stack.client.hget(f"{names.STATE_ROOT}:o:{receipt.id}", "n")
    assert {"message 0": 1, "message 1": 1} == stack.texts_accepted()


@pytest.mark.parametrize("seconds", [-30, 3600])
def test_a_server_clock_that_is_set_doubles_nothing_and_breaks_no_limit(stack: Stack, seconds: int) -> None:
    """Set while messages leave evenly: each arrives once, no two closer than the provider allows, and they go on leaving."""
    stack.scenario(defaults={"limits": ["300/minute"], "algorithm": "spacing"})
    stack.add_account("300/minute", "spacing")
    stack.start_worker(**shifted_server())
    set_server_clock(stack.client, 0)
    try:
        for number in range(30):
            stack.send(number)
        stack.settled(10)
        set_server_clock(stack.client, seconds)
        stack.settled(30)
    finally:
        stack.client.delete(f"{names.STATE_ROOT}:test-shift")
    assert [1] * 30 == list(stack.texts_accepted().values())
    assert (0, 0) == (stack.violations(), stack.balance().unaccounted)
