"""Structured logs: ours and Celery's through one handler, console or JSON. Ids and account names only."""

import logging
import sys
import time
import warnings
from logging.handlers import WatchedFileHandler
from typing import Any, Final, Literal

import structlog
from celery.exceptions import CPendingDeprecationWarning
from structlog.typing import EventDict

_SHARED: Final = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
# While a broker refuses a consumer, one line in so many seconds.
_SAY_EVERY_S: Final = 30.0
# One line per task would be several per message.
_CHATTY: Final = ("celery.worker.strategy", "celery.app.trace")


def configure(style: Literal["console", "json"], level: int | str = logging.INFO, path: str | None = None) -> None:
    """Send all logs to stderr in one form.

    Args:
        style: ``console`` for people, ``json`` for machines: one object a line.
        level: of the root logger.
        path: a file to append to instead, opened again when it was moved away.
    """
    renderers: tuple[Any, ...] = (
        (structlog.processors.JSONRenderer(),)
        if style == "json"
        # structlog would choose rich's tracebacks where rich is installed: they show local variables, so people's numbers.
        else (
            _harmless,
            structlog.dev.ConsoleRenderer(
                colors=not path and sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        )
    )
    handler = WatchedFileHandler(path, encoding="utf-8") if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *renderers,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_Seldom())
    # Celery announces a later release with each lost connection.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


class _Seldom(logging.Filter):
    """Lets the same sentence of a consumer that cannot connect through once in a while, and not with each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told."""
        now_s, sentence = time.monotonic(), str(record.msg)
        if record.levelno < logging.WARNING and not sentence.startswith("Skipping prefetch"):
            return True
        if now_s - self._said_s.get(sentence, float("-inf")) < _SAY_EVERY_S:
            return False
        self._said_s[sentence] = now_s
        return True


def _harmless(_: Any, __: str, event: EventDict) -> EventDict:
    """Escape what could forge a line or reach the terminal; the renderer's own colours come later."""
    shown = {name: _shown(value) for name, value in event.items()}
    shown["event"] = _escaped(str(event["event"]))
    if "exception" in event:
        shown["exception"] = _indented(event["exception"])
    return shown


def _shown(value: Any) -> Any:
    text = value if isinstance(value, str) else repr(value)
    return value if text.isprintable() else _escaped(text)


def _indented(trace: str) -> str:
    """A traceback keeps its line breaks; indented, none of its lines, nor of an error's words, passes for a line of the log."""
    return "\n".join(f"  {_escaped(line)}" for line in trace.split("\n"))


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
