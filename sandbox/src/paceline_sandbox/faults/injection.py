"""How faults strike: which one a call meets, by the scenario or a magic number, and what it does to the answer."""

from typing import Final

from paceline_sandbox.answers import Answer
from paceline_sandbox.calls import Call, Moment, Reply, Request
from paceline_sandbox.console.tables import Fault
from paceline_sandbox.faults.faults import FaultPlan, Target, injected_answer, success_false
from paceline_sandbox.faults.magic import MagicNumbers
from paceline_sandbox.faults.scenario import Scenario, microseconds
from paceline_sandbox.messages.operations import Operation

_AFTER_ACCEPTING: Final = frozenset({"answer_after_accepting", "drop_after_accepting", "delay"})


class FaultsInForce:
    """The faults under one scenario.

    Args:
        scenario: its `faults`, and whether `magic` numbers work.
        seed: decides for faults with a probability.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._written = bool(scenario.faults)
        self._plan = FaultPlan(scenario, seed)
        self._magic = MagicNumbers(scenario)

    def choose(self, call: Call, key: str, ordinal_operation: int, elapsed_us: int) -> Fault | None:
        """The fault of the scenario that a call meets, else the fault of a magic number.

        Args:
            call: the call, its body read.
            key: the API key.
            ordinal_operation: the call's number among the key's calls of the same operation.
            elapsed_us: the age of the scenario, in microseconds.
        """
        operation = call.route.operation
        request = call.request if isinstance(call.request, Request) else None
        if self._written:
            target = Target(
                key=key,
                kind=operation.kind,
                ordinal=call.ordinal,
                ordinal_any=call.ordinal_any,
                elapsed_us=elapsed_us,
                from_number=request.sender if request else None,
                to=request.to if request else None,
                operation=call.arrival.operation,
                ordinal_operation=ordinal_operation,
            )
            fault = self._plan.choose(target)
            if fault is not None:
                return fault
        if request is None or not operation.takes_effect:
            return None
        return self._magic.choose(key, request.numbers)


def strikes_first(fault: Fault) -> bool:
    """Whether a fault strikes before anything takes effect, so that nothing does."""
    return not fault.before and fault.kind not in _AFTER_ACCEPTING


def instead(fault: Fault, operation: Operation, moment: Moment) -> Answer | None:
    """The answer of a fault that strikes first; None drops the connection.

    Args:
        fault: the fault.
        operation: what was asked for.
        moment: the world it is answered in.
    """
    if fault.kind == "answer":
        return injected_answer(fault, moment.now_us)
    if fault.kind == "success_false":
        return success_false(fault, _usual_status(operation, moment.scenario))
    return None


def spoilt(answer: Answer, fault: Fault | None, latency_us: int, now_us: int) -> Reply:
    """The reply to a call that took effect, changed by the fault it met.

    Args:
        answer: the answer it would have got.
        fault: the fault, if any.
        latency_us: how long every answer takes, in microseconds.
        now_us: the present, in microseconds since the epoch.
    """
    if fault is None or fault.before:
        return Reply(answer, latency_us)
    if fault.kind == "answer_after_accepting":
        return Reply(injected_answer(fault, now_us), latency_us)
    if fault.kind == "drop_after_accepting":
        return Reply(None, latency_us)
    return Reply(answer, latency_us + microseconds(fault.seconds or 0, "seconds"))


def _usual_status(operation: Operation, scenario: Scenario) -> int:
    """The status of an ordinary success."""
    if operation.kind == "send":
        return scenario.send_status
    return 202 if operation.kind in {"waba", "sms"} else 200
