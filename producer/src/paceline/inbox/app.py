"""Our Celery apps: what a host's Celery, its environment and its configuration module say does not reach them."""

from typing import Any

import celery
from celery.loaders.app import AppLoader

from paceline import names
from paceline.errors import ConfigurationError
from paceline.inbox.broker import celery_settings
from paceline.inbox.transport import AMQP
from paceline.settings import Settings


class _Loader(AppLoader):  # type: ignore[misc]
    """Reads no configuration module, whatever CELERY_CONFIG_MODULE names."""

    def read_configuration(self, env: str = "CELERY_CONFIG_MODULE") -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        return {}


class App(celery.Celery):  # type: ignore[misc]
    """A Celery app of one deployment of ours.

    Celery reads CELERY_BROKER_URL and its like before what the code says. They are the host's: here PACELINE_BROKER_URL decides.

    Args:
        name: of the app.
        settings: broker, namespace and options.
    """

    backend_cls = "disabled"  # CELERY_RESULT_BACKEND is the host's as well

    def __init__(self, name: str, settings: Settings) -> None:
        # The fix-ups are for apps of Django projects.
        super().__init__(name, loader=_Loader, amqp=AMQP, set_as_current=False, fixups=[])
        self.conf.update(celery_settings(settings))
        self.accept_queue = names.accept_queue(settings.namespace)
        self.deliver_queue = names.deliver_queue(settings.namespace)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """A connection for consuming, to our broker."""
        return super().connection_for_read(url or self._broker(), **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """A connection for publishing, to our broker."""
        return super().connection_for_write(url or self._broker(), **options)

    def connection(self, hostname: str | None = None, **options: Any) -> Any:
        """A connection to our broker."""
        return super().connection(hostname or self._broker(), **options)

    def check_broker(self) -> None:
        """Look for the library that this kind of broker needs.

        Raises:
            ConfigurationError: Celery knows no such broker, or its library is not installed.
        """
        try:
            with self.connection_for_write() as connection:
                connection.get_transport_cls()
        except (KeyError, ImportError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{names.ENV_BROKER_URL}: Celery cannot use this kind of broker: {error}"
            ) from error

    def _broker(self) -> str:
        # Not `conf.broker_url`, which is a property that asks the environment first.
        return str(self.conf["broker_url"])
