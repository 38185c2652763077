"""The process that makes children: ``python -m tests.support.nursery DESCRIPTOR``."""

import gc
import json
import os
import pkgutil
import runpy
import socket
import sys
import time
from importlib import import_module
from importlib.resources import files
from typing import Any, Final

from paceline.state.scripts import source
from tests.support.nursery import ORDER_BYTES

# What celery imports on the way to a worker, and what our programs import.
_WORKERS: Final = ("celery.bin.celery", "celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis")
_OURS: Final = ("paceline", "paceline_worker")
# The app is made from the environment when this is imported; programs begin in the others.
_AT_THE_START: Final = ("paceline_worker.celery",)
_NOT_OF_WORKERS: Final = ("cli", "console", "gateway", "django", "fastapi", "testing", "doctor", "__main__")


def main(channel: socket.socket) -> list[str] | None:
    """Serve until the other side is gone.

    Returns:
        In a child the arguments of its program; None in the nursery.
    """
    prepare()
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, ORDER_BYTES, 1)
        if not message:
            return None
        order: dict[str, Any] = json.loads(message)
        if "ended" in order:
            channel.send(json.dumps(_code(order["ended"])).encode())
        elif os.fork() == 0:
            become(order, descriptors[0])
            channel.send(json.dumps(os.getpid()).encode())
            channel.close()
            return list(order["args"])
        else:
            os.close(descriptors[0])


def prepare() -> None:
    """Import everything that reads nothing of its surroundings, and read the scripts."""
    gc.disable()  # what is imported is not given back
    for name in _WORKERS:
        import_module(name)
    for package in _OURS:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if module.name not in _AT_THE_START and not {*module.name.split(".")} & {*_NOT_OF_WORKERS}:
                import_module(module.name)
    for package in _OURS:
        for file in (files(package) / "lua").iterdir():
            if file.name.endswith(".lua"):
                source(package, file.name.removesuffix(".lua"))
    gc.freeze()
    gc.enable()


def become(order: dict[str, Any], log: int) -> None:
    """Take the session, the environment and the output that the order names."""
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]


def _code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        arguments = main(given)
    if arguments is not None:
        _, module_name, *sys.argv[1:] = arguments
        runpy.run_module(module_name, run_name="__main__", alter_sys=True)
