from typing import Any

import pydantic
import pytest

from paceline import Settings
from paceline.errors import ConfigurationError

CANARY = "c2VjcmV0LWNhbmFyeS1jMmFuYXJ5LWNhbmFyeS0xMjM="


@pytest.mark.parametrize(
    ("field", "expected", "variable", "text"),
    [
        ("broker_url", "redis://broker:6379/1", "PACELINE_BROKER_URL", "redis://broker:6379/1"),
        ("state_url", "rediss://state:6379/2", "PACELINE_STATE_URL", "rediss://state:6379/2"),
        ("api_base", "http://127.0.0.1:8080/open", "PACELINE_API_BASE", "http://127.0.0.1:8080/open"),
        ("secret_key", pydantic.SecretStr(CANARY), "PACELINE_SECRET_KEY", CANARY),
        ("metrics_port", 0, "PACELINE_METRICS_PORT", "0"),
        ("exporter_port", 9909, "PACELINE_EXPORTER_PORT", "9909"),
        ("metrics_address", "0.0.0.0", "PACELINE_METRICS_ADDRESS", "0.0.0.0"),
        ("receipts_port", 9910, "PACELINE_RECEIPTS_PORT", "9910"),
        ("receipts_address", "0.0.0.0", "PACELINE_RECEIPTS_ADDRESS", "0.0.0.0"),
        ("opt_out_words", "WEG, STOP", "PACELINE_OPT_OUT_WORDS", "WEG, STOP"),
        ("opt_in_words", "HER", "PACELINE_OPT_IN_WORDS", "HER"),
        ("log_format", "json", "PACELINE_LOG_FORMAT", "json"),
        ("capacity", 50, "PACELINE_CAPACITY", "50"),
        ("http_deadline_s", 2.5, "PACELINE_HTTP_DEADLINE", "2.5"),
        ("allow_volatile", True, "PACELINE_ALLOW_VOLATILE", "1"),
        ("allow_volatile", False, "PACELINE_ALLOW_VOLATILE", "false"),
        ("retention_s", 3600, "PACELINE_RETENTION", "3600"),
        ("reconcile_grace_s", 0.5, "PACELINE_RECONCILE_GRACE", "0.5"),
        ("reconcile_grace_s", 0.0, "PACELINE_RECONCILE_GRACE", "0"),
        ("history_kept", 5000, "PACELINE_HISTORY_KEPT", "5000"),
        ("encrypt_payloads", True, "PACELINE_ENCRYPT_PAYLOADS", "1"),
        ("payload_key", "pk1.x", "PACELINE_PAYLOAD_KEY", "pk1.x"),
    ],
)
def test_each_setting_has_its_variable(field: str, expected: object, variable: str, text: str) -> None:
    """A setting is read from the environment variable that bears its name."""
    assert expected == getattr(Settings.from_environment({variable: text}), field)


def test_defaults_need_no_environment() -> None:
    """Without any variable a local Redis is broker and state, and nothing listens beyond loopback."""
    settings = Settings.from_environment({})
    expected: dict[str, Any] = {
        "broker_url": "redis://127.0.0.1:6379/0",
        "state_url": "redis://127.0.0.1:6379/0",
        "namespace": "paceline",
        "shards": 0,
        "broker_options": "",
        "api_base": "https://api.p.2chat.io/open",
        "secret_key": pydantic.SecretStr(""),
        "metrics_port": 9808,
        "exporter_port": 9809,
        "metrics_address": "127.0.0.1",
        "receipts_port": 9810,
        "receipts_address": "127.0.0.1",
        "opt_out_words": "",
        "opt_in_words": "",
        "log_format": "console",
        "capacity": 400,
        "http_deadline_s": 15.0,
        "allow_volatile": False,
        "assume_durable": False,
        "wait_replicas": 0,
        "retention_s": 604_800,
        "reconcile_grace_s": 15.0,
        "history_kept": 100_000,
        "encrypt_payloads": False,
        "payload_key": "",
    }
    assert expected == dict(settings)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PACELINE_METRICS_PORT", "many"),
        ("PACELINE_METRICS_PORT", "-1"),
        ("PACELINE_METRICS_PORT", "65536"),
        ("PACELINE_EXPORTER_PORT", "0"),
        ("PACELINE_RECEIPTS_PORT", "0"),
        ("PACELINE_LOG_FORMAT", "xml"),
        ("PACELINE_CAPACITY", "0"),
        ("PACELINE_CAPACITY", "1.5"),
        ("PACELINE_CAPACITY", "10001"),
        ("PACELINE_HTTP_DEADLINE", "0"),
        ("PACELINE_HTTP_DEADLINE", "nan"),
        ("PACELINE_HTTP_DEADLINE", "inf"),
        ("PACELINE_HTTP_DEADLINE", "soon"),
        ("PACELINE_ALLOW_VOLATILE", "perhaps"),
        ("PACELINE_RETENTION", "59"),
        ("PACELINE_RETENTION", "1 week"),
        ("PACELINE_RECONCILE_GRACE", "-1"),
        ("PACELINE_HISTORY_KEPT", "999"),
        ("PACELINE_RECONCILE_GRACE", "3601"),
        ("PACELINE_RECONCILE_GRACE", "nan"),
        ("PACELINE_RECONCILE_GRACE", "soon"),
        ("PACELINE_API_BASE", "api.p.2chat.io/open"),
        ("PACELINE_API_BASE", "ftp://api.p.2chat.io/open"),
        ("PACELINE_API_BASE", "file:///open"),
        ("PACELINE_API_BASE", "https://"),
        ("PACELINE_API_BASE", "https://[::1"),
    ],
)
def test_a_malformed_variable_is_named(variable: str, text: str) -> None:
    """The refusal begins with the variable that has to be corrected."""
    with pytest.raises(ConfigurationError, match=rf"^{variable}: "):
        Settings.from_environment({variable: text})


def test_an_empty_variable_is_as_good_as_none() -> None:
    """Compose files set variables to nothing; that means the default."""
    assert Settings.from_environment({}) == Settings.from_environment(
        {"PACELINE_CAPACITY": "", "PACELINE_STATE_URL": "", "PACELINE_METRICS_PORT": ""}
    )


def test_overrides_win_over_the_environment() -> None:
    """A keyword wins over its variable; None means that it was not given."""
    environ = {"PACELINE_BROKER_URL": "redis://environment", "PACELINE_CAPACITY": "7"}
    settings = Settings.from_environment(environ, broker_url="redis://keyword", capacity=None)
    assert ("redis://keyword", 7) == (settings.broker_url, settings.capacity)


def test_an_unknown_override_is_refused_by_name() -> None:
    """A misspelt keyword is an error, not a setting without effect."""
    with pytest.raises(ConfigurationError, match=r"^broker: "):
        Settings.from_environment({}, broker="redis://host")


@pytest.mark.parametrize("broker", ["redis://host:1/0", "rediss://host:1/0", "unix:///run/redis.sock"])
def test_state_lives_with_a_redis_broker_by_default(broker: str) -> None:
    """Where the broker is a Redis server, it is the state server too."""
    assert broker == Settings.from_environment({"PACELINE_BROKER_URL": broker}).state_url


@pytest.mark.parametrize("broker", ["amqp://host//", "sqs://", "memory://", "redis://a;redis://b"])
def test_another_broker_needs_a_state_url(broker: str) -> None:
    """With any other broker the state server must be named, and is used when it is."""
    with pytest.raises(ConfigurationError, match="PACELINE_STATE_URL"):
        Settings.from_environment({}, broker_url=broker)
    assert Settings.from_environment({}, broker_url=broker, state_url="redis://state").state_url == "redis://state"


def test_settings_made_in_code_have_the_same_default() -> None:
    """The documented default of state_url also holds for settings that were not read from the environment."""
    assert Settings().state_url == Settings().broker_url
    assert Settings(broker_url="redis://host").state_url == "redis://host"
    assert Settings(broker_url="redis://host", state_url="").state_url == "redis://host"


@pytest.mark.parametrize(
    ("variable", "given"),
    [
        ("PACELINE_STATE_URL", {"broker_url": "amqp://host//"}),
        ("PACELINE_CAPACITY", {"capacity": 0}),
        ("broker", {"broker": "redis://host"}),
    ],
)
def test_settings_made_in_code_are_refused_likewise(variable: str, given: dict[str, Any]) -> None:
    """Malformed settings are a configuration error wherever they come from."""
    with pytest.raises(ConfigurationError, match=rf"^{variable}: "):
        Settings(**given)


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda s: s.model_dump_json(), lambda s: str(s.model_dump())])
def test_the_secret_is_never_shown(show: Any) -> None:
    """No way of printing settings shows the secret."""
    settings = Settings.from_environment({"PACELINE_SECRET_KEY": CANARY})
    assert CANARY not in show(settings)
    assert settings.secret_key.get_secret_value() == CANARY


def test_a_refusal_does_not_show_the_secret() -> None:
    """Neither the message of a refusal nor its cause holds any value."""
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_environment({"PACELINE_SECRET_KEY": CANARY, "PACELINE_CAPACITY": "c4n4ry"})
    shown = f"{refusal.value} {refusal.value.__cause__}"
    assert CANARY not in shown
    assert "c4n4ry" not in shown


def test_settings_are_frozen() -> None:
    """Settings are read once and passed on as values."""
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Settings().capacity = 1  # type: ignore[misc]
