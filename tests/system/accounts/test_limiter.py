"""The bucket as a `limits` strategy, under concurrency and beside the workers."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from limits import parse

from paceline.errors import UnknownAccount
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.limiter import PacelineStorage, SlotRateLimiter
from tests.support.stack import Stack

TEN_A_MINUTE = parse("10/minute")


@pytest.fixture
def limiter(server: EmbeddedServer) -> Iterator[SlotRateLimiter]:
    storage = PacelineStorage(f"paceline+{server.url}")
    yield SlotRateLimiter(storage)
    storage.storage.close()


def test_exactly_n_of_100_pass(stack: Stack, limiter: SlotRateLimiter) -> None:
    """100 threads ask at the same moment for one of ten slots a day: ten get one, each a different one."""
    stack.add_account("1000/second; 10/day", "window", 0)
    barrier = threading.Barrier(100)

    def ask(_: int) -> bool:
        barrier.wait()
        return limiter.reserve(stack.name, horizon=60).taken

    with ThreadPoolExecutor(100) as pool:
        assert 10 == sum(pool.map(ask, range(100)))
    slots = stack.client.lrange(f"paceline:{{0}}:a:{stack.name}:q:86400000000", 0, -1)
    assert 10 == len(set(slots))


def test_n_slots_are_n_intervals(stack: Stack, limiter: SlotRateLimiter) -> None:
    """Reserving one after another gives slots exactly one interval apart."""
    stack.add_account("60/minute", "window", 0)
    times = []
    for _ in range(5):
        assert limiter.reserve(stack.name, horizon=60).taken
        times.append(int(stack.client.hget(f"paceline:{{0}}:a:{stack.name}", "next") or 0))
    assert [1_000_000] * 4 == [later - earlier for earlier, later in pairwise(times)]


def test_a_service_and_the_workers_share_one_bucket(stack: Stack, limiter: SlotRateLimiter) -> None:
    """Slots that a service takes by itself are not given to the workers: together they keep the distance of one account."""
    stack.add_account("60/minute", "spacing")
    stack.start_worker()
    for number in range(4):
        stack.send(number)
    reserved = []
    for _ in range(3):
        slot = limiter.reserve(stack.name, horizon=10)
        reserved.append((time.time() + slot.wait_s) * 1e6)
        assert slot.taken
    stack.settled(4)
    instants = sorted([*reserved, *(arrival["at_us"] for arrival in stack.arrivals())])
    assert 7 == len(instants)
    # Two buckets would give out the same instants twice. One keeps 1.1 s, less the lateness a worker is allowed.
    assert min(later - earlier for earlier, later in pairwise(instants)) > 1_000_000


def test_hit_is_refused_until_the_slot(stack: Stack, limiter: SlotRateLimiter) -> None:
    """A new bucket is empty; `hit` says no, `get_window_stats` says when."""
    stack.add_account("10/minute", "spacing")
    assert not limiter.hit(TEN_A_MINUTE, stack.name)
    assert not limiter.test(TEN_A_MINUTE, stack.name)
    assert 0 == limiter.get_window_stats(TEN_A_MINUTE, stack.name).remaining


def test_an_unknown_account_is_an_error(limiter: SlotRateLimiter) -> None:
    """A typing error must not become an unlimited account."""
    with pytest.raises(UnknownAccount, match="no account named 'nobody'"):
        limiter.hit(TEN_A_MINUTE, "nobody")


def test_a_bucket_cannot_be_cleared(limiter: SlotRateLimiter) -> None:
    """Forgetting what was sent would break the limit."""
    with pytest.raises(NotImplementedError, match="change its limit instead"):
        limiter.clear(TEN_A_MINUTE, "acme")
