"""The state server: whether it answers, may be written to, keeps what it is given, and how far away it is."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from paceline.errors import ConfigurationError
from paceline.settings import Settings
from paceline.settings.address import read_state
from paceline.state import StateClient, connect_to
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline.state.trouble import trouble
from paceline_worker.checks import UNTOLD, durability_objection, moving, slow_disk, told, version_objection
from paceline_worker.doctor.finding import Finding, failure, ok, warning
from paceline_worker.state.migration import Migration

_ROUNDS: Final = 5
# Grants run ahead by 250 ms and more; a call takes several round trips.
_FAR_S: Final = 0.05
_CLOCKS_DIFFER_S: Final = 2.0
_NEARLY_FULL: Final = 0.9
_NAME: Final = "doctor"


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at the state server."""
    address = read_state(settings.state_url)
    with closing(connect_to(settings)) as client:
        try:
            info = told(client)
        except (RedisError, OSError) as error:
            yield failure("state", f"{trouble(error)} ({address.shown()})")
            return

        if info:
            yield _version(info, address.shown())
        else:
            client.ping()
            accepted = settings.assume_durable or settings.allow_volatile
            advice = "" if accepted else ": if the service keeps what it acknowledged, set PACELINE_ASSUME_DURABLE=1"
            yield (warning if accepted else failure)("state", f"{UNTOLD}{advice}")
        if address.is_encrypted and address.verifies != "required":
            yield warning(
                "state TLS", "the server's certificate is not verified: remove ssl_cert_reqs from PACELINE_STATE_URL"
            )

        if info:
            yield from _role(info, is_cluster=address.kind == "cluster")
            yield _persistence(info, settings)
            yield _memory(info)
        if address.kind == "cluster":
            yield _slot(client)
        rights = _rights(client)
        yield rights
        if rights.level != "ok":
            return

        yield _schema(client)
        yield _distance(client)
        yield _clock(client)
        yield from _fleet(client)


def _version(info: Mapping[str, Any], shown: str) -> Finding:
    objection = version_objection(dict(info))
    if objection:
        return failure("state", objection)
    kind = "Valkey" if "valkey_version" in info else "Redis"
    return ok("state", f"{kind} {info.get('valkey_version', info.get('redis_version'))} at {shown}")


def _role(info: Mapping[str, Any], *, is_cluster: bool) -> Iterator[Finding]:
    if info.get("role") == "slave":
        yield failure("state role", "the state server is a replica, which takes no writes: name the primary")
    elif int(info.get("cluster_enabled", 0)) and not is_cluster:
        yield warning(
            "state role",
            "the state server is in cluster mode: begin its address with redis+cluster:// or rediss+cluster://",
        )


def _slot(client: StateClient) -> Finding:
    """Whether the slot of our keys stays where it is."""
    try:
        slots = moving(client)
    except (RedisError, OSError) as error:
        return warning("state slot", f"{trouble(error)}: this check cannot tell whether the slot of its keys moves")
    slot = key_slot(client.root.encode())
    if slot in slots:
        return failure("state slot", f"slot {slot} is moving to another node: nothing is granted until that is over")
    return ok("state slot", f"slot {slot} stays where it is")


def _persistence(info: Mapping[str, Any], settings: Settings) -> Finding:
    objection = durability_objection(dict(info), assume_durable=settings.assume_durable)
    if objection:
        return (warning if settings.allow_volatile else failure)("state persistence", objection)
    if settings.assume_durable:
        return ok("state persistence", "taken for durable, because PACELINE_ASSUME_DURABLE says so")
    if info.get("aof_last_write_status", "ok") != "ok":
        return failure("state persistence", "the append-only file cannot be written: check the server's disk")
    if slow := slow_disk(dict(info)):
        return warning("state persistence", slow)
    return ok("state persistence", "the server keeps an append-only file and evicts nothing")


def _memory(info: Mapping[str, Any]) -> Finding:
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if not limit:
        return ok("state memory", f"{used >> 20} MiB used, without a limit")
    if used >= limit:
        return failure("state memory", f"the state server is full: {used >> 20} of {limit >> 20} MiB")
    words = f"{used >> 20} of {limit >> 20} MiB used"
    return (warning if used > _NEARLY_FULL * limit else ok)("state memory", words)


def _rights(client: redis.Redis) -> Finding:
    script = Script("paceline_worker", "unreachable")
    try:
        script.run(client, _NAME, "it looks")
        script.run(client, _NAME, "")
    except (RedisError, OSError) as error:
        return failure("state rights", trouble(error))
    return ok("state rights", "scripts run, and may write")


def _schema(client: redis.Redis) -> Finding:
    try:
        form = Migration(client).form()
    except (RedisError, OSError, ConfigurationError) as error:
        return failure("state form", trouble(error) if isinstance(error, RedisError | OSError) else str(error))
    if form.schema == "" or form.is_ours:
        return ok("state form", "state has the schema of this release")
    return failure(
        "state form", f"state has schema {form.schema}, this release {form.ours}: see `paceline state migrate`"
    )


def _distance(client: redis.Redis) -> Finding:
    took = []
    for _ in range(_ROUNDS):
        began_s = time.monotonic()
        client.ping()
        took.append(time.monotonic() - began_s)
    words = f"a round trip takes {1000 * min(took):.1f} ms"
    return (
        warning("state distance", f"{words}: slots will be late") if min(took) > _FAR_S else ok("state distance", words)
    )


def _clock(client: redis.Redis) -> Finding:
    seconds, micros = client.time()
    ahead_s = int(seconds) + int(micros) / 1e6 - time.time()
    if abs(ahead_s) > _CLOCKS_DIFFER_S:
        return warning(
            "clock", f"the state server's clock and this machine's differ by {abs(ahead_s):.0f} s: check NTP"
        )
    return ok("clock", "the state server and this machine agree about the time")


def _fleet(client: redis.Redis) -> Iterator[Finding]:
    fleet = State(client).fleet()
    if fleet.unreachable:
        why, reaching = fleet.unreachable_why, fleet.workers
        yield failure("workers", f"{fleet.unreachable} cannot reach the provider ({why}), {reaching} can")
    elif not fleet.workers:
        yield warning("workers", "no worker is alive in this namespace, so nothing leaves until one is started")
    else:
        yield ok("workers", f"{fleet.workers} alive")
