"""A producer runs wherever Python does: nothing in the thin package needs what only POSIX systems have."""

import ast
from pathlib import Path

import paceline

SOURCES = sorted(Path(str(paceline.__file__)).parent.rglob("*.py"))
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "posix"}
# Of os, signal, select and socket.
NAMES = {
    *(
        "fork",
        "forkpty",
        "getuid",
        "geteuid",
        "getgid",
        "getpgid",
        "setsid",
        "killpg",
        "uname",
        "register_at_fork",
        "chown",
    ),
    *(
        "SIGHUP",
        "SIGKILL",
        "SIGUSR1",
        "SIGUSR2",
        "SIGALRM",
        "SIGPIPE",
        "alarm",
        "pthread_sigmask",
        "sigwait",
        "setitimer",
    ),
    *("epoll", "AF_UNIX", "getpwnam"),
}


def test_no_module_needs_posix() -> None:
    """Neither by an import nor by a name; what may be absent is asked for with getattr or hasattr."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(path.name, one.name) for one in node.names if one.name.partition(".")[0] in MODULES]
            elif isinstance(node, ast.ImportFrom):
                found += [(path.name, str(node.module))] * (str(node.module).partition(".")[0] in MODULES)
            elif isinstance(node, ast.Attribute) and node.attr in NAMES:
                found.append((path.name, node.attr))
    assert [] == found
