"""What happened to each message, from the provider's log and the outcomes in state, never from a worker's log. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One message whose ``send()`` returned.

    Args:
        id: the operation.
        text: its own text, which no other message has.
        pair: sender and recipient.
        policy: ``on_unknown``.
        at_s: when ``send()`` returned, wall clock.
        began_s: when it was called, wall clock.
    """

    id: str
    text: str
    pair: tuple[str, str]
    policy: str = "reconcile"
    at_s: float = 0.0
    began_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """What became of all messages.

    Args:
        lost: texts that were accepted and never arrived, or have no outcome.
        doubled: texts that arrived more often than their policy allows.
        unresolved: texts that wait for a person.
        dead: texts whose attempts are used up.
        extras: arrivals beyond the first of messages that may be repeated.
        disordered: pairs whose messages arrived in another order.
    """

    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()
    unresolved: Sequence[str] = ()
    dead: Sequence[str] = ()
    extras: int = 0
    disordered: Sequence[tuple[str, str]] = field(default_factory=tuple)


def account_for(sent: Sequence[Sent], states: Mapping[str, str], arrivals: Iterable[Mapping[str, Any]]) -> Account:
    """Judge a run that has come to its end.

    Args:
        sent: in the order of sending.
        states: of each operation: its outcome, or where it waits.
        arrivals: the provider's log.
    """
    first: dict[str, int] = {}
    times = Counter[str]()
    for arrival in arrivals:
        text = str((arrival["body"] or {}).get("text"))
        if arrival["accepted"]:
            times[text] += 1
            first.setdefault(text, int(arrival["at_us"]))
    settled = {one: states[one.id] for one in sent}
    lost = [one.text for one, state in settled.items() if _is_lost(state, times[one.text])]
    once = [one.text for one in sent if one.policy != "resend" and times[one.text] > 1]
    extras = sum(max(0, times[one.text] - 1) for one in sent if one.policy == "resend")
    unresolved = [one.text for one, state in settled.items() if state == "held"]
    dead = [one.text for one, state in settled.items() if state == "dead"]
    return Account(lost, once, unresolved, dead, extras, _disordered(sent, first))


def forgotten(
    sent: Sequence[Sent],
    arrivals: Iterable[Mapping[str, Any]],
    kills_s: Sequence[tuple[float, float]],
    *,
    reach_s: float,
    call_s: float,
) -> set[str]:
    """Texts of which a state server may have forgotten something: sent, or begun by a worker, shortly before it was killed.

    Args:
        sent: all messages.
        arrivals: the provider's log.
        kills_s: when the server was certainly alive and when it was certainly dead, wall clock, of each kill that forgot writes
            that it had acknowledged. On a busy machine it goes on acknowledging between the two.
        reach_s: back it may forget.
        call_s: so long after a worker was told to begin, its call arrives.
    """

    def is_near(began_s: float, ended_s: float) -> bool:
        return any(alive_s - reach_s <= ended_s and began_s <= dead_s for alive_s, dead_s in kills_s)

    texts = {one.text for one in sent if is_near(one.began_s or one.at_s, one.at_s)}
    calls = ((int(a["at_us"]) / 1e6, str((a["body"] or {}).get("text"))) for a in arrivals)
    return texts | {text for at_s, text in calls if is_near(at_s - call_s, at_s)}


def _is_lost(state: str, times: int) -> bool:
    if state == "accepted":
        return times == 0
    return state not in ("held", "dead", "rejected", "expired", "cancelled", "suppressed")


def _disordered(sent: Sequence[Sent], first: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs out of order; a message that was repeated counts with its first arrival."""
    by_pair: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in sent:
        if one.text in first:
            by_pair[one.pair].append(first[one.text])
    return [pair for pair, times in by_pair.items() if times != sorted(times)]
