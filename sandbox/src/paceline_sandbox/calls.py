"""What passes between the door and the subjects: a request as it came, as it was understood, and who serves it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from paceline_sandbox.accounts.accounts import Account
from paceline_sandbox.accounts.senders import Senders
from paceline_sandbox.answers import Answer
from paceline_sandbox.console.journal import Arrival
from paceline_sandbox.console.tables import Fault
from paceline_sandbox.faults.scenario import Scenario
from paceline_sandbox.messages.operations import Operation

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: the parameters in its path and query, decoded, and its body."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: bytes


@dataclass(frozen=True, slots=True)
class Request(Generic[Content]):
    """A well-formed request.

    Args:
        operation: what the log calls it.
        content: what the subject needs in order to do it.
        sender: the account's own number that it names, with its plus.
        to: the number, group or remote id that a fault's condition `to` is held against.
        numbers: all numbers it is aimed at.
        cost: credits.
    """

    operation: str
    content: Content
    sender: str | None = None
    to: str | None = None
    numbers: tuple[str, ...] = ()
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """The world in which a request is served.

    Args:
        now_us: the present, microseconds since the epoch.
        began_us: when the scenario came into force.
        scenario: the scenario in force.
        senders: the state of the connected numbers.
        account: the key that asks.
        new_id: makes a fresh id in the provider's form from a prefix as ``MSG``.
    """

    now_us: int
    began_us: int
    scenario: Scenario
    senders: Senders
    account: Account
    new_id: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Service(Generic[Content]):
    """How one operation is served; either half may raise `Refused` instead.

    Args:
        parse: understands a request and changes nothing.
        perform: makes it take effect and answers.
    """

    parse: Callable[[Asked, Moment], Request[Content]]
    perform: Callable[[Request[Content], Moment], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """Which operation a request asks for, with the parameters found in its path and query."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do about a call: wait, then answer, or drop the connection when there is no answer."""

    answer: Answer | None
    wait_us: int = 0


@dataclass(slots=True)
class Call:
    """A request between its arrival and its answer.

    `refused` is set when the door already turned it away: no key, wrong key, or too early. `request` is what was
    understood, or the answer to a request that makes no sense; None while it has not been read.
    """

    arrival: Arrival
    route: Route
    account: Account | None
    ordinal: int = 0
    ordinal_any: int = 0
    refused: Answer | None = None
    request: Request[Any] | Answer | None = None
    fault: Fault | None = None


def fingerprint(method: str, path: str, raw_body: bytes) -> int:
    """A number that equal requests share, whatever the order of the fields in their bodies.

    Args:
        method: the HTTP method.
        path: the path, decoded.
        raw_body: the body as received; a body that is no JSON is only equal to itself.
    """
    try:
        body: str | bytes = json.dumps(json.loads(raw_body), sort_keys=True)
    except (ValueError, RecursionError):
        body = raw_body
    return hash((method, path, body))
