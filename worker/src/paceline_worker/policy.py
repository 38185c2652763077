"""What follows from an answer. Pure: randomness is a parameter, and time comes as durations."""

from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final, Literal

from paceline_worker.answers import Answer, Meaning

Verb = Literal["finish", "retry", "unknown", "defer", "return"]
Scope = Literal["operation", "sender", "account", "suspend"]

RETRY_FLOOR_S: Final = 2.0
RETRY_CAP_S: Final = 60.0
# "Try again in a few seconds" (provider reference, 1.2), and never all senders at the same moment.
SENDER_PAUSE_S: Final = (2.0, 5.0)
LONGEST_THROTTLE_S: Final = 600.0
# Retry-After is a lower bound, so jitter goes upward only.
_THROTTLE_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What settle.lua is told.

    Args:
        verb: finish (an outcome), retry (an attempt was spent), unknown (by the operation's ``on_unknown``), defer.
        outcome: of ``finish``.
        scope: of ``defer``: who waits; ``suspend`` stops the account until a person resumes it.
        delay_s: of ``retry`` and ``defer``.
        code: status code or word.
        uuid: the provider's handle.
        words: for people.
        reason: bounded label for metrics.
    """

    verb: Verb
    outcome: str = ""
    scope: Scope = "operation"
    delay_s: float = 0.0
    code: str = ""
    uuid: str = ""
    words: str = ""
    reason: str = ""

    def wire(self, op_id: str, token: str, elapsed_us: int) -> dict[str, Any]:
        """The form settle.lua reads: texts only, times in us."""
        fields = asdict(self)
        return {name: fields[name] for name in ("verb", "outcome", "scope", "code", "uuid", "words")} | {
            "id": op_id,
            "token": token,
            "elapsed": str(elapsed_us),
            "delay": str(int(self.delay_s * 1e6)),
        }


def decide(
    answer: Answer, *, attempts: int, max_attempts: int, throttled: int, window_s: float, random: Random
) -> Verdict:
    """What follows from an answer.

    Args:
        answer: what the provider said.
        attempts: attempts spent before this call.
        max_attempts: attempts the operation may spend.
        throttled: 429 incidents of the account in a row, before this one.
        window_s: the window of the account's limit, the first throttling pause.
        random: for jitter.

    Returns:
        The verdict.
    """
    words = answer.words or answer.code
    match answer.meaning:
        case Meaning.ACCEPTED:
            return Verdict("finish", "accepted", code=answer.code, uuid=answer.message_uuid, words=answer.words)
        case Meaning.REJECTED:
            return Verdict("finish", "rejected", code=answer.code, words=words)
        case Meaning.THROTTLED:
            pause = answer.retry_after_s or min(window_s * 2.0 ** min(throttled, 32), LONGEST_THROTTLE_S)
            pause *= 1 + random.random() * _THROTTLE_JITTER
            return Verdict("defer", scope="account", delay_s=pause, code=answer.code, words=words, reason="throttled")
        case Meaning.SENDER_BUSY:
            pause = random.uniform(*SENDER_PAUSE_S)
            return Verdict("defer", scope="sender", delay_s=pause, code=answer.code, words=words, reason="sender_busy")
        case Meaning.OVERLOADED | Meaning.NOT_SENT:
            if attempts + 1 >= max_attempts:
                return Verdict("finish", "dead", code=answer.code, words=words)
            delay = retry_delay(attempts, random)
            return Verdict("retry", delay_s=delay, code=answer.code, words=words, reason=answer.meaning.value)
        case Meaning.BAD_KEY | Meaning.UNPAID:
            reason = answer.meaning.value
            return Verdict(
                "defer", scope="suspend", code=answer.code, words=f"{reason} ({answer.code}): {words}", reason=reason
            )
        case Meaning.UNKNOWN:
            return Verdict("unknown", code=answer.code, words=f"{answer.code}: {words}", reason="unknown")


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
