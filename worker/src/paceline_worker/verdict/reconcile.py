"""Whether a call of unknown outcome took effect: what to ask the provider, and what its answer decides. Pure.

Nothing of ours travels with a message, so it is found by what it is: written by the API, with the same content, in the
conversation, since the call (docs/provider.md, 5). Which operation a found message belongs to is decided in
settle.lua: a message that another operation is known to have sent is not taken again, so identical texts are compared by count.

A history may be stale, so absence alone proves nothing: before a message is sent again, the sender's history must have shown a
message of ours that is younger than the call (`CANARY`), and the conversation, read after that, must still be without it (`PROOF`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from paceline.inbox.record import compact
from paceline.kinds import KINDS
from paceline.operations.groups import PARTICIPANTS_A_CALL
from paceline.operations.requests import ProviderRequest, Work
from paceline.times import instant
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Verdict, retry_delay
from paceline_worker.verdict.words import handle

# Phases of look-ups, as settle.lua and begin.lua name them: for the first time; whether the history is fresh; with a fresh history;
# for the last time, with a history that stayed stale.
FIRST: Final = "l1"
CANARY: Final = "l2"
PROOF: Final = "l3"
LAST: Final = "l4"
# What a look-up's verdict says of the history, where it says that the message is absent.
FRESH: Final = "fresh"
STALE: Final = "stale"
# A call takes effect within the HTTP deadline, or not at all. Default: 15.
LONGEST_CALL: Final = timedelta(seconds=15)
# The provider's clock and the state server's may differ by so much; when the answer tells the provider's time, only by what
# whole seconds and the call's own length hide.
_CLOCKS_DIFFER: Final = timedelta(seconds=60)
_CLOCKS_COMPARED: Final = timedelta(seconds=3)
# What is further off is no clock that its messages were dated with.
_CLOCKS_BELIEVED: Final = timedelta(days=1)
_CONVERSATION_PAGE: Final = 100
_GROUP_PAGE: Final = 50
# Degrees; some ten metres, more than any rounding of coordinates.
_SAME_PLACE: Final = 1e-4


def lookup_for(work: Work, phase: str = FIRST) -> ProviderRequest:
    """The request that tells whether the operation's last call took effect, or whether the history is fresh.

    Args:
        work: an operation whose kind is resolved by ``history`` or ``groups``.
        phase: `FIRST`, `CANARY`, `PROOF` or `LAST`.
    """
    if KINDS[work.kind].resolution == "groups":
        return _get("/whatsapp/groups/{sender}", sender=work.sender)
    if work.recipient.startswith("W"):
        return _get("/whatsapp/groups/messages/{group}", group=work.recipient)
    if phase == CANARY:
        return _get("/whatsapp/messages/{sender}", sender=work.sender)
    return _get("/whatsapp/messages/{sender}/{recipient}", sender=work.sender, recipient=work.recipient)


def found_out(  # noqa: PLR0917 - each is what one look-up knows
    work: Work,
    answer: Answer,
    sent_us: int,
    now_us: int,
    random: Random,
    phase: str = FIRST,
    longest_call: timedelta = LONGEST_CALL,
    *,
    clock_was_set: bool = False,
) -> Verdict | None:
    """What a look-up's answer decides.

    Args:
        work: the operation.
        answer: of the look-up.
        sent_us: slot of the call of unknown outcome, server us.
        now_us: server time at which the answer came.
        random: for the jitter of another try.
        phase: which look-up it is.
        longest_call: within this time of its slot the call took effect, or not at all.
        clock_was_set: the state server's clock jumped after the slot was taken, so nothing in a history is told by its time.

    Returns:
        A verdict; None where the answer means for a look-up what it means for any call (429, busy, bad key, unpaid, no connection).
    """
    is_group = KINDS[work.kind].resolution == "groups"
    match answer.meaning:
        case Meaning.THROTTLED | Meaning.SENDER_BUSY | Meaning.BAD_KEY | Meaning.UNPAID | Meaning.NOT_SENT:
            return None
        case Meaning.OVERLOADED | Meaning.UNKNOWN:
            words = f"the look-up of an unknown outcome failed: {answer.words or answer.code}"
            return Verdict("wait", delay_s=retry_delay(3, random), code=answer.code, words=words, reason="lookup")

        case Meaning.REJECTED if answer.code == "404":
            return _absent(
                answer, _when_absent(phase, is_fresh=False, is_group=is_group)
            )  # nothing was ever said there

        case Meaning.REJECTED:
            return _held(answer, f"the look-up was refused: {answer.words or answer.code}")

    listed = (answer.value or {}).get("data" if is_group else "messages")
    if not isinstance(listed, list):
        return _held(answer, "the look-up's answer could not be read")

    if clock_was_set:
        return _held(answer, _CLOCK_WAS_SET)

    entries = [entry for entry in listed if isinstance(entry, dict)]
    since = _provider_time(sent_us, now_us, answer.date)
    recent = [entry for entry in entries if _since(entry, since)]
    if is_group:
        return _groups(work, recent, answer, sent_us)

    uuids = tuple(uuid for entry in reversed(recent) if (uuid := _uuid(entry)) and _is_same(entry, work.payload))
    if phase == CANARY:
        latest = since + 2 * _uncertainty(now_us, answer.date) + longest_call
        is_fresh = any(_is_ours(entry) and _is_after(entry, latest) for entry in recent)
        if not work.recipient.startswith("W"):
            return _absent(answer, FRESH if is_fresh else STALE)
        if not is_fresh and not uuids:
            return _absent(answer, STALE)

    is_full = len(recent) >= (_GROUP_PAGE if work.recipient.startswith("W") else _CONVERSATION_PAGE)
    if is_full and not uuids:
        return _held(answer, _TOO_MANY)

    # All of a full page's may turn out to be of other operations; then this one's may stand on the next page.
    words = _TOO_MANY if is_full else "not found in the conversation"
    outcome = "held" if is_full or phase == LAST else ""
    return Verdict("looked", outcome, uuids=uuids, code=answer.code, words=words, reason="lookup")


def _provider_time(sent_us: int, now_us: int, date: datetime | None) -> datetime:
    """The earliest time of the provider's clock at which the call can have taken effect."""
    uncertainty = _uncertainty(now_us, date)
    if date is None or uncertainty == _CLOCKS_DIFFER:
        return instant(sent_us) - uncertainty
    return instant(sent_us) + (date - instant(now_us)) - uncertainty


def _uncertainty(now_us: int, date: datetime | None) -> timedelta:
    """How far the provider's clock may be from where it is taken to be."""
    if date is None or abs(date - instant(now_us)) > _CLOCKS_BELIEVED:
        return _CLOCKS_DIFFER
    return _CLOCKS_COMPARED


def _groups(work: Work, recent: list[dict[str, Any]], answer: Answer, sent_us: int) -> Verdict:
    same = [entry for entry in recent if work.payload["name"] in (entry.get("wa_group_name"), entry.get("wa_subject"))]
    uuids = tuple(uuid for entry in same if (uuid := _uuid(entry)))
    results = tuple(compact({"calls": 1, "group_uuid": uuid, "made_us": sent_us}) for uuid in uuids)
    more = "1" if len(work.payload["participants"]) > PARTICIPANTS_A_CALL else ""
    absent = _absent(answer, "held", _NO_GROUP)
    return (
        absent
        if not uuids
        else Verdict(
            "looked",
            "held",
            uuids=uuids,
            results=results,
            more=more,
            code=answer.code,
            words=absent.words,
            reason="lookup",
        )
    )


_TOO_MANY: Final = "the message was not found: the conversation has too many later messages"
_NO_GROUP: Final = "no such group in the sender's list, where new groups appear late"
_CLOCK_WAS_SET: Final = "the state server's clock was set after the call, so the times of the history prove nothing"
_NOT_THERE: Final = "not found in the conversation"
_STALE_WORDS: Final = "not found, and the history shows no later message of the sender: the history may be stale"


def _when_absent(phase: str, *, is_fresh: bool, is_group: bool) -> str:
    """What absence decides: nothing ('held'), that the history is fresh or stale, or that it was not sent ('')."""
    if is_group or phase == LAST:
        return "held"
    if phase == CANARY:
        return FRESH if is_fresh else STALE
    return ""


def _absent(answer: Answer, outcome: str, words: str = _NOT_THERE) -> Verdict:
    words = {STALE: _STALE_WORDS, "held": words if words == _NO_GROUP else _STALE_WORDS}.get(outcome, words)
    return Verdict("looked", outcome, code=answer.code, words=words, reason="lookup")


def _held(answer: Answer, words: str) -> Verdict:
    return Verdict("finish", "held", code=answer.code, words=words)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a message of the history was sent through the API."""
    return entry.get("sent_by", "api") == "api" and entry.get("is_from_api") is not False


def _is_same(entry: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Whether a message of the history is what the payload asked for. The provider may keep media under its own address."""
    if not _is_ours(entry):
        return False
    content = entry.get("message")
    if not isinstance(content, dict):
        return False
    has_media = bool(content.get("media"))
    is_same = (content.get("text") or "") == payload.get("text", "") and has_media == ("url" in payload)
    return is_same and _is_same_place(content.get("pin"), payload.get("pin"))


def _is_same_place(shown: Any, asked: Mapping[str, str] | None) -> bool:
    """Whether two pins may be one; no document tells whether a history shows them, so a pin that is not shown may."""
    if not isinstance(shown, dict):
        return True
    if asked is None:
        return False
    try:
        return all(abs(float(shown[name]) - float(asked[name])) < _SAME_PLACE for name in ("latitude", "longitude"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return True


def _since(entry: Mapping[str, Any], since: datetime) -> bool:
    """Whether it is as young; one whose time cannot be read is."""
    at = _time(entry, since)
    return at is None or at >= since.replace(microsecond=0)


def _is_after(entry: Mapping[str, Any], latest: datetime) -> bool:
    """Whether it is certainly younger; one whose time cannot be read is not."""
    at = _time(entry, latest)
    return at is not None and at > latest


def _time(entry: Mapping[str, Any], like: datetime) -> datetime | None:
    """When a message was made; in the zone of another time when it names none; None when that cannot be read."""
    text = entry.get("created_at") or entry.get("wa_created_at")
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=like.tzinfo) if at and not at.tzinfo else at


def _uuid(entry: Mapping[str, Any]) -> str:
    return handle(entry.get("uuid")) or handle(entry.get("id"))


def _get(endpoint: str, **parts: str) -> ProviderRequest:
    return ProviderRequest("GET", endpoint.format(**parts), None, endpoint)
