"""F32, F34: what people do to a state server while everything runs, and a disk that is full."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis
from redis.exceptions import RedisError

from paceline_sandbox.embedded import AppendFsync, EmbeddedServerError
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.severing import LIMITED, PACED, RATE
from tests.faults.verdict import judged
from tests.faults.world import World, feed, world

DEBUGGING: Final = ("--enable-debug-command", "yes")
PAUSED_MS: Final = 2500
ASLEEP_S: Final = 2.5
DISK: Final = "24m"
FULL_S: Final = 4.0
_SPARE: Final = 32 << 10
_MOST_S: Final = 8.0


def commands(profile: Profile, seed: int) -> Result:
    """F32: each command of `COMMANDS` in turn, while messages leave."""
    number, longest_s, slowest = len(COMMANDS) * max(1, profile.server_kills // 10), 0.0, ""
    with world(seed, scenario=LIMITED, appendfsync="always", extra=DEBUGGING) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for turn in range(number):
                time.sleep(built.random.uniform(0.5, 2.0))
                name = list(COMMANDS)[turn % len(COMMANDS)]
                COMMANDS[name](built)
                recovery_s = built.recovery_s(time.time())
                if recovery_s > longest_s:
                    longest_s, slowest = recovery_s, name
            stopping.set()
            feeder.join()
            size = f"{number} commands of {len(COMMANDS)} kinds"
            what = "an operator's commands at the state server"
            figures = {"slowest": slowest}
            return judged(built, fleet, "F32", what, size, longest_s, most_s=_MOST_S, alone=True, figures=figures)


def full_disk(profile: Profile, seed: int) -> Result:
    """F34: the disk of the append-only file is full for a while. With `always` the server ends, and is started again."""
    longest_s, wrong, rows = 0.0, list[str](), max(1, profile.wipes // 2)
    with _small_disk() as disk, world(seed, scenario=LIMITED, appendfsync=_policy(seed), home=disk) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(rows):
                time.sleep(3.0)
                with _filled(disk):
                    time.sleep(FULL_S)
                _up(built)
                longest_s = max(longest_s, built.recovery_s(time.time()))
            stopping.set()
            feeder.join()
            wrong += ["a full disk refused nobody"] * (not built.failed_sends)
            size = f"{rows} x {FULL_S:g} s, {_policy(seed)}"
            return judged(
                built, fleet, "F34", "disk full", size, longest_s, most_s=_MOST_S, alone=True, more=tuple(wrong)
            )


def _policy(seed: int) -> AppendFsync:
    """Both in turn: at full size there is a part of each."""
    return "always" if seed % 2 else "everysec"


def _up(built: World) -> None:
    """Start the server again, as its supervisor does, when it has ended."""
    for _ in range(20):
        try:
            if built.client.ping():
                return
        except RedisError:
            time.sleep(0.2)
        if not built.server.running:
            try:
                built.server.restart()
            except EmbeddedServerError:
                time.sleep(0.5)


@contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of its own in memory; needs the rights of root."""
    with TemporaryDirectory(prefix="paceline-disk-") as directory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", directory], check=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    """Leave hardly any room."""
    path = disk / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(_SPARE))
        except OSError:
            pass
    try:
        yield
    finally:
        path.unlink()


def _reloaded(built: World) -> None:
    """Redis writes everything to a file and reads it again; all wait meanwhile."""
    _tolerant(built, "DEBUG", "RELOAD")


def _rewritten_and_killed(built: World) -> None:
    """The machine takes a server that rewrites its append-only file for one that uses too much memory."""
    _tolerant(built, "BGREWRITEAOF")
    time.sleep(0.05)
    built.server.kill()
    time.sleep(0.5)
    built.server.restart()


def _append_only_again(built: World) -> None:
    """The append-only file is switched off and on again, which writes a new one."""
    for word in ("no", "yes"):
        _tolerant(built, "CONFIG", "SET", "appendonly", word)


def _killed_clients(built: World) -> None:
    """All connections of workers, producers and watchers end."""
    for kind in ("normal", "pubsub"):
        _tolerant(built, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def _busy_killed(built: World) -> None:
    """Scripts that are just running are killed, as far as the server kills any."""
    for _ in range(20):
        _tolerant(built, "SCRIPT", "KILL")
        time.sleep(0.01)


def _tolerant(built: World, *words: Any) -> None:
    """One command on a connection of its own; what the server refuses is its business."""
    client: Any = redis.Redis.from_url(built.server.url, socket_timeout=30)
    try:
        client.execute_command(*words)
    except RedisError:
        pass
    finally:
        client.close()


def _command(*words: Any) -> Callable[[World], None]:
    return lambda built: _tolerant(built, *words)


def _paused(mode: str) -> Callable[[World], None]:
    """Clients wait, either those that write or all."""

    def pause(built: World) -> None:
        _tolerant(built, "CLIENT", "PAUSE", PAUSED_MS, mode)
        time.sleep(PAUSED_MS / 1000)

    return pause


COMMANDS: Final[dict[str, Callable[[World], None]]] = {
    "SCRIPT FLUSH": _command("SCRIPT", "FLUSH", "SYNC"),
    "CLIENT KILL": _killed_clients,
    "CLIENT PAUSE ALL": _paused("ALL"),
    "CLIENT PAUSE WRITE": _paused("WRITE"),
    "SCRIPT KILL": _busy_killed,
    "DEBUG RELOAD": _reloaded,
    "DEBUG SLEEP": _command("DEBUG", "SLEEP", ASLEEP_S),
    "BGREWRITEAOF": _command("BGREWRITEAOF"),
    "killed in BGREWRITEAOF": _rewritten_and_killed,
    "appendonly no, yes": _append_only_again,
    "FUNCTION FLUSH": _command("FUNCTION", "FLUSH"),
}
