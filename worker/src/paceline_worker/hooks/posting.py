"""One POST of one event."""

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from paceline.version import VERSION
from paceline_worker.hooks.addresses import PrivateAddress, checked_host
from paceline_worker.hooks.policy import Answer, answer_of
from paceline_worker.hooks.resolver import resolver

DEADLINE: Final = timedelta(seconds=15)
# Of an answer's body so much is taken, so that the connection can be used again; nothing of it is kept.
_MOST_READ: Final = 16 * 1024
_LONGEST_WORDS: Final = 200


class Poster:
    """Posts events. Redirects are not followed, proxies of the environment not used, addresses looked up here and pinned.

    Args:
        allow_private: post to addresses of private networks as well.
        deadline: for one request, from the look-up to the end of the answer.
    """

    def __init__(self, *, allow_private: bool, deadline: timedelta = DEADLINE) -> None:
        self._allow_private = allow_private
        self._timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=resolver(allow_private=self._allow_private),
            use_dns_cache=False,  # each connection is made to what is looked up for it
            limit=0,  # each hook has its own
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nothing of a body is used: a packed one could fill the runner, and a broken one make a failure of a success.
            auto_decompress=False,
            headers={
                "User-Agent": f"paceline/{VERSION}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def post(self, url: str, body: str, headers: dict[str, str]) -> Answer:
        """Post it.

        Args:
            url: of the hook.
            body: as it was signed.
            headers: id, time and signatures.

        Returns:
            How it ended; no error is raised for what a receiver does.
        """
        if self._session is None:
            raise RuntimeError("the poster is not open")
        try:
            self._check(url)
            async with self._session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
                await response.content.read(_MOST_READ)
                if not response.content.at_eof():
                    response.close()
                return answer_of(response.status, response.headers.get("Retry-After"))
        except TimeoutError:
            return Answer("timeout", "no answer in time")
        except aiohttp.ClientConnectorError as error:
            refused = next((cause for cause in _causes(error) if isinstance(cause, PrivateAddress)), None)
            return Answer("refused", _words(refused)) if refused else Answer("failed", _words(error.os_error))
        except PrivateAddress as error:
            return Answer("refused", _words(error))
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Answer("failed", _words(error))

    def _check(self, url: str) -> None:
        if not self._allow_private:
            checked_host(urlsplit(url).hostname or "")


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None:
        causes.append(error)
        error = getattr(error, "os_error", None) if isinstance(error, aiohttp.ClientConnectorError) else error.__cause__
    return causes


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:_LONGEST_WORDS]
