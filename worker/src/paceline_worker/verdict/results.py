"""What an accepted answer brings: the provider's handles, per-number results, and whether further calls follow. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from paceline.inbox.record import compact
from paceline.operations.groups import PARTICIPANTS_A_CALL
from paceline.operations.requests import ProviderRequest, Work, participants_of_this_call
from paceline_worker.verdict.meaning import Answer
from paceline_worker.verdict.policy import Verdict
from paceline_worker.verdict.words import clean, handle, scalar

# Codes that speak of the numbers of one call; any other refusal is of the group or of the sender.
_OF_THE_NUMBERS: Final = frozenset({"400", "422"})
# Of a number check; carriers and time zones in many languages are not worth keeping.
_LARGEST_CHECK: Final = 4000
_CHECKED: Final = ("is_valid", "on_whatsapp", "number", "whatsapp_info")
_DEEPEST: Final = 3
_WIDEST: Final = 20
_LARGEST_INTEGER: Final = 2**53
# A provider that does not know `results_per_page` lists 50; of a shorter page nothing follows.
_SHORTEST_FULL_PAGE: Final = 50
# And a provider that does not know `page_number` would list the same for ever.
_MOST_PAGES: Final = 20


def accepted(work: Work, request: ProviderRequest, answer: Answer, now_us: int) -> Verdict:
    """What follows from an accepted call.

    Args:
        work: the operation.
        request: which of its calls it was.
        answer: with the body's object as `value`.
        now_us: server time.

    Returns:
        An outcome, or a step to the next call.
    """
    value = answer.value or {}
    match request.step:
        case "channel":
            return _channel(work, value, answer.code)
        case "conversation":
            return _conversation(work, value, answer.code)
        case "create":
            return _created(work, value, answer, now_us)
        case "participants":
            asked = participants_of_this_call(work)
            return _changed(work, answer, numbers_in(value, asked))
    result: dict[str, Any] = dict(work.result)
    if work.kind == "number.check":
        result["check"] = _check(value)
    elif work.followed:
        result["recipient"] = work.recipient
    # A group's uuid is the handle of the operation that made it, and of no other.
    return _finished("accepted", answer, "" if work.kind.startswith("group.") else answer.uuid, result)


def refused(work: Work, request: ProviderRequest, answer: Answer) -> Verdict:
    """What follows when one call of several is rejected: what took effect before stays, and is the outcome.

    Args:
        work: the operation.
        request: which of its calls it was.
        answer: a rejection.

    Returns:
        A step when other numbers may still be accepted, else an outcome with what each number got.
    """
    if request.step != "participants":
        return Verdict(
            "finish", "rejected", code=answer.code, words=answer.words or answer.code, result=_text(work.result)
        )
    one = {"accepted": False, "code": _code(answer.code), "words": answer.words}
    if answer.code in _OF_THE_NUMBERS:
        return _changed(work, answer, dict.fromkeys(participants_of_this_call(work), one), refused=True)
    left = work.payload["participants"][int(work.result.get("calls", 0)) * PARTICIPANTS_A_CALL :]
    return _ended(work, answer, _counted(work, dict.fromkeys(left, one), refused=True))


def numbers_in(value: Mapping[str, Any], asked: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What became of each number, whichever of the documented shapes the answer has (docs/provider.md, 2.2).

    Args:
        value: the answer's object.
        asked: the numbers of the call.

    Returns:
        Number to ``accepted``, and where told ``code``, ``invited``, ``words``.
    """
    holders = [held for held in (value, value.get("group"), value.get("participants")) if isinstance(held, dict)]
    told = {_digits(name): one for held in holders for name, one in _entries(held) if isinstance(one, dict)}
    yes = {_digits(number) for held in holders for number in _list(held, "accepted_numbers")}
    no = {_digits(number) for held in holders for number in _list(held, "unaccepted_numbers")}
    listed = any(isinstance(held.get("accepted_numbers"), list) for held in holders)
    # An answer that names numbers names all accepted numbers; an answer that names none means all.
    silence_is_consent = not listed and not any(name.isdigit() for name in told)
    found: dict[str, dict[str, Any]] = {}

    for number in asked:
        digits = _digits(number)
        one = told.get(digits)
        if one is None:
            found[number] = {"accepted": digits not in no and (digits in yes or silence_is_consent)}
            if not silence_is_consent and digits not in yes | no:
                found[number]["words"] = "the answer does not name the number"
            continue
        status = one.get("statusCode")
        good = not listed if status is None else status in (200, "200")
        found[number] = {"accepted": digits not in no and (digits in yes or good)} | _told(one)
        if found[number]["accepted"]:
            found[number].pop("words", None)

    return found


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    code, words = _code(one.get("statusCode")), clean(scalar(one.get("message") or ""))[:100]
    told = {} if code is None else {"code": code}
    return told | ({"invited": True} if one.get("isInviteV4Sent") is True else {}) | ({"words": words} if words else {})


def _code(value: Any) -> int | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else None


def _entries(held: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    inner = held.get("participants")
    return (inner if isinstance(inner, dict) else held).items()


def _list(held: Mapping[str, Any], name: str) -> list[str]:
    found = held.get(name)
    return [number for number in found if isinstance(number, str)] if isinstance(found, list) else []


def _digits(number: str) -> str:
    return number.lstrip("+")


def _channel(work: Work, value: Mapping[str, Any], code: str) -> Verdict:
    numbers = value.get("numbers")
    listed = [one for one in numbers if isinstance(one, dict)] if isinstance(numbers, list) else []
    for one in listed:
        uuid = handle(one.get("uuid"))
        if uuid and _digits(scalar(one.get("phone_number"))) == _digits(work.sender):
            return _step({**work.result, "channel": uuid}, code, "the sender's channel", channel=uuid)
    page = int(work.result.get("page", 0)) + 1
    if len(listed) >= _SHORTEST_FULL_PAGE and page < _MOST_PAGES:
        return _step({**work.result, "page": page}, code, "the sender is not on this page")
    words = "the provider does not list the sender among its connected numbers"
    return Verdict("finish", "rejected", code=code, words=words)


def _conversation(work: Work, value: Mapping[str, Any], code: str) -> Verdict:
    data = value.get("data") or value.get("group")
    found = handle(data.get("wa_group_id")) if isinstance(data, dict) else ""
    if not found:
        return Verdict("finish", "rejected", code=code, words="the provider does not report the group's WhatsApp id")
    return _step({**work.result, "wa_group_id": found}, code, "the group's WhatsApp id")


def _created(work: Work, value: Mapping[str, Any], answer: Answer, now_us: int) -> Verdict:
    group = value.get("group")
    uuid = handle(group.get("uuid")) if isinstance(group, dict) else ""
    if not isinstance(group, dict) or not uuid:
        return Verdict(
            "unknown", code=answer.code, words="accepted, but the answer does not name the group", reason="unknown"
        )
    numbers = numbers_in(value, participants_of_this_call(work))
    result = {"calls": 1, "group_uuid": uuid, "made_us": now_us, "numbers": numbers}
    if wa_group_id := handle(group.get("wa_group_id")):
        result["wa_group_id"] = wa_group_id
    if len(work.payload["participants"]) > len(numbers):
        return _step(result, answer.code, f"the group is made: {uuid}")
    return _finished("accepted", answer, uuid, result)


def _changed(work: Work, answer: Answer, more: Mapping[str, Mapping[str, Any]], *, refused: bool = False) -> Verdict:
    result = _counted(work, more, refused=refused)
    if participants_of_this_call(replace(work, result=result)):
        good = sum(bool(one["accepted"]) for one in more.values())
        return _step(result, answer.code, f"{good} of {len(more)} numbers accepted")
    return _ended(work, answer, result)


def _counted(work: Work, more: Mapping[str, Mapping[str, Any]], *, refused: bool) -> dict[str, Any]:
    """The result after one more call."""
    before = work.result
    numbers = {**before.get("numbers", {}), **more}
    calls, bad = int(before.get("calls", 0)) + 1, int(before.get("refused", 0)) + refused
    return {**before, "calls": calls, "numbers": numbers} | ({"refused": bad} if bad else {})


def _ended(work: Work, answer: Answer, result: Mapping[str, Any]) -> Verdict:
    """Rejected only when nothing took effect: no group was made, and every call was refused."""
    if work.kind == "group.create":
        return _finished("accepted", answer, work.group, result)
    return _finished("rejected" if result.get("refused") == result["calls"] else "accepted", answer, "", result)


def _check(value: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _plain(value[name]) for name in _CHECKED if name in value}
    if len(compact(found)) <= _LARGEST_CHECK:
        return found
    return {name: one for name, one in found.items() if isinstance(one, bool)}


def _plain(value: Any, depth: int = 0) -> Any:
    """What may be kept of a JSON value: text without control characters, numbers that every reader knows, a few levels."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) < _LARGEST_INTEGER else clean(str(value))
    if isinstance(value, list | dict) and depth == _DEEPEST:
        return scalar(value)
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value[:_WIDEST]]
    if isinstance(value, dict):
        return {clean(name): _plain(one, depth + 1) for name, one in list(value.items())[:_WIDEST]}
    return value


def _step(result: Mapping[str, Any], code: str, words: str, *, channel: str = "") -> Verdict:
    return Verdict("step", code=code, words=words, result=_text(result), channel=channel, reason="step")


def _finished(outcome: str, answer: Answer, uuid: str, result: Mapping[str, Any]) -> Verdict:
    return Verdict("finish", outcome, code=answer.code, uuid=uuid, words=answer.words, result=_text(result))


def _text(result: Mapping[str, Any]) -> str:
    return compact(result) if result else ""
