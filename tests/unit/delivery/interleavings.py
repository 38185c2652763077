"""A model of one operation, two workers and every order of grant, begin, send, arrive, settle, crash, sweep and look-up.

It knows no time: a worker may stand still between any two steps for as long as it likes. What time promises (a call is over
before its lease, a look-up comes after the last call is over, a worker notices that it is late) are rules that can be taken away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

Policy = Literal["hold", "reconcile", "resend"]
# A worker: nothing; it has a hint; begun; its call is under way; answered; of unknown outcome; a look-up begun. The call of a
# worker that crashed may still arrive: `lost`.
IDLE, HINTED, BEGUN, CALLING, ANSWERED, UNKNOWN, LOOKING, LOST = "-hbcaulx"
MOST_GRANTS: Final = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds the promise together.

    Args:
        policy: of the operation.
        token: begin and settle believe only the newest grant.
        fence: a worker that begun long ago asks again before it sends.
        grace: a look-up comes when no call can be under way any more.
    """

    policy: Policy
    token: bool = True
    fence: bool = True
    grace: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """Everything at one moment.

    Args:
        place: w waiting, g granted, s sending, d settled.
        token: of the newest grant.
        outcome: '' until it is settled; ``held`` or ``accepted``.
        looks_up: whether its next call is a look-up.
        arrivals: how often it took effect at the provider.
        unknowns: how often its outcome was unknown.
        workers: of each its stage and the token it holds.
    """

    place: str = "w"
    token: int = 0
    outcome: str = ""
    looks_up: bool = False
    arrivals: int = 0
    unknowns: int = 0
    workers: tuple[tuple[str, int], tuple[str, int]] = ((IDLE, 0), (IDLE, 0))

    def with_worker(self, place: int, stage: str, token: int) -> "State":
        """The same with one worker elsewhere."""
        other = self.workers[1 - place]
        pair = ((stage, token), other) if place == 0 else (other, (stage, token))
        return replace(self, workers=pair)


def reachable(rules: Rules) -> set[State]:
    """Every state that some order of steps leads to."""
    known, left = {State()}, [State()]
    while left:
        for following in steps(left.pop(), rules):
            if following not in known:
                known.add(following)
                left.append(following)
    return known


def steps(state: State, rules: Rules) -> Iterator[State]:
    """Every state that one step leads to."""
    if state.place == "w" and state.token < MOST_GRANTS:
        yield from _grants(state)
    if state.place in ("g", "s") and not _is_calling(state, state.token):
        yield _swept(state, rules)
    for place in (0, 1):
        yield from _of_worker(state, place, rules)


def _grants(state: State) -> Iterator[State]:
    """A hint reaches one worker, both (a broker doubles), or none that is free."""
    granted = replace(state, place="g", token=state.token + 1)
    yield granted
    free = [place for place in (0, 1) if state.workers[place][0] == IDLE]
    for place in free:
        yield granted.with_worker(place, HINTED, granted.token)
    if len(free) == len(state.workers):
        yield granted.with_worker(0, HINTED, granted.token).with_worker(1, HINTED, granted.token)


def _swept(state: State, rules: Rules) -> State:
    """A lease ran out."""
    if state.place == "g" or state.looks_up:
        return replace(state, place="w")
    return _unknown(state, rules)


def _unknown(state: State, rules: Rules) -> State:
    state = replace(state, unknowns=state.unknowns + 1)
    if rules.policy == "hold":
        return replace(state, place="d", outcome="held")
    return replace(state, place="w", looks_up=rules.policy == "reconcile")


def _of_worker(state: State, place: int, rules: Rules) -> Iterator[State]:
    stage, token = state.workers[place]
    if stage == IDLE:
        return
    if stage != LOST:  # the machine is gone; what it has sent may arrive
        yield state.with_worker(place, LOST if stage == CALLING else IDLE, token)
    if stage == HINTED:
        yield _begun(state, place, token, rules)
    elif stage == BEGUN:
        may_send = not rules.fence or (state.place == "s" and (not rules.token or state.token == token))
        yield state.with_worker(place, CALLING if may_send else IDLE, token)
    elif stage in (CALLING, LOST):
        after = {CALLING: UNKNOWN, LOST: IDLE}[stage]
        arrived = replace(state, arrivals=state.arrivals + 1)
        yield state.with_worker(place, after, token)
        yield arrived.with_worker(place, after, token)
        if stage == CALLING:
            yield arrived.with_worker(place, ANSWERED, token)
    else:
        yield from _settled(state.with_worker(place, IDLE, token), stage, token, rules)


def _begun(state: State, place: int, token: int, rules: Rules) -> State:
    if state.place != "g" or (rules.token and token != state.token):
        return state.with_worker(place, IDLE, token)
    return replace(state, place="s").with_worker(place, LOOKING if state.looks_up else BEGUN, token)


def _settled(state: State, stage: str, token: int, rules: Rules) -> Iterator[State]:
    """A worker tells what it knows; `state` is without it already."""
    counts = not rules.token or token == state.token
    if stage == ANSWERED:
        # Also late, as long as no other grant was made: it settles what is held, or waits to be looked up.
        yield replace(state, place="d", outcome="accepted") if counts and state.place != "g" else state
    elif stage == UNKNOWN:
        yield _unknown(state, rules) if counts and state.place == "s" else state
    elif not (counts and state.place == "s"):
        yield state
    elif state.arrivals:
        yield replace(state, place="d", outcome="accepted", looks_up=False)
    elif not rules.grace or not any(worker[0] in (CALLING, LOST) for worker in state.workers):
        yield replace(state, place="w", looks_up=False)


def _is_calling(state: State, token: int) -> bool:
    """Whether the call of the newest grant is under way in a worker that lives: a call ends before its lease."""
    return any(worker == (CALLING, token) for worker in state.workers)
