"""Which fault hits a request: a pure choice from the scenario, the request and the seed."""

import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.clock import SECOND_US, as_http_date
from paceline_sandbox.console.tables import Fault
from paceline_sandbox.faults.scenario import Scenario, microseconds
from paceline_sandbox.messages.operations import CallKind

# Up to thirty years either way: beyond it the arithmetic of dates ends.
_RELATIVE_DATE: Final = re.compile(r"date:(-?[0-9]{1,9})")
_SCALE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Target:
    """The facts of one request that a fault may ask for.

    `ordinal` is its number among this key's requests of the same kind, `ordinal_operation` among those of the same
    operation and `ordinal_any` among all of them, each from 1 since the scenario came into force; `elapsed_us` is the
    scenario's age.
    """

    key: str
    kind: CallKind
    ordinal: int
    ordinal_any: int
    elapsed_us: int
    from_number: str | None = None
    to: str | None = None
    operation: str = ""
    ordinal_operation: int = 0


def draw(seed: int, position: int, key: str, ordinal: int) -> float:
    """A number from [0, 1) that depends on its arguments alone.

    The n-th request of a key therefore meets the same fate in every run, however the keys' requests interleave.

    Args:
        seed: the run's seed.
        position: the fault's position in the scenario.
        key: the API key.
        ordinal: the number of the request.
    """
    text = f"{seed}\0{position}\0{ordinal}\0{key}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) / _SCALE


class FaultPlan:
    """The faults of a scenario in the order written; the first that applies to a request is the one it meets.

    Args:
        scenario: where the faults come from.
        seed: decides for faults with a probability.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._faults = scenario.faults
        self._seed = seed

    def choose(self, target: Target) -> Fault | None:
        """The fault that hits a request, or None.

        Args:
            target: the request.
        """
        for position, fault in enumerate(self._faults):
            if self._applies(position, fault, target):
                return fault
        return None

    def _applies(self, position: int, fault: Fault, target: Target) -> bool:
        wanted = ((fault.key, target.key), (fault.from_number, target.from_number), (fault.to, target.to))
        ordinals = {"any": target.ordinal_any, target.operation: target.ordinal_operation, target.kind: target.ordinal}
        if fault.on not in ordinals or any(want not in {None, has} for want, has in wanted):
            return False
        ordinal = ordinals[fault.on]
        if ordinal < fault.from_request or (fault.count is not None and ordinal >= fault.from_request + fault.count):
            return False
        if not within(target.elapsed_us, fault.after_seconds, fault.for_seconds):
            return False
        return fault.probability >= 1 or draw(self._seed, position, target.key, ordinal) < fault.probability


def within(elapsed_us: int, after_seconds: float, for_seconds: float | None) -> bool:
    """Whether the scenario's age lies in a stretch of time.

    Args:
        elapsed_us: the age of the scenario, in microseconds.
        after_seconds: when the stretch begins.
        for_seconds: how long it lasts; None for ever.
    """
    since_us = elapsed_us - microseconds(after_seconds, "seconds")
    return since_us >= 0 and (for_seconds is None or since_us < microseconds(for_seconds, "seconds"))


def injected_answer(fault: Fault, now_us: int) -> Answer:
    """The answer that a fault of kind ``answer`` or ``answer_after_accepting`` gives.

    Args:
        fault: the fault, which has a status.
        now_us: the present, in microseconds since the epoch, for a Retry-After date.
    """
    headers = {} if fault.retry_after is None else {"Retry-After": _retry_after(fault.retry_after, now_us)}
    answer = refusal(fault.status or 500, fault.message, headers)
    if fault.body is None:
        return answer
    return replace(answer, raw=fault.body.encode(errors="replace"), content_type=fault.content_type)


def success_false(fault: Fault, status: int) -> Answer:
    """A 2xx whose body says that the operation failed (docs/provider.md, 1.4).

    Args:
        fault: the fault.
        status: the status of an ordinary acceptance.
    """
    body: JsonObject = {"success": False, "error": True, "error_message": fault.message or "The operation failed"}
    return Answer(status, body)


def _retry_after(value: int | str, now_us: int) -> str:
    """A number of seconds, ``date:N`` for the date N seconds from now, anything else as it is."""
    text = str(value)
    relative = _RELATIVE_DATE.fullmatch(text)
    return as_http_date(now_us + int(relative[1]) * SECOND_US) if relative else text
