"""One round trip for all who ask at the same time on an event loop."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import redis.asyncio

    from paceline.state.scripts import Script

_Arguments = Sequence[str | int | bytes]
# Calls of one round trip: over a slow link a larger one could take longer than a caller is ready to wait.
_LARGEST: Final = 100


class Gathered:
    """Runs a script once for each caller; those who ask in the same turn of the event loop share round trips.

    A round trip costs the process more than the script costs the server, so an application that handles many requests at once
    sends several times as many operations a second.

    Args:
        script: the script, cheap enough that each caller can wait for the others.
        client: the client that runs it.
    """

    def __init__(self, script: "Script", client: "redis.asyncio.Redis") -> None:
        self._script, self._client = script, client
        self._asked: list[tuple[_Arguments, asyncio.Future[Any]]] = []
        self._rounds: set[asyncio.Task[None]] = set()

    async def run(self, arguments: _Arguments) -> Any:
        """The reply to these arguments.

        Args:
            arguments: of the script, after the root.

        Raises:
            RedisError: the server refused, or does not answer.
        """
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        self._asked.append((arguments, reply))
        if len(self._asked) == 1:
            loop.call_soon(self._begin)
        return await reply

    def _begin(self) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), _LARGEST):
            task = asyncio.get_running_loop().create_task(self._round(asked[start : start + _LARGEST]))
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)

    async def _round(self, asked: list[tuple[_Arguments, asyncio.Future[Any]]]) -> None:
        try:
            if len(asked) == 1:
                replies = [await self._script.arun(self._client, *asked[0][0])]
            else:
                replies = await self._script.arun_many(self._client, [arguments for arguments, _ in asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, each caller is told
            replies = [error] * len(asked)
        for (_, waiting), reply in zip(asked, replies, strict=True):
            if waiting.done():
                continue  # its caller was cancelled
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)
