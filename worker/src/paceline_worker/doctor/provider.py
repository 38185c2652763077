"""The way to the provider, without a call, and whether API keys can be read."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from redis.exceptions import RedisError

from paceline.errors import PacelineError
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.doctor.finding import Finding, failure, ok, warning
from paceline_worker.provider.proxy import proxy_for
from paceline_worker.provider.reach import reach

_PATIENCE_S: Final = 5.0
# Accounts whose keys are tried.
_SAMPLE: Final = 20


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at the way to the provider, and at the secret key."""
    yield _way(settings)
    yield _keys(settings)


def _way(settings: Settings) -> Finding:
    try:
        proxy = proxy_for(settings.api_base)
        asyncio.run(reach(settings.api_base, proxy, timeout_s=_PATIENCE_S))
    except (PacelineError, OSError, ValueError) as error:
        return failure("provider", f"no connection to {settings.api_base}: {error or type(error).__name__}")
    through = f" through the proxy {proxy.url.host}" if proxy else ""
    return ok("provider", f"a connection to {settings.api_base} can be made{through}")


def _keys(settings: Settings) -> Finding:
    try:
        ring = KeyRing(settings.secret_key.get_secret_value())
    except PacelineError as error:
        return failure("secret key", str(error))

    try:
        with closing(connect_to(settings)) as client:
            names = State(client).accounts()
            script, wrong = Script("paceline_worker", "account"), []
            for name in names[:_SAMPLE]:
                found = script.run(client, "key", name)
                if isinstance(found, list) and found[0] and not _opens(ring, name, str(found[0]), int(found[1] or 0)):
                    wrong.append(name)
    except (RedisError, OSError, PacelineError):
        return warning(
            "secret key",
            "the value is well formed; only with the state server can this check try it on the API keys",
        )

    if wrong:
        return failure("secret key", f"PACELINE_SECRET_KEY does not decrypt the API key of {', '.join(wrong[:3])}")
    if not names:
        return warning("secret key", "no account exists: add one with `paceline accounts add`")

    return ok("secret key", f"the value decrypts the API keys of {min(len(names), _SAMPLE)} of {len(names)} accounts")


def _opens(ring: KeyRing, name: str, text: str, version: int) -> bool:
    try:
        ring.decrypt(text, name, version)
    except PacelineError:
        return False
    return True
