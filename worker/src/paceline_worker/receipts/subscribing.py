"""Subscribes an account's numbers to receipts at the provider: a few calls, each at a slot of the account's bucket."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import redis

from paceline.errors import PacelineError, UnknownAccount
from paceline.operations.requests import ProviderRequest
from paceline.state import translated
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.limiter import Slot, SlotRateLimiter
from paceline_worker.provider.client import Provider
from paceline_worker.receipts import hooks
from paceline_worker.receipts.address import address_of, digest_of, new_token
from paceline_worker.receipts.hooks import Webhook, Wish
from paceline_worker.receipts.state import Hooks
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, decide

# A slot further ahead than this is asked for again: until then a pause may end, or the account be suspended.
_HORIZON_S: Final = 60.0
_SHORTEST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 5.0
_MOST_PAGES: Final = 20


class SubscriptionFailed(PacelineError):
    """The provider, or the account's state, does not let it be done; the message says why."""


class Result(StrEnum):
    """What became of a subscription."""

    SUBSCRIBED = "subscribed"
    THERE = "there"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One event of one number, and the result of its subscription.

    Args:
        wish: which event of which number.
        result: subscribed; there already; or taken: the provider has another address for it, and one only.
        number: which one of them it is, from 1.
        of: how many there are.
    """

    wish: Wish
    result: Result
    number: int
    of: int


class Caller:
    """Makes calls under the account's limit, as its workers do.

    Args:
        client: from `paceline.state.connect`.
        limiter: on the same server.
        provider: on the running event loop.
        account: account name.
        key: its key.
        sleep: takes seconds.
        jitter: of pauses after a 429.
    """

    def __init__(
        self,
        client: redis.Redis,
        limiter: SlotRateLimiter,
        provider: Provider,
        account: str,
        key: ApiKey,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._provider = provider
        self._account = account
        self._key = key
        self._sleep = sleep
        self._random = jitter or random.Random()  # noqa: S311 - spreads pauses, and is no secret
        self._script = Script("paceline_worker", "account")

    async def call(self, request: ProviderRequest) -> Answer:
        """Make one call at the account's next slot; a 429 pauses the account, and the call is made again after it."""
        while True:
            await self._slot()
            answer = await self._provider.call(request, self._key)
            if answer.meaning is not Meaning.THROTTLED:
                return answer
            situation = Situation(attempts=0, max_attempts=1, throttled=0, window_s=60.0)
            pause_us = int(decide(answer, situation, self._random).delay_s * 1e6)
            self._pause(pause_us)

    async def _slot(self) -> None:
        while True:
            slot = self._reserved()
            if slot.taken:
                await self._sleep(slot.wait_s)
                return
            picture = State(self._client).account(self._account)
            if picture is None:
                raise UnknownAccount(f"no account named {self._account!r}: see `paceline accounts list`")
            if why := picture.account.suspended:
                raise SubscriptionFailed(f"account {self._account!r} is suspended: {why}")
            await self._sleep(min(max(slot.wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))

    @translated
    def _reserved(self) -> Slot:
        return self._limiter.reserve(self._account, horizon=_HORIZON_S)

    @translated
    def _pause(self, pause_us: int) -> None:
        self._script.run(self._client, "throttled", self._account, pause_us)


class Subscriber:
    """The steps of a subscription; each can be repeated, and what is there stays.

    Args:
        call: makes one call.
        account: account name.
        base_url: of the address, from `checked_base`.
    """

    def __init__(self, call: Callable[[ProviderRequest], Awaitable[Answer]], account: str, base_url: str) -> None:
        self._call = call
        self._account = account
        self._base_url = base_url

    async def subscribe(
        self, tokens: Hooks, senders: Sequence[str], *, waba: bool = False, inbound: bool = True, rotate: bool = False
    ) -> AsyncIterator[Subscription]:
        """Let the provider post the receipts of some numbers to the account's address.

        An account without a token gets one. It keeps its token when the provider has an address with it; a token that was
        never shown and is nowhere at the provider is replaced. Outdated webhooks of ours are removed.

        Args:
            tokens: of accounts, in state.
            senders: numbers, E.164; none: all that the provider lists as connected.
            waba: they are numbers of the official API.
            inbound: with the event of inbound messages, which may be opt-out words.
            rotate: replace the token.

        Yields:
            What became of each event of each number, as it is known.

        Raises:
            SubscriptionFailed: the provider does not do it, or the account's token cannot be known.
            UnknownAccount, StateUnavailable: of the account.
        """
        webhooks = await self._webhooks()
        token = self._token(tokens, webhooks, rotate=rotate)
        address = address_of(self._base_url, self._account, token)
        # Webhooks are listed with channels instead of numbers.
        channels = await self._channels() if not waba and (webhooks or not senders) else {}
        if not (senders or channels):
            raise SubscriptionFailed(
                f"the provider lists no connected number of account {self._account!r}: give --sender"
            )

        for webhook in hooks.stale(webhooks, self._base_url, self._account, token):
            await self._remove(webhook)
            webhooks.remove(webhook)

        wanted = list(hooks.wishes(senders or channels, hooks.events(waba=waba, inbound=inbound)))
        for number, wish in enumerate(wanted, 1):
            there = hooks.goes_to(webhooks, wish, channels)
            if wish.sender in channels and address in there:
                result = Result.THERE
            else:
                result = await self._make(wish, address, taken=bool(there) and address not in there)
            yield Subscription(wish, result, number, len(wanted))

    def _token(self, tokens: Hooks, webhooks: Sequence[Webhook], *, rotate: bool) -> str:
        hook = tokens.of(self._account)
        if hook.digest and not rotate:
            if token := hooks.token_of(webhooks, self._account, hook.digest):
                return token
            if hook.shown:
                raise SubscriptionFailed(
                    f"the address of account {self._account!r} was shown before and is in none of the provider's "
                    f"webhooks: subscribe it by hand, or replace it with --rotate"
                )
        token = new_token()
        if not tokens.open(self._account, digest_of(token), instead_of=hook.digest, shown=False):
            raise SubscriptionFailed(f"the address of account {self._account!r} was changed meanwhile; try again")
        return token

    async def _webhooks(self) -> list[Webhook]:
        return hooks.read_webhooks(_object(await self._call(hooks.LIST), "list the webhooks"))

    async def _channels(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for page in range(_MOST_PAGES):
            answer = await self._call(hooks.numbers(page))
            more, is_full = hooks.read_numbers(_object(answer, "list the connected numbers"))
            found |= more
            if not is_full:
                break
        return found

    async def _remove(self, webhook: Webhook) -> None:
        answer = await self._call(hooks.delete(webhook))
        if answer.code != "404":
            _object(answer, "remove an old webhook")

    async def _make(self, wish: Wish, address: str, *, taken: bool) -> Result:
        answer = await self._call(hooks.subscribe(wish, address))
        if answer.code == "409":  # on this route: there already (docs/provider.md, 3.1)
            return Result.TAKEN if taken else Result.THERE
        _object(answer, f"subscribe {wish.sender} to {wish.event}")
        return Result.SUBSCRIBED


def _object(answer: Answer, what: str) -> Mapping[str, Any]:
    """The object of an answer that did what was asked.

    Raises:
        SubscriptionFailed: it did not.
    """
    if answer.meaning is not Meaning.ACCEPTED:
        words = f": {answer.words}" if answer.words else ""
        raise SubscriptionFailed(f"the provider did not {what} ({answer.code}){words}; repeat the command to continue")
    return answer.value or {}
