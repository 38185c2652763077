"""Paceline's workers: accept, grant, deliver, settle. The Celery app is in ``paceline_worker.celery``."""

from importlib.util import find_spec
from typing import NoReturn

# Some of what the extra `worker` brings, and no other one.
_BROUGHT = ("prometheus_client", "structlog")


def __getattr__(name: str) -> NoReturn:
    """Celery asks for its app here; without the extra it would only say that there is no such attribute."""
    if name in {"app", "celery"} and not all(map(find_spec, _BROUGHT)):
        raise SystemExit("paceline: a worker needs its extra: pip install 'paceline[worker]'")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
