"""What became of the demo's messages, by the provider's log and the books of state. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from statistics import median
from typing import Any, Final

from paceline.literals import OUTCOMES
from paceline_sandbox.demo.plan import Account

Arrival = Mapping[str, Any]
"""One line of ``/sandbox/arrivals``."""

HELD: Final = "held"
_SECOND_US: Final = 1_000_000
# A gap this many times the even one is a silence, not a slot that was missed.
_SILENCE: Final = 4


@dataclass(frozen=True, slots=True)
class AccountVerdict:
    """One account, mostly as the provider saw it.

    Args:
        account: its name.
        limit: what its key allows, such as ``10/minute``.
        to_send: messages uploaded.
        arrived: requests that reached the provider, repetitions among them.
        accepted: messages that took effect there.
        doubled: how many of them took effect again.
        lost: messages without any outcome, or said to be accepted and unknown to the provider.
        unsent: messages that got another outcome than accepted or held.
        held: messages nobody knows about because their worker died in the middle of the call; a person decides.
        held_accepted: how many of those took effect at the provider.
        violations: requests that broke a limit of the key.
        per_minute: accepted messages, (n-1)/(last-first); None for fewer than two.
        share_used: that rate against the limit; None: too few messages.
        share_between: the same between neighbours, by the median distance of two requests: no pause counts here.
        notes: what the shares hide, one sentence each.
    """

    account: str
    limit: str
    to_send: int
    arrived: int
    accepted: int
    doubled: int
    lost: int
    unsent: int
    held: int
    held_accepted: int
    violations: int
    per_minute: float | None
    share_used: float | None
    share_between: float | None
    notes: tuple[str, ...]

    def problems(self) -> list[str]:
        """What must not happen, one sentence each."""
        found = (
            (self.lost, "lost"),
            (self.doubled, "sent twice"),
            (self.unsent, "neither accepted nor held"),
        )
        sentences = [f"{self.account}: {counted(number, 'message')} {what}" for number, what in found if number]
        if self.violations:
            sentences.append(f"{self.account}: {counted(self.violations, 'request')} broke the limit of the key")
        return sentences

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class Report:
    """The whole run.

    Args:
        seed: of the run.
        seconds: from the upload to the last outcome.
        accounts: one verdict each.
        audit_ok: whether ``paceline audit`` found every operation.
        audit: its words.
        given_up: what was still open when the time was up; empty when everything ended.
    """

    seed: int
    seconds: float
    accounts: tuple[AccountVerdict, ...]
    audit_ok: bool
    audit: str
    given_up: str = ""

    @property
    def problems(self) -> list[str]:
        """What must not happen, one sentence each; none when all is well."""
        found = [problem for account in self.accounts for problem in account.problems()]
        if self.given_up:
            found.insert(0, self.given_up)
        if not self.audit_ok:
            found.append(f"`paceline audit` disagrees: {self.audit or 'it said nothing'}")
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "ok": not self.problems,
            "problems": self.problems,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "accounts": [account.as_json() for account in self.accounts],
            "audit": {"ok": self.audit_ok, "says": self.audit},
        }


def judge(
    account: Account,
    outcomes: Mapping[str, str],
    arrivals: Iterable[Arrival],
    key_report: Mapping[str, Any],
) -> AccountVerdict:
    """Hold what state says of an account's messages against what the provider saw.

    Args:
        account: what was to be sent.
        outcomes: recipient to outcome, or to any other state when there is none yet; each recipient of the account.
        arrivals: the provider's log.
        key_report: the provider's report of this key; empty when it never saw the key.

    Returns:
        The verdict.
    """
    sends = sends_of(account, arrivals)
    took_effect = Counter(str(arrival["body"]["to_number"]) for arrival in sends if arrival["accepted"])
    states = {to: outcomes.get(to, "") for to in {*outcomes, *took_effect}}
    held = [to for to, state in states.items() if state == HELD]
    limits = key_report.get("limits") or [{}]
    per_second = key_report.get("achieved_per_second")
    held_accepted = sum(to in took_effect for to in held)
    return AccountVerdict(
        account=account.name,
        limit=account.limit,
        to_send=account.to_send,
        arrived=len(sends),
        accepted=sum(took_effect.values()),
        doubled=sum(times - 1 for times in took_effect.values()),
        lost=sum(
            state not in OUTCOMES or (state == "accepted" and not took_effect[to]) for to, state in states.items()
        ),
        unsent=sum(state in OUTCOMES and state not in ("accepted", HELD) for state in states.values()),
        held=len(held),
        held_accepted=held_accepted,
        violations=int(key_report.get("violations", 0)),
        per_minute=None if per_second is None else round(per_second * 60, 2),
        share_used=_rounded(limits[0].get("share_used")),
        share_between=_rounded(_share_between(account, sends)),
        notes=tuple(_notes(account, sends, held=len(held), held_accepted=held_accepted)),
    )


def sends_of(account: Account, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """The requests of an account that were to send something, in the order of arrival."""
    return [
        arrival
        for arrival in arrivals
        if arrival["key"] == account.key and arrival["method"] == "POST" and isinstance(arrival["body"], dict)
    ]


def counted(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def audit_in_words(books: Iterable[Mapping[str, Any]]) -> str:
    """One sentence about the answer of ``paceline audit --json``.

    Args:
        books: one entry per account.
    """
    books = list(books)
    received, missing = (sum(int(book[name]) for book in books) for name in ("received", "unaccounted"))
    settled = sum(int(number) for book in books for number in book["outcomes"].values())
    return f"{counted(received, 'operation')} received, {settled} with an outcome, {missing} unaccounted for"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _share_between(account: Account, sends: Sequence[Arrival]) -> float | None:
    if len(sends) < 2:
        return None
    even_us = 60 * _SECOND_US / account.per_minute
    return even_us / median(int(later["at_us"] - earlier["at_us"]) for earlier, later in pairwise(sends))


def _notes(account: Account, sends: Sequence[Arrival], *, held: int, held_accepted: int) -> Iterable[str]:
    throttled = sum(arrival["status"] == 429 for arrival in sends)
    if throttled:
        yield f"{counted(throttled, 'request')} answered 429: the account paused, and sends more slowly for some hours"
    refused = sum(arrival["status"] == 503 for arrival in sends)
    if refused:
        yield f"{counted(refused, 'request')} answered 503: these messages left again later, with 25, 50, then 100 % of the rate"
    if held:
        known = f"{held_accepted} of them took effect" if held_accepted else "none of them took effect"
        yield f"{counted(held, 'message')} held ({known}), and the sender stood still until the lease had run out"
    if len(sends) > 1:
        longest_s = max(later["at_us"] - earlier["at_us"] for earlier, later in pairwise(sends)) / _SECOND_US
        if longest_s > _SILENCE * 60 / account.per_minute:
            yield f"longest silence {longest_s:.1f} s"
