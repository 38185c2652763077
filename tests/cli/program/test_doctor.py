"""`paceline doctor`: each trouble is named, in words and as JSON."""

import json
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis

from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.doctor import machine
from paceline_worker.doctor import state as looks_at_state
from tests.cli.conftest import Cli
from tests.conftest import add_account
from tests.support.proxy import Proxy
from tests.support.servers import start_server
from tests.support.tls import certified

Undo: TypeAlias = Callable[[], object]

HEALTHY = {
    *("state", "state persistence", "state memory", "state rights", "state form", "state distance", "clock", "workers"),
    *("broker", "broker control", "provider", "secret key", "open files", "time zones"),
}


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedServer]:
    """A server that these tests may spoil."""
    with start_server() as server:
        yield server


@pytest.fixture
def listening() -> Iterator[str]:
    """A provider that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/open"


def found(cli: Cli) -> dict[str, tuple[str, str]]:
    done = cli("doctor", "--json")
    assert "" == done.err
    findings: dict[str, tuple[str, str]] = {one["check"]: (one["level"], one["words"]) for one in json.loads(done.out)}
    assert done.code == int("failure" in {level for level, _ in findings.values()})
    return findings


def test_a_healthy_deployment(cli: Cli, listening: str, own: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check is listed, none fails, exit code 0; the words are on a line each."""
    monkeypatch.setenv("PACELINE_BROKER_URL", own.url)
    monkeypatch.setenv("PACELINE_API_BASE", listening)
    with closing(connect(own.url)) as client:
        client.flushall()
        add_account(client, "acme")
    seen = found(cli)
    assert set(seen) == HEALTHY
    assert {"workers"} == {check for check, (level, _) in seen.items() if level != "ok"}
    text = cli("doctor")
    assert 0 == text.code
    assert len(HEALTHY) == len(text.out.splitlines())
    assert "ok time zones: time zone data is there" in text.out
    assert "WARNING workers: no worker is alive" in text.out


def configured(name: str, value: str, usual: str) -> Callable[[redis.Redis], Undo]:
    def apply(client: redis.Redis) -> Undo:
        client.config_set(name, value)
        return lambda: client.config_set(name, usual)

    return apply


def a_replica(client: redis.Redis) -> Undo:
    client.replicaof("127.0.0.1", "1")
    return lambda: client.replicaof("no", "one")


def a_guest(*rules: str) -> Callable[[redis.Redis], Undo]:
    def apply(client: redis.Redis) -> Undo:
        command: Any = client.execute_command
        command("ACL", "SETUSER", "guest", "reset", "on", ">pass", "~*", "&*", "+@all", *rules)
        return lambda: client.acl_deluser("guest")

    return apply


def of_a_later_release(client: redis.Redis) -> Undo:
    client.hset("paceline:{0}:meta", "schema", "999")
    return lambda: client.hdel("paceline:{0}:meta", "schema")


def unreachable_for_one(client: redis.Redis) -> Undo:
    client.hset("paceline:{0}:unreachable", "w1", "9999999999999999|refused")
    return lambda: client.delete("paceline:{0}:unreachable")


SERVERS = [
    ("state persistence", "failure", "keeps no append-only file", configured("appendonly", "no", "yes"), ""),
    ("state persistence", "failure", "evicts keys", configured("maxmemory-policy", "allkeys-lru", "noeviction"), ""),
    ("state memory", "failure", "is full", configured("maxmemory", "100kb", "0"), ""),
    ("state rights", "failure", "is full", configured("maxmemory", "100kb", "0"), ""),
    ("state rights", "failure", "min-replicas-to-write", configured("min-replicas-to-write", "1", "0"), ""),
    ("state role", "failure", "is a replica", a_replica, ""),
    ("state rights", "failure", "refused access", a_guest("-@scripting"), "guest:pass@"),
    ("state", "failure", "forbids INFO, so its version", a_guest("-info"), "guest:pass@"),
    ("state", "failure", "refused access", a_guest(), "guest:s3cr3t@"),
    ("broker", "failure", "refused access", a_guest("-sadd"), "guest:pass@"),
    ("broker control", "failure", "refused access", a_guest("-publish"), "guest:pass@"),
    ("state form", "failure", "schema 999", of_a_later_release, ""),
    ("workers", "failure", "1 cannot reach the provider (refused)", unreachable_for_one, ""),
]


@pytest.mark.parametrize(("check", "level", "words", "spoil", "login"), SERVERS)
def test_trouble_of_a_server_is_named(
    cli: Cli,
    own: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    level: str,
    words: str,
    spoil: Callable[[redis.Redis], Undo],
    login: str,
) -> None:
    """By the check that finds it, without a word of the password."""
    url = own.url.replace("redis://", f"redis://{login}")
    monkeypatch.setenv("PACELINE_BROKER_URL", url)
    with closing(connect(own.url)) as admin:
        undo = spoil(admin)
        try:
            seen = found(cli)
        finally:
            undo()
    assert level == seen[check][0], seen
    assert words in seen[check][1]
    assert "s3cr3t" not in json.dumps(seen)


@pytest.mark.parametrize(
    ("check", "level", "words", "variables"),
    [
        ("state", "failure", "cannot be reached", {"PACELINE_STATE_URL": "redis://127.0.0.1:9/0"}),
        ("broker", "failure", "broker cannot be reached", {"PACELINE_BROKER_URL": "redis://127.0.0.1:9/0"}),
        ("broker", "failure", "cannot use this kind of broker", {"PACELINE_BROKER_URL": "nonsense://host"}),
        ("provider", "failure", "no connection to http://127.0.0.1:9/open", {}),
        (
            "provider",
            "failure",
            "no connection to http://no-such",
            {"PACELINE_API_BASE": "http://no-such-host.invalid"},
        ),
        (
            "provider",
            "failure",
            "HTTP_PROXY: must be",
            {"PACELINE_API_BASE": "http://x.example", "HTTP_PROXY": "ftp://x"},
        ),
        ("secret key", "failure", "is not set", {"PACELINE_SECRET_KEY": ""}),
        (
            "secret key",
            "failure",
            "does not decrypt the API key of acme",
            {"PACELINE_SECRET_KEY": "B" + "A" * 42 + "="},
        ),
        ("state TLS", "warning", "is not verified", {"PACELINE_STATE_URL": "tls?ssl_cert_reqs=none"}),
        ("open files", "warning", "raise `ulimit -n`", {"PACELINE_CAPACITY": "10000"}),
    ],
)
def test_trouble_of_settings_and_ways_is_named(
    cli: Cli,
    own: EmbeddedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    level: str,
    words: str,
    variables: dict[str, str],
) -> None:
    """Each has its own check."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setenv("PACELINE_STATE_URL", own.url)
    with (
        closing(connect(own.url)) as client,
        Proxy(int(own.url.rpartition(":")[2].partition("/")[0]), tls=certified(tmp_path)[0]) as encrypted,
    ):
        if not client.exists("paceline:{0}:a:acme"):
            add_account(client, "acme")
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("tls?", f"rediss://127.0.0.1:{encrypted.port}/0?"))
        seen = found(cli)
    assert level == seen[check][0], seen
    assert words in seen[check][1]


def test_what_nothing_else_tells(monkeypatch: pytest.MonkeyPatch, cli: Cli, own: EmbeddedServer) -> None:
    """No time zone data, a server far away, clocks that differ."""
    monkeypatch.setenv("PACELINE_BROKER_URL", own.url)
    monkeypatch.setattr(machine, "_ZONE", "No/Where")
    monkeypatch.setattr(looks_at_state, "_FAR_S", 0.0)
    monkeypatch.setattr(looks_at_state, "_CLOCKS_DIFFER_S", -1.0)
    seen = found(cli)
    assert ("failure", "warning", "warning") == (seen["time zones"][0], seen["state distance"][0], seen["clock"][0])


def test_a_malformed_setting_is_bad_usage(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 and a sentence, as for every command."""
    monkeypatch.setenv("PACELINE_BROKER_URL", "redis://:s3#cret@host")
    assert cli("doctor").refusal(2).startswith("PACELINE_BROKER_URL: holds a character")
