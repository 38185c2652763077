"""Broker messages that nobody of ours sends: the forms of one real message, and random changes to it."""

import base64
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

from paceline import names

DEEP = "[" * 100_000
ZIP_BOMB = "application/x-gzip"


def message(task: str = names.ACCEPT_TASK, body: Any = None, **changes: Any) -> dict[str, Any]:
    """A hint as Celery writes it, but for what is changed.

    Args:
        task: its name.
        body: what is encoded as its body: text as it is, anything else as JSON; by default a hint of no record.
        changes: ``headers``, ``properties`` or a field of the envelope; None removes a field.
    """
    text = body if isinstance(body, str) else json.dumps([[["01nosuch"]], {}, {}] if body is None else body)
    headers = {"lang": "py", "task": task, "id": str(uuid.uuid4()), "eta": None, "expires": None, "retries": 0}
    way = {"exchange": names.ACCEPT_QUEUE, "routing_key": names.ACCEPT_QUEUE}
    envelope: dict[str, Any] = {
        "body": base64.b64encode(text.encode(errors="surrogatepass")).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers | {"timelimit": [None, None], "argsrepr": "()"} | changes.pop("headers", {}),
        "properties": {"delivery_tag": str(uuid.uuid4()), "delivery_info": way, "body_encoding": "base64"}
        | changes.pop("properties", {}),
    }
    envelope |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in envelope.items() if value is not None}


def control(
    method: Any, arguments: Any = None, *, headers: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A control message as `celery control` writes it, but for the fields given."""
    body = {"method": method, "arguments": arguments or {}, "destination": None, "pattern": None, "matcher": None}
    return message(body=body | fields, headers={"clock": 1, "expires": 0, **(headers or {})})


STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**400, float("inf"), "", "x", "\x00", "\ud800", "[", [], {}, [[]], [None], {"a": {}}, "é" * 300,
    "9" * 5000,
    "../../x", "application/data", "application/x-gzip", "utf-16", "binary", {"__type__": "datetime", "__value__": "x"},
)  # fmt: skip


def random_message(chance: random.Random) -> bytes:
    """One message: a real one with a few parts replaced, removed or doubled, or cut, or no message at all."""
    if chance.random() < 0.15:
        return chance.randbytes(chance.randrange(0, 60))
    made = message(chance.choice([names.ACCEPT_TASK, names.DELIVER_TASK]), body=_random_body(chance))
    for _ in range(chance.randrange(0, 4)):
        place = chance.choice(list(_places(made)))
        container, name = place
        if chance.random() < 0.25:
            container.pop(name)
        else:
            container[name] = chance.choice(STRANGE)
    raw = json.dumps(made).encode()
    return raw[: chance.randrange(len(raw))] if chance.random() < 0.1 else raw


def _random_body(chance: random.Random) -> Any:
    hint: tuple[Any, ...] = [[["01nosuch", "1", 0]] * chance.randrange(3)], {}, {"callbacks": None}
    bodies: tuple[Any, ...] = (
        [*hint], [[["01nosuch"]], {}, {}], *STRANGE, [[], {}], [[chance.choice(STRANGE)], {}, {}],
        [[[chance.choice(STRANGE)]], {}, {}], [[[[chance.choice(STRANGE)] * 3]], {}, {}], [[[]], {"x": 1}, {}],
    )  # fmt: skip
    return chance.choice(bodies)


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON value where another value could stand."""
    for name, value in list(container.items()):
        yield container, name
        if isinstance(value, dict):
            yield from _places(value)
