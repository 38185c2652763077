"""What our variables may hold, where else a value may come from, and whose variables are not ours."""

from pathlib import Path

import pytest

from paceline import Settings
from paceline.errors import ConfigurationError
from paceline.settings import _ENVIRONMENT, FROM_FILES

SECRET = "c2VjcmV0LWNhbmFyeS1jMmFuYXJ5LWNhbmFyeS0xMjM="


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    """A line break at the end of a mounted secret, or a space in an env file, changes nothing."""
    given = {"PACELINE_BROKER_URL": " redis://host:1/0\n", "PACELINE_CAPACITY": " 7 ", "PACELINE_NAMESPACE": "x\t"}
    settings = Settings.from_environment(given)
    assert ("redis://host:1/0", 7, "x") == (settings.broker_url, settings.capacity, settings.namespace)
    assert "redis://host" == Settings(broker_url=" redis://host ").broker_url


@pytest.mark.parametrize("value", ['"{}"', "'{}'", "a\nb", "a\x00b", "a\x1b[31mb"])
@pytest.mark.parametrize("variable", ["PACELINE_SECRET_KEY", "PACELINE_LOG_FORMAT", "PACELINE_METRICS_ADDRESS"])
def test_quotation_marks_and_control_characters_are_refused(variable: str, value: str) -> None:
    """Docker's --env-file keeps quotation marks; the sentence says so, and repeats nothing."""
    with pytest.raises(
        ConfigurationError, match=rf"^{variable}: (is in quotation marks|holds a line break)"
    ) as refused:
        Settings.from_environment({variable: value.format(SECRET)})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("variable", ["PACELINE_METRICS_PORT", "PACELINE_EXPORTER_PORT", "PACELINE_RECEIPTS_PORT"])
def test_what_kubernetes_says_of_a_service_is_no_setting(variable: str) -> None:
    """A service called paceline-metrics makes a variable with the name of ours."""
    injected = {variable: "tcp://10.96.12.7:9808", f"{variable}_9808_TCP": "tcp://10.96.12.7:9808"}
    assert Settings.from_environment({}) == Settings.from_environment(injected)
    with pytest.raises(ConfigurationError, match=rf"^{variable}: "):
        Settings.from_environment({variable: "tcp://"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("secret_key", SECRET),
        ("broker_url", "redis://:p@host:1/0"),
        ("state_url", "redis://:p@state:1/0"),
        ("api_base", "http://provider/open"),
        ("broker_options", '{"region": "eu-central-1"}'),
    ],
)
def test_secrets_and_addresses_may_come_from_files(tmp_path: Path, field: str, value: str) -> None:
    """The variable with _FILE behind its name says where; the line break at the end of a file is no part of the value."""
    path = tmp_path / "value"
    path.write_text(f"{value}\n", encoding="utf-8")
    variable = _ENVIRONMENT[field]
    base = {"PACELINE_STATE_URL": "redis://other"} if field == "broker_url" else {}
    assert Settings.from_environment(base | {variable: value}) == Settings.from_environment(
        base | {f"{variable}_FILE": str(path)}
    )
    assert field in FROM_FILES


def test_a_file_that_cannot_be_used_is_named_by_its_variable(tmp_path: Path) -> None:
    """Missing, a folder, empty, no text, or beside a value: one sentence."""
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "lines").write_text("a\nb", encoding="utf-8")
    for name, words in {
        "missing": "cannot be read: No such file",
        ".": "cannot be read: Is a directory",
        "empty": "the file is empty",
        "binary": "it is not UTF-8 text",
        "lines": "holds a line break",
    }.items():
        with pytest.raises(ConfigurationError, match=f"^PACELINE_SECRET_KEY_FILE: .*{words}"):
            Settings.from_environment({"PACELINE_SECRET_KEY_FILE": str(tmp_path / name)})
    with pytest.raises(ConfigurationError, match=r"^PACELINE_SECRET_KEY_FILE: PACELINE_SECRET_KEY is set as well"):
        Settings.from_environment({"PACELINE_SECRET_KEY_FILE": "/x", "PACELINE_SECRET_KEY": SECRET})


@pytest.mark.parametrize(
    "value",
    ["https://host/open?x=1", "https://host/open#x", "https://user:pw@host/open", "https://host/o pen", "https://h/?"],
)
def test_a_base_address_has_nothing_behind_its_path(value: str) -> None:
    """Calls add their own path to it; a query would swallow that."""
    with pytest.raises(ConfigurationError, match=r"^PACELINE_API_BASE: must be an address"):
        Settings.from_environment({"PACELINE_API_BASE": value})


@pytest.mark.parametrize("value", ["", "staging", "paceline-2", "a_b", "0"])
def test_a_namespace_is_a_word(value: str) -> None:
    """Letters, digits, dash, underscore; none is the usual one."""
    assert (value or "paceline") == Settings.from_environment({"PACELINE_NAMESPACE": value}).namespace


@pytest.mark.parametrize("value", ["Staging", "a.b", "a:b", "{a}", "-a", "a" * 33, "ä", "a b"])
def test_a_namespace_that_would_mix_with_others_is_refused(value: str) -> None:
    """Dots, colons and braces have a meaning in the names of queues and keys."""
    with pytest.raises(ConfigurationError, match=r"^PACELINE_NAMESPACE: must be 1 to 32 lower-case letters"):
        Settings.from_environment({"PACELINE_NAMESPACE": value})


@pytest.mark.parametrize("value", ["[1]", "{", "1", "region"])
def test_broker_options_are_an_object(value: str) -> None:
    """What cannot be one is refused when the program starts."""
    with pytest.raises(ConfigurationError, match=r"^PACELINE_BROKER_OPTIONS: must be a JSON object"):
        Settings.from_environment({"PACELINE_BROKER_OPTIONS": value})


@pytest.mark.parametrize(
    ("broker", "options", "words"),
    [
        ("amqp://b//", '{"queue_type": "stream"}', "queue_type must be classic or quorum"),
        ("redis://b", '{"queue_type": "quorum"}', "queue_type is for RabbitMQ, and PACELINE_BROKER_URL does not begin"),
    ],
)
def test_a_queue_type_is_one_that_rabbitmq_has(broker: str, options: str, words: str) -> None:
    """Another word, and another kind of broker, are refused when the program starts."""
    variables = {"PACELINE_BROKER_URL": broker, "PACELINE_STATE_URL": "redis://s", "PACELINE_BROKER_OPTIONS": options}
    with pytest.raises(ConfigurationError, match=f"^PACELINE_BROKER_OPTIONS: {words}"):
        Settings.from_environment(variables)
