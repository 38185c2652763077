"""Campaigns: what they cost, whether they obey, and whether what is forecast comes true.

    python -m benchmarks.campaign [--recipients 1000000] [--only upload control ...] [--seed 1]

Sections, each on a server, a sandbox and workers of its own:

    upload      so many recipients from one producer process: time until all are accepted, Redis memory each, the processes' memory
    control     pause, resume, status and cancel of that campaign; then what giving its memory back does to other commands
    urgent      a transactional message behind 100,000 bulk ones of the same sender
    weights     three campaigns of one sender, 1:2:3 and then 3:2:1
    killed      the producer is killed with SIGKILL at a random point, five times, and the upload repeated
    forecast    600 messages at 600 a minute: the end as it was forecast, and as the provider saw it
    waiting     10,000 operations for tomorrow, and as many outside their window: what they cost while they wait

Exit code 1 when a figure misses its bar (docs/benchmarks.md).
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

import psutil

from benchmarks.backlog import commands_in
from benchmarks.stack import Stack, running
from paceline import Campaign, CampaignOptions, SendMessage, names

SENDER: Final = "+15550100001"
NO_LIMITS: Final = {"defaults": {"limits": []}, "latency_ms": 10}
PRODUCER: Final = """
import sys
from paceline import Outbox
url, name, rows = sys.argv[1:]
Outbox(broker_url=url).start_campaign(
    name, account="acme", sender="+15550100001", template="Hi {name}",
    recipients=({"to": f"+4915{i:09d}", "name": f"Customer {i}"} for i in range(int(rows))),
)
"""


def main() -> int:
    """Run the sections asked for; exit code 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    missed = [name for name in options.only if not SECTIONS[name](options)]
    print("every figure meets its bar" if not missed else f"missed: {', '.join(missed)}")
    return int(bool(missed))


def rows(number: int, first: int = 0) -> Iterator[dict[str, str]]:
    """Recipients that nobody has."""
    return ({"to": f"+4915{i:09d}", "name": f"Customer {i}"} for i in range(first, first + number))


def upload_to(stack: Stack, name: str, number: int, first: int = 0, **options: Any) -> Campaign:
    """A campaign of so many recipients, written but perhaps not accepted."""
    return stack.outbox.start_campaign(
        name, account="acme", sender=SENDER, template="Hi {name}", recipients=rows(number, first), **options
    )


def wait_until(condition: Callable[[], object], patience_s: float, what: str) -> float:
    """Seconds until something holds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"not within {patience_s} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def all_accepted(campaign: Campaign) -> bool:
    """Whether workers have taken all its rows."""
    return campaign.progress().in_inbox == 0


def arrived(stack: Stack, text: str) -> bool:
    """Whether the provider accepted a message with such a text."""
    return any(text in str(one["body"]) for one in accepted(stack))


def used_memory(stack: Stack) -> int:
    """Bytes the server uses for data."""
    return int(stack.state.client.info("memory")["used_memory"])


def rss_mb(pid: int) -> float:
    """Memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def accepted(stack: Stack) -> list[dict[str, Any]]:
    """What the provider accepted, in the order of arrival."""
    return [one for one in stack.sandbox.arrivals() if one["accepted"]]


def upload(options: argparse.Namespace) -> bool:
    """One producer process and one worker."""
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "10/minute")
        before, began = used_memory(stack), time.monotonic()
        arguments = [sys.executable, "-c", PRODUCER, stack.server.url, "big", str(options.recipients)]
        with subprocess.Popen(arguments) as producer:
            watched = psutil.Process(producer.pid)
            memory: list[tuple[float, float]] = []
            while producer.poll() is None:
                memory.append((watched.memory_info().rss / 2**20, rss_mb(stack.workers[0].pid)))
                time.sleep(0.25)
            written_s = time.monotonic() - began
        campaign = stack.outbox.find_campaign("big")
        wait_until(partial(all_accepted, campaign), 120, "all rows accepted")
        took = time.monotonic() - began
        each = (used_memory(stack) - before) / options.recipients
        early, late = memory[min(len(memory) - 1, 8)], memory[-2]
        progress = campaign.progress()
        control = measure_control(stack, campaign)
    print(
        f"upload: {options.recipients:,} recipients written in {written_s:.1f} s, accepted after {took:.1f} s;"
        f" {each:.0f} bytes of Redis each; producer {early[0]:.0f} MB after 2 s and {late[0]:.0f} MB at the end,"
        f" worker {early[1]:.0f} and {late[1]:.0f} MB"
    )
    per_20_s = took * 1_000_000 / options.recipients
    return control and progress.remaining >= options.recipients - 5 and per_20_s <= 20 and each <= 400


def measure_control(stack: Stack, campaign: Campaign) -> bool:
    """Commands of a campaign that is there; its memory is given back at the end."""
    client = stack.state.client
    client.config_set("slowlog-log-slower-than", 1000)
    client.config_set("slowlog-max-len", 10_000)
    worst = dict.fromkeys(("pause", "resume", "status", "forecast"), 0.0)
    for _ in range(20):
        for name, call in (
            ("pause", campaign.pause),
            ("status", campaign.progress),
            ("resume", campaign.resume),
            ("forecast", campaign.forecast),
        ):
            worst[name] = max(worst[name], timed_ms(call))
            time.sleep(0.02)
    client.slowlog_reset()
    full, total = used_memory(stack), campaign.progress().remaining
    worst["cancel"] = timed_ms(campaign.cancel)
    probes: list[float] = []

    def given_back() -> bool:
        probes.append(timed_ms(client.ping))
        return campaign.progress().completed_at is not None

    took = wait_until(given_back, 600, "its memory is given back")
    slowest = max((entry["duration"] for entry in client.slowlog_get(10_000)), default=0) / 1000
    print("control: worst of 20, " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in worst.items()))
    print(
        f"control: after the cancel {total:,} were deleted in {took:.0f} s, {(full - used_memory(stack)) / 2**20:.0f} MB"
        f" given back; slowest command {slowest:.1f} ms, slowest ping {max(probes):.1f} ms"
    )
    return max(worst.values()) < 10 and slowest < 20


def control(options: argparse.Namespace) -> bool:
    """The same as the end of `upload`, for a quick look."""
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "10/minute")
        campaign = upload_to(stack, "big", options.recipients)
        wait_until(partial(all_accepted, campaign), 120, "all rows accepted")
        return measure_control(stack, campaign)


def timed_ms(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def urgent(_: argparse.Namespace) -> bool:
    """Judged by the provider: which message arrives next after the urgent one was accepted."""
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "60/minute")
        campaign = upload_to(stack, "big", 100_000)
        wait_until(lambda: campaign.progress().in_inbox == 0 and len(accepted(stack)) > 2, 60, "the campaign runs")
        ranks = []
        for number in range(5):
            receipt = stack.outbox.send(
                SendMessage(account="acme", sender=SENDER, to="+15559990000", text=f"urgent {number}")
            )
            receipt.wait(5)
            before = len(accepted(stack))
            wait_until(partial(arrived, stack, f"urgent {number}"), 30, "urgent")
            texts = [str(one["body"]) for one in accepted(stack)]
            ranks.append(next(i for i, text in enumerate(texts) if f"urgent {number}" in text) - before)
            time.sleep(0.3)
    # A bulk message that was granted already goes first: one call of a sender is under way at a time.
    print(f"urgent: messages that arrived between its acceptance and its own arrival: {ranks}")
    return max(ranks) <= 1


def weights(_: argparse.Namespace) -> bool:
    """Judged by the provider's arrivals."""
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "600/minute")
        held = [upload_to(stack, f"w{weight}", 400, 1000 * weight, weight=weight, paused=True) for weight in (1, 2, 3)]
        wait_until(lambda: all(one.progress().in_inbox == 0 for one in held), 30, "accepted")
        for one in held:
            one.resume()
        wait_until(lambda: len(accepted(stack)) >= 300, 90, "300 sends")
        for weight, one in zip((3, 2, 1), held, strict=True):
            one.change(CampaignOptions(weight=weight))
        changed_at = len(accepted(stack))
        wait_until(lambda: len(accepted(stack)) >= changed_at + 122, 60, "more sends")
        owners = [str(int(str(one["body"]["to_number"])[-9:]) // 1000) for one in accepted(stack)]
    first, then = Counter(owners[:300]), Counter(owners[changed_at + 2 : changed_at + 122])
    error = max(abs(first[str(w)] - 50 * w) for w in (1, 2, 3)) / 300
    after = max(abs(then[str(4 - w)] - 20 * w) for w in (1, 2, 3)) / 120
    print(
        f"weights: 300 sends {dict(sorted(first.items()))}, error {error:.1%}; changed to 3:2:1, 120 sends from the second slot on"
    )
    print(f"weights: afterwards {dict(sorted(then.items()))}, error {after:.1%}")
    return error <= 0.03 and after <= 0.03


def killed(options: argparse.Namespace) -> bool:
    """Judged by the lists themselves."""
    rng, number, rounds = random.Random(options.seed), 100_000, []
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "10/minute")
        for attempt in range(5):
            name = f"k{attempt}"
            arguments = [sys.executable, "-c", PRODUCER, stack.server.url, name, str(number)]
            victim = subprocess.Popen(arguments)
            wait_until(partial(stack.state.campaign, name), 30, "the upload has begun")
            time.sleep(rng.uniform(0.0, 0.9))
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            campaign_then = stack.state.campaign(name)
            cut_at = campaign_then.received if campaign_then else 0
            subprocess.run(arguments, check=True)
            campaign = stack.outbox.find_campaign(name)
            wait_until(partial(all_accepted, campaign), 60, "accepted")
            campaign.pause()
            time.sleep(0.5)
            ids = stack.state.client.lrange(f"{names.STATE_ROOT}:l:acme:{SENDER}:b:{name}", 0, -1)
            found = campaign.progress()
            rounds.append((cut_at, len(set(ids)) == len(ids), len(ids) + found.settled, found.total))
    print("killed: rows written before the kill, ids distinct, operations, recipients: " + "; ".join(map(str, rounds)))
    return all(distinct and there == number == total for _, distinct, there, total in rounds)


def forecast(_: argparse.Namespace) -> bool:
    """Judged by the provider's arrivals."""
    errors = []
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "600/minute")
        campaign = upload_to(stack, "f", 600, paused=True)
        wait_until(partial(all_accepted, campaign), 30, "accepted")
        campaign.resume()
        wait_until(lambda: len(accepted(stack)) >= 5, 30, "it runs")
        began = time.time()
        foreseen = campaign.forecast()
        assert foreseen.ends_at is not None
        wait_until(lambda: campaign.progress().complete, 120, "its end")
        arrivals = [int(str(one["at_us"])) for one in accepted(stack)]
        ended = arrivals[-1] / 1e6
        errors.append(abs(foreseen.ends_at.timestamp() - ended) / (ended - began))
        gaps = Counter(round((b - a) / 1000 / 100.2) for a, b in pairwise(arrivals))
    print(
        f"forecast: 600 messages at 600/minute, {foreseen.remaining} left: forecast end off by {errors[0]:.2%} of"
        f" {ended - began:.1f} s; slots between arrivals {dict(gaps)}"
    )
    return max(errors) <= 0.02


def waiting(_: argparse.Namespace) -> bool:
    """Commands of the server in 20 s, beside those of an idle one."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    closed = f"{(datetime.now(UTC) + timedelta(hours=5)):%H:%M}-{(datetime.now(UTC) + timedelta(hours=6)):%H:%M} UTC"
    with running(NO_LIMITS, workers=1) as stack:
        stack.add_account("acme", "600/minute")
        time.sleep(2)
        idle = commands_in(stack, 20)
        later = ({**row, "not_before": tomorrow.isoformat()} for row in rows(10_000))
        first = stack.outbox.start_campaign(
            "tomorrow", account="acme", sender=SENDER, template="Hi {name}", recipients=later,
            valid_until=tomorrow + timedelta(days=1),
        )  # fmt: skip
        second = upload_to(stack, "closed", 10_000, 50_000, window=closed)
        for number in range(100):
            stack.outbox.send(
                SendMessage(account="acme", sender=SENDER, to=f"+1555020{number:04d}", text="hi", window=closed)
            )
        wait_until(lambda: first.progress().in_inbox + second.progress().in_inbox == 0, 60, "accepted")
        time.sleep(3)
        full = commands_in(stack, 20)
        remaining = first.progress().remaining + second.progress().remaining
        left = len(accepted(stack))
    print(
        f"waiting: {idle} commands in 20 s idle, {full} with {remaining:,} waiting for tomorrow or for their window; {left} sent"
    )
    return full <= idle * 1.1 + 20 and remaining == 20_000 and not left


SECTIONS: Final[dict[str, Callable[[argparse.Namespace], bool]]] = {
    "upload": upload,
    "control": control,
    "urgent": urgent,
    "weights": weights,
    "killed": killed,
    "forecast": forecast,
    "waiting": waiting,
}

if __name__ == "__main__":
    raise SystemExit(main())
