"""F21: two releases side by side on one state, as in a rolling upgrade and in one that is rolled back."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.killing import PACED, RATE, SLOW
from tests.faults.verdict import judged
from tests.faults.witness import Sent
from tests.faults.world import TEXT_CANARY, World, feed, world

# The previous release, 0.2.0: its state has the schema of today.
OTHER: Final = "c661ec2"
_PACKAGES: Final = ("producer/src", "worker/src")
_UPGRADES: Final = 3
_PRODUCER: Final = """
import json, sys
from paceline import Outbox, SendMessage
with Outbox() as outbox:
    for number in range(int(sys.argv[1])):
        text = sys.argv[2] + str(number)
        message = SendMessage(account="acme", sender="+15550100001", to=f"+1555020{number:04d}", text=text)
        print(json.dumps([outbox.send(message).id, text, message.sender, message.to]), flush=True)
"""


def side_by_side(profile: Profile, seed: int) -> Result:
    """F21: a worker of each release, producers of each, and one worker after the other is replaced by the other release's."""
    messages = profile.campaign[1]
    with other_release() as path, world(seed, scenario=SLOW) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2, more=({}, {"PYTHONPATH": path})) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED / 2, stopping, 10**6)
            theirs = _Producer(built, path, messages // 2)
            for _ in range(_UPGRADES):
                time.sleep(2.0)
                for place in (0, 1):
                    fleet.more = (fleet.more[1], fleet.more[0])
                    fleet.terminate(place).wait(timedelta(seconds=60))
                    time.sleep(3.0)
            stopping.set()
            feeder.join()
            theirs.join()
            mixed = theirs.count == messages // 2
            wrong = () if mixed else (f"the other release's producer sent {theirs.count} of {messages // 2}",)
            size = f"{len(built.sent)} messages, {2 * _UPGRADES} workers replaced"
            return judged(built, fleet, "F21", "two releases side by side", size, more=wrong, alone=True)


@contextmanager
def other_release() -> Iterator[str]:
    """Where the other release's packages lie, for PYTHONPATH."""
    root = Path(__file__).parents[3]
    with TemporaryDirectory(prefix="paceline-release-") as directory:
        packed = subprocess.run(
            ["git", "-C", str(root), "archive", OTHER, *_PACKAGES], capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(directory, filter="data")
        yield os.pathsep.join(str(Path(directory) / package) for package in _PACKAGES)


class _Producer(threading.Thread):
    """A service that has the other release, as a process of its own."""

    def __init__(self, built: World, path: str, messages: int) -> None:
        super().__init__(daemon=True)
        self._built = built
        self._args = [sys.executable, "-c", _PRODUCER, str(messages), f"{TEXT_CANARY} other "]
        self._environment: Mapping[str, str] = {**os.environ, **built.environment, "PYTHONPATH": path}
        self.count = 0
        self.start()

    def run(self) -> None:
        """Note what it sent."""
        with subprocess.Popen(self._args, env=self._environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                op_id, text, sender, recipient = json.loads(line)
                self._built.sent.append(Sent(op_id, text, (sender, f"{recipient} of the other")))
                self._built.watch.add(op_id)
                self.count += 1
