"""The contestants: what each installs, and how its producer and its workers are started."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

PROGRAMS: Final = Path(__file__).parent / "programs"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Peer:
    """One contestant.

    Args:
        name: In the table.
        program: Its file in ``programs``.
        work: Command of a worker; ``{bin}`` and ``{here}`` are the folders of its programs and of ours.
        ready: A worker's log has this regular expression once the worker takes work.
        workers: Processes of an ordinary run.
        paces: How it keeps a rate; empty: not at all.
        most_keys: As many API keys as it can hold.
        packages: From PyPI, into an environment of their own.
        modules: From npm.
        environment: Further variables.
        prepares: Its program is first called with ``prepare``.
    """

    name: str
    program: str
    work: Sequence[str]
    ready: str
    workers: int = 2
    paces: str = ""
    most_keys: int = 1_000_000
    packages: Sequence[str] = ()
    modules: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepares: bool = False

    @property
    def runs_on_node(self) -> bool:
        """True for a program of Node.js."""
        return self.program.endswith(".mjs")


_CELERY: Final = ("{bin}/celery", "-A", "celery_app", "worker", "--pool", "threads", "--concurrency", "50")
_QUIET: Final = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")
_TASKIQ: Final = ("{bin}/taskiq", "worker", "taskiq_app:broker", "--workers", "1", "--max-async-tasks", "200")

PEERS: Final = (
    Peer(
        "Paceline",
        "paceline_app.py",
        (sys.executable, "-m", "celery", "-A", "paceline_worker", "worker", "--pool", "threads", *_QUIET),
        r"\bready\.",
        paces="a shared bucket for each key",
        environment={"PACELINE_SECRET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode()},
        prepares=True,
    ),
    Peer(
        "BullMQ",
        "bullmq_app.mjs",
        ("node", "{here}/bullmq_app.mjs", "work"),
        r"^ready",
        workers=1,
        paces="its limiter, a queue for each key",
        most_keys=1_000,  # a queue of its own needs a worker of its own and so a connection
        modules=("bullmq", "undici", "ioredis"),
    ),
    Peer(
        "taskiq",
        "taskiq_app.py",
        _TASKIQ,
        r"Listening started",
        paces="`limits` in the task, which sleeps",
        packages=("taskiq", "taskiq-redis", "limits", "redis", "aiohttp"),
    ),
    Peer(
        "dramatiq",
        "dramatiq_app.py",
        ("{bin}/dramatiq", "dramatiq_app", "--processes", "1", "--threads", "32"),
        r"ready for action",
        paces="its window limiter, retries",
        packages=("dramatiq[redis]", "httpx"),
    ),
    Peer(
        "Celery with limits",
        "celery_app.py",
        (*_CELERY, *_QUIET),
        r"\bready\.",
        paces="`limits` in the task, retry(countdown)",
        packages=("celery[redis]", "limits", "httpx"),
    ),
    Peer(
        "Celery rate_limit",
        "celery_app.py",
        (*_CELERY, *_QUIET),
        r"\bready\.",
        paces="its rate_limit, a task for each key",
        packages=("celery[redis]", "limits", "httpx"),
        environment={"VERSUS_OWN_RATE_LIMIT": "1"},
    ),
)


@dataclass(frozen=True)
class Installation:
    """Where the peers' packages are.

    Args:
        directory: A folder for them.
    """

    directory: Path

    def install(self, peers: Sequence[Peer]) -> None:
        """Fetch what the peers need, through pip and npm.

        Raises:
            subprocess.CalledProcessError: An installer failed.
        """
        packages = sorted({package for peer in peers for package in peer.packages})
        if packages and not (self.directory / "venv").exists():
            subprocess.run([sys.executable, "-m", "venv", self.directory / "venv"], check=True)
            pip = [str(self._python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
            subprocess.run([*pip, *packages], check=True)
        modules = sorted({module for peer in peers for module in peer.modules})
        if modules and not (self.directory / "node_modules").exists():
            npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(self.directory)]
            subprocess.run([*npm, *modules], check=True)

    @property
    def _python(self) -> Path:
        return self.directory / "venv" / "bin" / "python"

    def version(self, peer: Peer) -> str:
        """The versions of what the peer runs on."""
        if peer.runs_on_node:
            manifests = [self.directory / "node_modules" / name / "package.json" for name in peer.modules[:2]]
            parts = [
                f"{name} {json.loads(file.read_text())['version']}"
                for name, file in zip(peer.modules, manifests, strict=False)
            ]
            node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
            return ", ".join([*parts, f"Node {node.removeprefix('v')}"])
        names = [package.partition("[")[0] for package in peer.packages] or ["paceline"]
        script = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
        python = self._python if peer.packages else sys.executable
        return subprocess.run(
            [python, "-c", script, *names[:2]], check=True, capture_output=True, text=True
        ).stdout.strip()

    def environment(self, peer: Peer) -> dict[str, str]:
        """Variables with which the peer's programs find their packages."""
        return {
            **peer.environment,
            "PYTHONPATH": str(PROGRAMS),
            "NODE_PATH": str(self.directory / "node_modules"),
            "NODE_NO_WARNINGS": "1",
        }

    def work(self, peer: Peer, number: int) -> list[str]:
        """Command of the peer's worker with this number."""
        places = {"bin": self.directory / "venv" / "bin", "here": self._programs(peer)}
        command = [part.format(**places) for part in peer.work]
        return [*command, "-n", f"worker{number}@%h"] if "celery" in " ".join(command) else command

    def call(self, peer: Peer, *arguments: str) -> list[str]:
        """Command of the peer's program with arguments."""
        runner = "node" if peer.runs_on_node else str(self._python if peer.packages else sys.executable)
        return [runner, str(self._programs(peer) / peer.program), *arguments]

    def _programs(self, peer: Peer) -> Path:
        if not peer.runs_on_node:
            return PROGRAMS
        # Modules are looked for beside the program that imports them.
        copy = self.directory / peer.program
        copy.write_text((PROGRAMS / peer.program).read_text())
        return self.directory
