"""What follows from an answer. Pure: randomness is a parameter, and time comes as durations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Literal

from paceline_worker.verdict.meaning import Answer, Meaning

Verb = Literal["finish", "step", "retry", "wait", "unknown", "looked", "defer", "return"]
Scope = Literal["operation", "sender", "account", "suspend"]

RETRY_FLOOR_S: Final = 2.0
RETRY_CAP_S: Final = 60.0
# "Try again in a few seconds" (docs/provider.md, 1.2), and never all senders at the same moment.
SENDER_PAUSE_S: Final = (2.0, 5.0)
LONGEST_THROTTLE_S: Final = 600.0
# A group that was just made answers 404 "for a few minutes" (docs/provider.md, 4).
GROUP_SHOWS_WITHIN_S: Final = 600.0
GROUP_PAUSE_S: Final = (8.0, 15.0)
# Retry-After is a lower bound, so jitter goes upward only.
_THROTTLE_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What settle.lua is told.

    Args:
        verb: finish (an outcome), step (one of several calls was answered), retry (an attempt was spent), wait (for something
            that passes; no attempt), unknown (by the operation's ``on_unknown``), looked (the result of a look-up), defer.
        outcome: of ``finish``; of ``looked`` it is ``held`` when absence decides nothing.
        scope: of ``defer``: who waits; ``suspend`` stops the account until a person resumes it.
        delay_s: of ``retry`` and ``defer``.
        code: status code or word.
        uuid: the provider's handle.
        words: for people.
        reason: bounded label for metrics.
        result: JSON, what the operation's calls brought.
        channel: the sender's channel, when a call brought it.
        uuids: of ``looked``: messages or groups that it may be.
        results: of ``looked``: the result for each of them.
        more: of ``looked``: "1" when calls follow after it was found.
        health: what the call says about the provider's health: ``good``, ``bad`` or nothing.
        key_version: of scope ``suspend``: of the account's key that was refused.
    """

    verb: Verb
    outcome: str = ""
    scope: Scope = "operation"
    delay_s: float = 0.0
    code: str = ""
    uuid: str = ""
    words: str = ""
    reason: str = ""
    result: str = ""
    channel: str = ""
    uuids: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    more: str = ""
    health: str = ""
    key_version: str = ""

    def of_health(self, health: str) -> "Verdict":
        """The same verdict, with what its call says about the provider's health."""
        return replace(self, health=health)

    def of_key(self, version: int) -> "Verdict":
        """The same verdict, with the version of the key its call was made with."""
        return replace(self, key_version=str(version)) if self.scope == "suspend" else self

    def closed(self, close: Callable[[str], str]) -> "Verdict":
        """The same verdict, with what it brought as state keeps it.

        Args:
            close: encrypts one result.
        """
        if not self.result and not self.results:
            return self
        return replace(self, result=close(self.result) if self.result else "", results=tuple(map(close, self.results)))

    def wire(self, op_id: str, token: str, elapsed_us: int) -> dict[str, Any]:
        """The form settle.lua reads: texts (and lists of texts) only, times in us; what is empty is left out."""
        told = {name: getattr(self, name) for name in _TOLD}
        return (
            {name: value for name, value in told.items() if value}
            | {
                "words": self.words,
                "id": op_id,
                "token": token,
                "elapsed": str(elapsed_us),
                "delay": str(int(self.delay_s * 1e6)),
            }
            | ({"results": list(self.results)} if self.results else {})
            | ({"uuids": list(self.uuids)} if self.verb == "looked" else {})
        )


_TOLD: Final = ("verb", "outcome", "scope", "code", "uuid", "result", "channel", "more", "health", "key_version")


@dataclass(frozen=True, slots=True)
class Situation:
    """What an answer meets.

    Args:
        attempts: attempts spent before this call.
        max_attempts: attempts the operation may spend.
        throttled: 429 incidents of the account in a row, before this one.
        window_s: the window of the account's limit, the first throttling pause.
        group_age_s: how long ago the group it is about was made by an operation of ours; None when it was not.
        was_unknown: whether an earlier call of the operation had an unknown outcome.
        is_deletion: whether what it asks for is that something be gone.
        treat_503_as_unknown: whether a 503 may have taken effect.
    """

    attempts: int
    max_attempts: int
    throttled: int
    window_s: float
    group_age_s: float | None = None
    was_unknown: bool = False
    is_deletion: bool = False
    treat_503_as_unknown: bool = False

    def with_group_age(self, seconds: float) -> "Situation":
        """The same, about a group of that age."""
        return replace(self, group_age_s=seconds)


def decide(answer: Answer, situation: Situation, random: Random) -> Verdict:
    """What follows from an answer.

    Args:
        answer: what the provider said.
        situation: what it meets.
        random: for jitter.

    Returns:
        The verdict.
    """
    words = answer.words or answer.code
    match answer.meaning:
        case Meaning.ACCEPTED:
            return Verdict("finish", "accepted", code=answer.code, uuid=answer.uuid, words=answer.words)

        case Meaning.REJECTED if answer.code == "404" and _may_still_show(situation.group_age_s):
            pause = random.uniform(*GROUP_PAUSE_S)
            return Verdict(
                "wait",
                delay_s=pause,
                code=answer.code,
                words=f"the new group is not visible yet: {words}",
                reason="new_group",
            )

        case Meaning.REJECTED if answer.code == "404" and situation.is_deletion and situation.was_unknown:
            return Verdict("finish", "accepted", code=answer.code, words="deleted: an earlier call took effect")
        case Meaning.REJECTED:
            return Verdict("finish", "rejected", code=answer.code, words=words)

        case Meaning.THROTTLED:
            pause = answer.retry_after_s or min(
                situation.window_s * 2.0 ** min(situation.throttled, 32), LONGEST_THROTTLE_S
            )
            pause *= 1 + random.random() * _THROTTLE_JITTER
            return Verdict("defer", scope="account", delay_s=pause, code=answer.code, words=words, reason="throttled")

        case Meaning.SENDER_BUSY:
            pause = random.uniform(*SENDER_PAUSE_S)
            return Verdict("defer", scope="sender", delay_s=pause, code=answer.code, words=words, reason="sender_busy")
        case Meaning.OVERLOADED if situation.treat_503_as_unknown:
            return Verdict("unknown", code=answer.code, words=f"{answer.code}: {words}", reason="unknown")
        case Meaning.NOT_SENT:
            # A way that a worker does not have says nothing of the operation: another worker may have it.
            return Verdict("defer", code=answer.code, words=words, reason=answer.meaning.value)

        case Meaning.OVERLOADED:
            if situation.attempts + 1 >= situation.max_attempts:
                return Verdict("finish", "dead", code=answer.code, words=words)
            delay = retry_delay(situation.attempts, random)
            return Verdict("retry", delay_s=delay, code=answer.code, words=words, reason=answer.meaning.value)

        case Meaning.BAD_KEY | Meaning.UNPAID:
            reason = answer.meaning.value
            return Verdict(
                "defer", scope="suspend", code=answer.code, words=f"{reason} ({answer.code}): {words}", reason=reason
            )

        case Meaning.UNKNOWN:
            return Verdict("unknown", code=answer.code, words=f"{answer.code}: {words}", reason="unknown")


def health_of(meaning: Meaning) -> str:
    """What a class of answers says about the provider's health, for the circuit breakers.

    Silence and 5xx count like 503: a silent provider is as ill as a refusing one (decision 18). A call that got no
    connection says nothing: the worker that made it steps back.
    """
    if meaning is Meaning.NOT_SENT:
        return ""
    return "bad" if meaning in _ILL else "good"


_ILL: Final = frozenset({Meaning.OVERLOADED, Meaning.UNKNOWN})


def _may_still_show(group_age_s: float | None) -> bool:
    return group_age_s is not None and group_age_s < GROUP_SHOWS_WITHIN_S


def retry_delay(attempts: int, random: Random) -> float:
    """Full-jitter exponential back-off in seconds; the jitter stays at the cap, so retries do not fall into step.

    Args:
        attempts: spent before this one.
        random: source of jitter.

    Returns:
        Between 2 seconds and 4, 8, 16, 32, 60, 60...
    """
    ceiling = min(RETRY_CAP_S, RETRY_FLOOR_S * 2.0 ** (min(attempts, 16) + 1))
    return random.uniform(RETRY_FLOOR_S, ceiling)


def not_begun(words: str, reason: str) -> Verdict:
    """The grant is given back before begin."""
    return Verdict("return", words=words, reason=reason)


def not_made(words: str, reason: str) -> Verdict:
    """The call was not made: back to the head of the lane, no attempt."""
    return Verdict("defer", words=words, reason=reason)
