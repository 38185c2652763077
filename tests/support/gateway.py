"""The HTTP gateway, served by this process."""

from contextlib import AbstractContextManager
from typing import Any

from paceline.gateway.app import build
from paceline.settings import Settings
from tests.support.serving import serving


def running(url: str, **options: Any) -> AbstractContextManager[str]:
    """A gateway of this process, in a thread.

    Args:
        url: broker and state.
        options: of `build`.
    """
    return serving(build(Settings(broker_url=url), **options))
