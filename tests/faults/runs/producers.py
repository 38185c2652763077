"""F29: very many producers: forks, servers that fork their workers, and programs that send one message and end."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.severing import LIMITED, RATE
from tests.faults.verdict import judged
from tests.faults.witness import Sent
from tests.faults.world import TEXT_CANARY, World, world

AT_ONCE: Final = 4
CHILDREN: Final = 4
REQUESTS: Final = 5
LONGEST_SEND_S: Final = 3.0
_PREAMBLE: Final = """
import json, os, sys, time
from paceline import Outbox, SendMessage
canary, name, count, more = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def send(outbox, number):
    text = f"{canary} {name} {number}"
    sender, to = "+15550100001", f"+1555020{number % 10000:04d}"
    began = time.monotonic()
    ticket = outbox.send(SendMessage(account="acme", sender=sender, to=to, text=text))
    line = json.dumps([ticket.id, text, sender, to, time.monotonic() - began]) + "\\n"
    os.write(1, line.encode())
"""
# Each child has one message, and the parent sends between its forks.
FORKS: Final = """
outbox = Outbox()
for number in range(count):
    send(outbox, 2 * number)
    child = os.fork()
    if child == 0:
        send(outbox, 2 * number + 1)
        outbox.close()
        os._exit(0)
    assert (child, 0) == os.waitpid(child, 0)
outbox.close()
"""
# As gunicorn --preload does: the outbox is made and used before the workers are forked, and each of them serves requests.
SERVER: Final = """
outbox = Outbox()
send(outbox, 0)
children = []
for place in range(count):
    child = os.fork()
    if child == 0:
        for number in range(more):
            send(outbox, 1 + place * more + number)
        outbox.close()
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0) == (child, 0) for child in children)
outbox.close()
"""
ENDS_AT_ONCE: Final = "send(Outbox(), 0)"


def of_every_kind(profile: Profile, seed: int) -> Result:
    """F29: each message arrives once, and each ``send()`` returns in time."""
    forks, servers, programs = profile.producers
    with world(seed, scenario=LIMITED) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet, ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [pool.submit(_run, built, FORKS, "forks", forks, 0)]
            jobs += [pool.submit(_run, built, SERVER, f"server{n}", CHILDREN, REQUESTS) for n in range(servers)]
            jobs += [pool.submit(_run, built, ENDS_AT_ONCE, f"program{n}", 0, 0) for n in range(programs)]
            took_s = sorted(seconds for job in jobs for seconds in job.result())
            expected = 2 * forks + servers * (1 + CHILDREN * REQUESTS) + programs
            wrong = [f"{len(took_s)} sends of {expected} returned"] * (len(took_s) != expected)
            wrong += [f"a send took {took_s[-1]:.1f} s"] * (took_s[-1] > LONGEST_SEND_S)
            figures = {"median send s": took_s[len(took_s) // 2], "slowest send s": took_s[-1]}
            size = f"{forks} forks, {servers} servers that fork, {programs} programs"
            return judged(built, fleet, "F29", "producers", size, more=tuple(wrong), figures=figures)


def _run(built: World, program: str, name: str, count: int, more: int) -> Sequence[float]:
    """Run a producer; the seconds that each send took."""
    args = [sys.executable, "-c", _PREAMBLE + program, TEXT_CANARY, name, str(count), str(more)]
    environment = {**os.environ, **built.environment}
    done = subprocess.run(args, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=600)
    took_s = []
    for line in done.stdout.splitlines():
        op_id, text, sender, recipient, seconds = json.loads(line)
        built.sent.append(Sent(op_id, text, (sender, f"{recipient} {name} {text}")))
        built.watch.add(op_id)
        took_s.append(seconds)
    return took_s
