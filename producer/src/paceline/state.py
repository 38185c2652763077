"""The thin package's side of the state: connection, and the scripts that write the inbox and read."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from paceline.errors import ConfigurationError, StateUnavailable
from paceline.scripts import Script

_P = ParamSpec("_P")
_T = TypeVar("_T")

# connect + answer + hint stay within the 3 s that `send()` promises.
CONNECT_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 1.5


def connect(
    url: str,
    *,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    repeat: bool = False,
    on_connected: Callable[[Any], None] | None = None,
) -> redis.Redis:
    """A client that fails fast.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` address.
        answer_timeout_s: seconds to wait for one reply.
        repeat: repeat a command once when its connection turns out to be gone (a restarted server); only for callers
            all of whose scripts may be replayed. redis-py's own default is ten times, whatever the command.
        on_connected: called with each new connection, before its first command.

    Returns:
        A client with text replies; nothing is connected yet.

    Raises:
        ConfigurationError: the address is malformed.
    """
    options: dict[str, Any] = socket_options(url, answer_timeout_s)
    if on_connected:

        def connected(connection: Any) -> None:
            connection.on_connect()
            on_connected(connection)

        options["redis_connect_func"] = connected
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), int(repeat), supported_errors=(RedisConnectionError,)),
            **options,
        )
    except ValueError as error:
        raise ConfigurationError(f"the state address is malformed: {error}") from error
    return client


def socket_options(url: str, answer_timeout_s: float) -> dict[str, Any]:
    """Timeouts and handshake for redis-py. A Unix socket takes neither keepalive nor a connect timeout: it is at hand or not."""
    # RESP2 needs no handshake: over a slow network each round trip counts.
    near: dict[str, Any] = {"socket_timeout": answer_timeout_s, "protocol": 2}
    if url.startswith("unix://"):
        return near
    return near | {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_keepalive": True}


def translated(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Turn redis-py's errors into ours, with the cause chained."""

    @wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except (AuthenticationError, NoPermissionError) as error:
            raise StateUnavailable(f"the state server refused us: {error}") from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise StateUnavailable(f"the state server cannot be reached: {error}") from error
        except RedisError as error:
            raise StateUnavailable(f"the state server did not take the command: {error}") from error

    return wrapper


class State:
    """Typed calls of the scripts that producers and readers need, all of them replayable.

    Args:
        client: from `connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._submit = Script("paceline", "submit")
        self._campaign = Script("paceline", "campaign")
        self._look = Script("paceline", "look")

    @translated
    def submit(self, rid: str, account: str, sender: str, count: int, body: str, *, campaign: str = "") -> str:
        """Write one inbox record; see submit.lua for the replies."""
        return str(self._submit.run(self.client, rid, account, sender, count, body, campaign))

    @translated
    def open_campaign(
        self,
        name: str,
        common: dict[str, str],
        digest: str,
        options: Mapping[str, str] | None = None,
        *,
        paused: bool = False,
    ) -> str:
        """Create the campaign or continue it; see campaign.lua."""
        texts = json.dumps(common), digest, json.dumps(options or {}), str(int(paused))
        return str(self._campaign.run(self.client, "open", name, *texts))

    @translated
    def seal_campaign(self, name: str, offered: int, invalid: int) -> None:
        """Say that the upload is complete."""
        self._campaign.run(self.client, "seal", name, offered, invalid)

    @translated
    def control_campaign(self, verb: str, name: str, argument: str = "") -> str:
        """Pause, resume, cancel or change it; see campaign.lua."""
        return str(self._campaign.run(self.client, verb, name, argument))

    @translated
    def campaign_outlook(self, name: str) -> dict[str, Any] | None:
        """A campaign with its account and all that waits beside it, or None."""
        return _json(self._look.run(self.client, "campaign", name))

    @translated
    def known(self, op_ids: Iterable[str]) -> int:
        """How many of these operations are there."""
        return int(self._look.run(self.client, "known", *op_ids))

    @translated
    def campaign(self, name: str) -> dict[str, str]:
        """All fields of a campaign, `now` (us) among them; empty when unknown."""
        flat: list[str] = self._campaign.run(self.client, "read", name)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    @translated
    def operation(self, op_id: str) -> dict[str, Any] | None:
        """One operation with its lane and account, or None."""
        return _json(self._look.run(self.client, "operation", op_id))

    @translated
    def receipt(self, rid: str, op_id: str) -> dict[str, Any]:
        """What became of an inbox record so far."""
        return _json(self._look.run(self.client, "receipt", rid, op_id)) or {}

    @translated
    def account(self, name: str) -> dict[str, Any] | None:
        """Settings (never the key), counts, and what waits, or None."""
        return _json(self._look.run(self.client, "account", name))

    @translated
    def accounts(self) -> list[str]:
        """All account names, sorted."""
        return _sorted(self._look.run(self.client, "accounts"))

    @translated
    def campaigns(self) -> list[str]:
        """All campaign names, sorted."""
        return _sorted(self._look.run(self.client, "campaigns"))

    @translated
    def fleet(self) -> dict[str, Any]:
        """Workers, capacity, operations in flight, inbox records, accounts."""
        return _json(self._look.run(self.client, "fleet")) or {}


def _json(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    value: dict[str, Any] = json.loads(text)
    if value.get("lanes") == {}:  # Lua cannot tell an empty list from an empty object
        value["lanes"] = []
    return value


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)
