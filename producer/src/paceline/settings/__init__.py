import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from paceline import names
from paceline.errors import ConfigurationError
from paceline.refusals import words_of
from paceline.settings.address import is_amqp, read_broker, read_state
from paceline.settings.environment import checked, read_environment
from paceline.shards.layout import MOST_SHARDS

_DEFAULT_BROKER: Final = "redis://127.0.0.1:6379/0"

_ENVIRONMENT: Final = {
    "broker_url": names.ENV_BROKER_URL,
    "state_url": names.ENV_STATE_URL,
    "namespace": names.ENV_NAMESPACE,
    "shards": names.ENV_SHARDS,
    "broker_options": names.ENV_BROKER_OPTIONS,
    "api_base": names.ENV_API_BASE,
    "secret_key": names.ENV_SECRET_KEY,
    "metrics_port": names.ENV_METRICS_PORT,
    "exporter_port": names.ENV_EXPORTER_PORT,
    "metrics_address": names.ENV_METRICS_ADDRESS,
    "receipts_port": names.ENV_RECEIPTS_PORT,
    "receipts_address": names.ENV_RECEIPTS_ADDRESS,
    "opt_out_words": names.ENV_OPT_OUT_WORDS,
    "opt_in_words": names.ENV_OPT_IN_WORDS,
    "log_format": names.ENV_LOG_FORMAT,
    "capacity": names.ENV_CAPACITY,
    "http_deadline_s": names.ENV_HTTP_DEADLINE,
    "allow_volatile": names.ENV_ALLOW_VOLATILE,
    "assume_durable": names.ENV_ASSUME_DURABLE,
    "wait_replicas": names.ENV_WAIT_REPLICAS,
    "retention_s": names.ENV_RETENTION,
    "reconcile_grace_s": names.ENV_RECONCILE_GRACE,
    "history_kept": names.ENV_HISTORY_KEPT,
    "encrypt_payloads": names.ENV_ENCRYPT_PAYLOADS,
    "payload_key": names.ENV_PAYLOAD_KEY,
}

# Their values may come from files, which variables with _FILE behind these names point to.
FROM_FILES: Final = ("broker_url", "state_url", "api_base", "secret_key", "broker_options")


class Settings(BaseModel):
    """Everything that can be configured, read once at the edge and passed on as values.

    Args:
        broker_url: the Celery broker, which carries hints only.
        state_url: the Redis or Valkey server, cluster, or group behind Sentinels that is the record; default: the broker's.
        namespace: first word of all keys, queues and exchanges, for deployments that share a server; lower-case letters, digits,
            dash and underscore.
        shards: over how many shards the first worker spreads state; later workers refuse
            another number. 0: as many as state has; where there is none, 64 on a cluster and 1 on one server.
        broker_options: Celery's ``broker_transport_options`` as a JSON object, for brokers that need some, such as SQS; for
            RabbitMQ also ``queue_type``, ``classic`` or ``quorum``.
        api_base: the provider's base address.
        secret_key: encrypts API keys at rest (``paceline secret generate``).
        metrics_port: Prometheus endpoint of a worker, 0 = off.
        exporter_port: Prometheus endpoint of the exporter.
        metrics_address: the interface both bind to; loopback unless told otherwise.
        receipts_port: where the receiver of receipts listens, its own metrics included.
        receipts_address: the interface it binds to; loopback unless told otherwise.
        opt_out_words: messages that put their sender on the account's suppression list, separated by commas, instead of the usual
            ones; ``none`` switches that off. Read by the receiver.
        opt_in_words: messages that take their sender off the list, likewise.
        log_format: ``console`` or ``json``.
        capacity: calls one worker may have under way at once.
        http_deadline_s: one provider call must be over within this many seconds.
        allow_volatile: start although the state server may lose data (no AOF, or an evicting memory policy).
        assume_durable: take the state server for durable where it does not tell (managed services without INFO).
        wait_replicas: replicas of the state server that must have a write before it counts; 0: the primary alone decides.
        retention_s: seconds an operation is kept after its outcome.
        reconcile_grace_s: seconds after an unknown outcome until the conversation is read; then 2, 4, 8 and 16 times as long
            until the history shows something later.
        encrypt_payloads: keep recipients and texts encrypted in state (docs/encryption.md); workers and services alike.
        payload_key: public key to which services seal payloads, as `paceline secret public` prints it; default: the key in state.
        history_kept: about how many acts of people are kept (``paceline history``); the oldest are dropped first.

    Raises:
        ConfigurationError: a setting is malformed; the message names its variable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    broker_url: str = Field(default=_DEFAULT_BROKER, repr=False)
    state_url: str = Field(default="", validate_default=True, repr=False)
    namespace: str = Field(default=names.NAMESPACE)
    shards: int = Field(default=0, ge=0, le=MOST_SHARDS)
    broker_options: str = Field(default="", repr=False)
    api_base: str = "https://api.p.2chat.io/open"
    secret_key: SecretStr = SecretStr("")
    metrics_port: int = Field(default=9808, ge=0, le=65535)
    exporter_port: int = Field(default=9809, ge=1, le=65535)
    metrics_address: str = "127.0.0.1"
    receipts_port: int = Field(default=9810, ge=1, le=65535)
    receipts_address: str = "127.0.0.1"
    opt_out_words: str = Field(default="", max_length=2000)
    opt_in_words: str = Field(default="", max_length=2000)
    log_format: Literal["console", "json"] = "console"
    capacity: int = Field(default=400, ge=1, le=10_000)
    http_deadline_s: float = Field(default=15.0, gt=0, le=300)
    allow_volatile: bool = False
    assume_durable: bool = False
    wait_replicas: int = Field(default=0, ge=0, le=5)
    retention_s: int = Field(default=7 * 86_400, ge=60)
    reconcile_grace_s: float = Field(default=15.0, ge=0, le=3600)
    encrypt_payloads: bool = False
    payload_key: str = Field(default="", max_length=100)
    history_kept: int = Field(default=100_000, ge=1_000, le=100_000_000)

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = str(first["loc"][0])
            raise ConfigurationError(f"{_ENVIRONMENT.get(field, field)}: {words_of(first)}") from error
        if "broker_url" not in self.model_fields_set and read_state(self.state_url).kind == "cluster":
            raise ConfigurationError(
                f"{names.ENV_BROKER_URL} must be set, because {names.ENV_STATE_URL} names a cluster, and Celery has no broker on a "
                "cluster: name RabbitMQ, or one Redis or Valkey server"
            )

    @field_validator("broker_url", "state_url", "api_base", mode="before")
    @classmethod
    def _without_blanks(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("broker_url")
    @classmethod
    def _is_a_broker(cls, value: str) -> str:
        read_broker(value)
        return value

    @field_validator("state_url")
    @classmethod
    def _state_lives_with_a_redis_broker(cls, value: str, others: ValidationInfo) -> str:
        broker: str = others.data.get("broker_url", "")
        if value or not broker:
            read_state(value or _DEFAULT_BROKER)
            return value
        try:
            read_state(broker)
        except ValueError as error:
            raise ValueError(f"must name a Redis server, because {names.ENV_BROKER_URL} does not name one") from error
        return broker

    @field_validator("namespace")
    @classmethod
    def _is_a_namespace(cls, value: str) -> str:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,31}", value):
            raise ValueError(
                "must be 1 to 32 lower-case letters, digits, dashes and underscores, such as paceline-staging"
            )
        return value

    @field_validator("broker_options")
    @classmethod
    def _is_an_object(cls, value: str, others: ValidationInfo) -> str:
        try:
            found = json.loads(value) if value else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(  # noqa: TRY004 - pydantic turns it into a refusal
                'must be a JSON object such as {"region": "eu-central-1"}'
            )
        queue_type = found.get("queue_type", "classic")
        if queue_type not in ("classic", "quorum"):
            raise ValueError("queue_type must be classic or quorum")
        if "queue_type" in found and not is_amqp(others.data.get("broker_url", "")):
            raise ValueError(f"queue_type is for RabbitMQ, and {names.ENV_BROKER_URL} does not begin with amqp")
        return value

    @field_validator("api_base")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises for what is no port
        except ValueError:
            raise ValueError("must be an address that starts with https:// or http://") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
            raise ValueError("must be an address that starts with https:// or http://")
        if parts.query or parts.fragment or "@" in parts.netloc or value[-1] in "?#":
            raise ValueError("must be an address without a user name, a query and a fragment: calls add their own path")
        return value

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, **overrides: str | None) -> Self:
        """Read the ``PACELINE_*`` variables.

        Args:
            environ: where to read; the process environment by default.
            overrides: values that win over the environment; None means "not given".

        Returns:
            The settings.

        Raises:
            ConfigurationError: a variable is malformed; the message names it.
        """
        values = read_environment(environ, _ENVIRONMENT, FROM_FILES)
        given = {field: value for field, value in overrides.items() if value is not None}
        for field, value in given.items():
            if value and isinstance(value, str):
                checked(value.strip() or "-", _ENVIRONMENT.get(field, field))
        return cls(**values | given)
