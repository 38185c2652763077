"""The bucket as a `limits` strategy, under concurrency and beside the workers."""

import threading
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
    """100 threads ask at once for slots up to 2 s ahead at 5 a second: exactly those that fit pass, evenly apart."""
    stack.add_account("5/second", "window", 0)
    barrier = threading.Barrier(100)

    def ask(_: int) -> float | None:
        barrier.wait()
        slot = limiter.reserve(stack.name, horizon=2.0)
        return slot.wait_s if slot.taken else None

    before = limiter.reserve(stack.name, horizon=0).wait_s
    with ThreadPoolExecutor(100) as pool:
        waits = [wait for wait in pool.map(ask, range(100)) if wait is not None]
    # Waits count from each caller's own instant, so the number of slots may differ by the one that came into reach meanwhile.
    assert len(waits) in (int((2.0 - before) / 0.2) + 1, int((2.0 - before) / 0.2) + 2)
    raw = stack.client.hget(f"paceline:{{0}}:a:{stack.name}", "next")
    assert raw is not None


def test_n_slots_are_n_intervals(stack: Stack, limiter: SlotRateLimiter) -> None:
    """Reserving one after another gives slots exactly one interval apart."""
    stack.add_account("60/minute", "window", 0)
    times = []
    for _ in range(5):
        assert limiter.reserve(stack.name, horizon=60).taken
        times.append(int(stack.client.hget(f"paceline:{{0}}:a:{stack.name}", "next") or 0))
    assert [1_000_000] * 4 == [later - earlier for earlier, later in pairwise(times)]


def test_a_service_and_the_workers_share_one_bucket(stack: Stack, limiter: SlotRateLimiter) -> None:
    """Slots that a service takes by itself are not given to the workers: together they keep the limit."""
    stack.scenario(defaults={"limits": ["60/minute"], "algorithm": "spacing"})
    stack.add_account("60/minute", "spacing")
    stack.start_worker()
    for number in range(3):
        stack.send(number)
    taken = sum(limiter.reserve(stack.name, horizon=5).taken for _ in range(2))
    assert 2 == taken
    stack.settled(3)
    arrivals = [arrival["at_us"] for arrival in stack.arrivals()]
    # 3 operations and 2 foreign slots: five slots of 1.1 s, so at least one gap between arrivals is two or more slots wide,
    # or the foreign slots came first and the first arrival was late; either way the bucket went on by five intervals.
    assert min(later - earlier for earlier, later in pairwise(arrivals)) > 1_000_000
    assert 0 == stack.violations()


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
