"""Whether a program of ours sends spans, and where; imports OpenTelemetry only when it does."""

import os
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from paceline.errors import ConfigurationError

_ENV_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENV_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ENV_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# A collector that is away must not keep a program from ending.
_FLUSH_S: Final = 2.0


def set_up(service: str, environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Let a program of ours send its spans where OpenTelemetry's own variables say, if they say so.

    Off unless ``OTEL_TRACES_EXPORTER`` (``otlp`` or ``console``) or ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; everything else
    OpenTelemetry reads on its own. A program that was started under ``opentelemetry-instrument`` keeps what that set up.

    Args:
        service: its ``service.name``, unless the environment has one.
        environ: where to read.

    Returns:
        A function that sends what is left, and ends; it waits two seconds at most.

    Raises:
        ConfigurationError: it is asked for and cannot be. No reason not to work: programs say so and go on.
    """
    wanted = environ.get(_ENV_EXPORTER) or ("otlp" if any(map(environ.get, _ENV_ENDPOINTS)) else "none")
    if wanted == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return _nothing_to_end
    protocol = next(filter(None, map(environ.get, _ENV_PROTOCOLS)), "http/protobuf")
    try:
        shutdown: Callable[[], None] | None = import_module("paceline.tracing.export").start(service, wanted, protocol)
    except ImportError as error:
        raise ConfigurationError(f"no traces are sent: pip install 'paceline[otel]' ({error})") from error
    except ValueError as error:
        raise ConfigurationError(f"no traces are sent: {error}") from error
    except Exception as error:  # whatever a plugin of OpenTelemetry's does
        raise ConfigurationError(f"no traces are sent: {type(error).__name__}: {error}") from error
    if shutdown is None:
        return _nothing_to_end

    def end() -> None:
        last = threading.Thread(target=shutdown, name="paceline-traces", daemon=True)
        last.start()
        last.join(_FLUSH_S)

    return end


def _nothing_to_end() -> None:
    pass
