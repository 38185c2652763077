"""Commands as bytes: the same as redis-py's, and no signal ends the process."""

import subprocess
import sys
from typing import Any

import pytest
from redis._parsers import Encoder
from redis.connection import PythonRespSerializer

from paceline.state import connect
from paceline.state.packing import PACKER, TextPacker

# Ctrl-C again and again while commands are packed; each of them holds a number, as those of scripts do.
INTERRUPTED = """
import itertools, os, signal, threading, time
from paceline.state.packing import TextPacker
caught, packing, packer, over = 0, False, TextPacker(), threading.Event()
def interrupted(*_):
    global packing
    if packing:
        packing = False
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupted)
def interrupt():
    while not over.wait(0.001):
        os.kill(os.getpid(), signal.SIGINT)
thread = threading.Thread(target=interrupt)
thread.start()
while caught < 300:
    try:
        packing = True
        while True:
            packer.pack("EVAL", "x" * 50_000, 1, "key", 2.5)
    except KeyboardInterrupt:
        caught += 1
over.set()
thread.join()
print(caught)
"""


@pytest.mark.parametrize(
    "command",
    [("GET", "a"), ("EVAL", "text ü", 1, "k", b"\xff", 12, -3, 2.5, 1e300), ("CLIENT INFO",), ("SET", "k", "")],
)
def test_the_bytes_are_those_of_redis_py(command: tuple[Any, ...]) -> None:
    """Whatever the arguments."""
    encoder: Any = Encoder("utf-8", "strict", decode_responses=False)  # type: ignore[no-untyped-call]
    plain: Any = PythonRespSerializer(1 << 20, encoder.encode)
    assert b"".join(plain.pack(*command)) == b"".join(TextPacker().pack(*command))


def test_ctrl_c_in_the_middle_of_a_command_is_an_exception() -> None:
    """With hiredis alone the process ends with SIGSEGV within some milliseconds."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=200, check=False)
    assert (0, "300\n", "") == (done.returncode, done.stdout, done.stderr)


def test_clients_use_it() -> None:
    """Where hiredis is installed."""
    client = connect("redis://127.0.0.1:1/0")
    assert client.connection_pool.connection_kwargs["command_packer"] is PACKER
    client.close()
