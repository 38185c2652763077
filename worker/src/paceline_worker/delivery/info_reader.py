"""Reads ``/info`` of accounts whose turn it is, on the engine's loop; `info.py` decides what it means."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from paceline_worker.accounts.info import INFO, INFO_EVERY, Info, catch_up_us, info_fields, next_read, read_info
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.provider.client import Provider
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.values import KnownAccount
from paceline_worker.telemetry.metrics import Metrics
from paceline_worker.verdict.meaning import Answer, Meaning
from paceline_worker.verdict.policy import Situation, decide

log = structlog.get_logger(__name__)

# Limit, pacing or variation may be changed between reading and writing; then they are read again.
_TRIES: Final = 3


class InfoReader:
    """Asks for an account's figures and writes them down.

    Args:
        state: of the engine.
        provider: of the engine.
        metrics: counters.
        jitter: spreads the readings.
    """

    def __init__(self, state: DeliveryState, provider: Provider, metrics: Metrics, jitter: random.Random) -> None:
        self._state = state
        self._provider = provider
        self._metrics = metrics
        self._random = jitter

    async def read(self, account: str, key: ApiKey, version: int) -> None:
        """Make the call and apply its answer; the caller chose the moment.

        Args:
            account: account name.
            key: its key.
            version: of the key.
        """
        answer = await self._provider.call(INFO, key)
        self._metrics.answered(account, INFO.endpoint, answer.code, None)
        if answer.meaning is Meaning.ACCEPTED and answer.value is not None:
            await self._learn(account, read_info(answer.value))
        else:
            await self._refused(account, answer, version)

    async def _learn(self, account: str, info: Info) -> None:
        for _ in range(_TRIES):
            known = await self._state.known(account)
            if known is None:
                return  # removed meanwhile
            fields = info_fields(
                info,
                by_hand=known.rate,
                told_before=known.told,
                pacing=known.pacing,
                variation=timedelta(microseconds=known.variation_us),
            )
            done = await self._write(account, known, fields, info)
            if done == "slower":
                log.warning("the provider lowered the account's limit", account=account, per_minute=info.per_minute)
            if done != "changed":
                return

    async def _write(self, account: str, known: KnownAccount, fields: dict[str, str], info: Info) -> str:
        every = timedelta(microseconds=known.info_every_us) or INFO_EVERY
        return await self._state.learn(
            account,
            known.basis,
            again_us=next_read(every, self._random) // timedelta(microseconds=1),
            catch_up_us=catch_up_us(fields, known.interval_us),
            may_send=info.may_send(datetime.now(UTC)),
            fields=fields,
        )

    async def _refused(self, account: str, answer: Answer, version: int) -> None:
        situation = Situation(attempts=0, max_attempts=1, throttled=0, window_s=60.0)
        verdict = decide(answer, situation, self._random)
        if answer.meaning is Meaning.THROTTLED:
            await self._state.info_throttled(account, int(verdict.delay_s * 1e6))
        elif answer.meaning is Meaning.BAD_KEY:
            if await self._state.suspend(account, verdict.words, version):
                log.error("account suspended", account=account, reason="bad_key", code=answer.code)
        else:
            if answer.meaning is not Meaning.NOT_SENT:
                await self._state.info_failed(account)
            log.info("/info was not read; the worker tries again", account=account, code=answer.code)
