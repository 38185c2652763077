"""begin.lua's answer, read: an operation that is to be sent now, or whose unknown outcome is to be looked up. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from paceline.errors import InvalidOperation
from paceline.operations import leaving
from paceline.operations.requests import Followed, ProviderRequest, Work, merged, request_for
from paceline_worker.verdict import reconcile, results
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, Verdict, decide, health_of


@dataclass(frozen=True, slots=True)
class Begun:
    """A begun operation.

    Args:
        account: account name.
        priority: ``t`` or ``b``.
        work: the operation, with what its earlier calls brought.
        request: the call to make.
        looks_up: whether the call looks up the outcome of an earlier one.
        accepted_us: when it was accepted (server us).
        slot_us: its slot (server us).
        phase: of the look-up (`reconcile.FIRST` and so on), or ''.
        sent_us: slot of the call whose outcome is looked up (server us).
        tolerance_us: lateness allowed.
        moved: whether it was late for the slot that it was granted for, and got another one.
        hurried: whether its sender's next slot comes so soon that the verdict must not wait for others.
        clock_was_set: whether the state server's clock jumped after the call whose outcome is looked up.
        situation: what its answer meets; the age of the group is left to `verdict`.
        group_made_us: when the group it is about was made by an operation of ours (server us), or None.
        key_version: of the account's key.
        campaign: its campaign, or ''.
        trace: its trace as it was written down, or ''.
        upload_trace: of its campaign's upload, or ''.
    """

    account: str
    priority: str
    work: Work
    request: ProviderRequest
    looks_up: bool
    accepted_us: int
    slot_us: int
    sent_us: int
    tolerance_us: int
    situation: Situation
    group_made_us: int | None
    key_version: int
    campaign: str = ""
    phase: str = ""
    trace: str = ""
    upload_trace: str = ""
    moved: bool = False
    hurried: bool = False
    clock_was_set: bool = False

    @property
    def kind(self) -> str:
        """Operation kind."""
        return self.work.kind

    def verdict(
        self, answer: Answer, now_us: int, random: Random, longest_call: timedelta = reconcile.LONGEST_CALL
    ) -> Verdict:
        """What follows from the answer to its request.

        Args:
            answer: what the provider said.
            now_us: server time.
            random: for jitter.
            longest_call: the HTTP deadline.
        """
        verdict = self._verdict(answer, now_us, random, longest_call)
        if verdict.outcome == "dead" and self.kind == "group.create":
            verdict = replace(
                verdict, uuid=self.work.group
            )  # the group may exist although adding to it did not succeed
        return verdict.of_health(health_of(answer.meaning))

    def _verdict(self, answer: Answer, now_us: int, random: Random, longest_call: timedelta) -> Verdict:
        if self.looks_up:
            found = reconcile.found_out(
                self.work,
                answer,
                self.sent_us,
                now_us,
                random,
                self.phase,
                longest_call,
                clock_was_set=self.clock_was_set,
            )
            return found or decide(answer, self.situation, random)
        if answer.meaning is Meaning.ACCEPTED:
            return results.accepted(self.work, self.request, answer, now_us)
        decided = decide(answer, self._with_age(now_us), random)
        if decided.outcome == "rejected":
            return results.refused(self.work, self.request, answer)
        return decided

    def _with_age(self, now_us: int) -> Situation:
        if self.group_made_us is None:
            return self.situation
        return self.situation.with_group_age((now_us - self.group_made_us) / 1e6)


def read_begun(found: Mapping[str, Any]) -> Begun:
    """Read a positive answer of begin.lua.

    Args:
        found: its JSON object.

    Raises:
        PacelineError, ValueError, KeyError: the stored operation cannot be turned into a request.
    """
    work = _work(found)
    leaving.check(work)
    phase = found.get("phase") or ""
    looks_up = bool(phase)
    request = reconcile.lookup_for(work, phase) if looks_up else request_for(work)
    made = found.get("made_at") or work.result.get("made_us")
    return Begun(
        account=found["account"],
        priority=found["priority"],
        work=work,
        request=request,
        looks_up=looks_up,
        accepted_us=int(found["accepted_at"]),
        slot_us=int(found["slot"]),
        sent_us=int(found.get("sent_at") or found["slot"]),
        tolerance_us=int(found["tolerance"]),
        situation=Situation(
            attempts=int(found["attempts"]),
            max_attempts=int(found["max_attempts"]),
            throttled=int(found["throttled"]),
            window_s=int(found["window"]) / 1e6,
            was_unknown=bool(found.get("was_unknown")),
            is_deletion=request.method == "DELETE",
            treat_503_as_unknown=found.get("treat_503") == "unknown",
        ),
        group_made_us=int(made) if made else None,
        key_version=int(found["key_version"]),
        campaign=found.get("campaign") or "",
        phase=phase,
        trace=found.get("trace") or "",
        upload_trace=found.get("upload_trace") or "",
        moved=bool(found.get("moved")),
        hurried=bool(found.get("hurried")),
        clock_was_set=bool(found.get("clock_set")),
    )


def _work(found: Mapping[str, Any]) -> Work:
    payload = json.loads(found["payload"])
    if found.get("campaign"):
        payload = merged(json.loads(found["template"]), payload)
    if not isinstance(payload, dict):
        raise InvalidOperation("payload: is no object")
    followed = found.get("followed")
    return Work(
        kind=found["kind"],
        sender=found["sender"],
        target=found["to"],
        payload=payload,
        result=json.loads(found.get("result") or "{}"),
        followed=Followed(followed["uuid"], followed["to"], json.loads(followed["result"])) if followed else None,
        channel=found.get("channel") or "",
    )
