import re
from pathlib import Path

import pytest

from paceline_sandbox import BadScenario, Scenario, load_scenario
from paceline_sandbox.console.tables import Fault, KeyEntry, NumberEntry, ParticipantEntry, ReceiptRules, TemplateEntry
from paceline_sandbox.faults.scenario import parse_json, parse_toml


def test_an_empty_scenario_is_the_default() -> None:
    """An empty document is the default scenario: any key, ten requests a minute."""
    scenario = parse_toml("")
    assert Scenario() == scenario == parse_json("{}")
    assert scenario.accept_unknown_keys
    assert scenario.defaults.limits == ("10/minute",)


def test_a_key_has_the_defaults_except_for_its_own_fields() -> None:
    """A declared key takes from the defaults what it does not say itself."""
    scenario = parse_toml('[defaults]\ncredits = 5\nblocked = true\n[[keys]]\nkey = "a"\nblocked = false\n')
    settings = scenario.declared_keys()["a"]
    assert (settings.credits, settings.blocked) == (5, False)


def test_a_scenario_file_and_its_json_twin_are_equal(tmp_path: Path) -> None:
    """What was read from a file is the same after a way through JSON."""
    file = tmp_path / "scenario.toml"
    file.write_text(
        'send_status = 200\n[[keys]]\nkey = "a"\nexpires_at = 2030-01-01T00:00:00Z\n'
        '[[numbers]]\nnumber = "+1555"\nstate = "booting"\nuntil_request = 2\n'
        '[[faults]]\nkind = "answer"\nstatus = 503\nfrom_request = 10\ncount = 5\n'
    )
    scenario = load_scenario(file)
    assert scenario == parse_json(scenario.model_dump_json(exclude_unset=True))
    assert scenario.numbers[0].number == "+1555"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("latency = 5", "latency"),
        ("latency_ms = -1", "latency_ms"),
        ("latency_ms = inf", "latency_ms"),
        ("busy_seconds = 1e300", "busy_seconds"),
        ("send_status = 201", "send_status"),
        ('retry_after = "always"', "retry_after"),
        ('[defaults]\nlimits = ["often"]', "defaults.limits[0]"),
        ('[defaults]\nalgorithm = "gcra"', "defaults.algorithm"),
        ("[[keys]]\ncredits = 5", "keys[0].key"),
        ('[[keys]]\nkey = "a"\nexpires_at = 2030-01-01T00:00:00', "keys[0].expires_at"),
        ('[[keys]]\nkey = "a"\n[[keys]]\nkey = "a"', "keys"),
        ('[[numbers]]\nnumber = "x"', "numbers[0].number"),
        ('[[numbers]]\nnumber = "+1555"\nstate = "asleep"', "numbers[0].state"),
        ("group_lag_seconds = -1", "group_lag_seconds"),
        ("groups_per_day = -1", "groups_per_day"),
        ("too_many_participants_status = 409", "too_many_participants_status"),
        ('add_refusals_in = "body"', "add_refusals_in"),
        ("checks_used_up_status = 403", "checks_used_up_status"),
        ('connected_numbers = ["x"]', "connected_numbers[0]"),
        ('closed_windows = [""]', "closed_windows[0]"),
        ('sms_id = "id"', "sms_id"),
        ('[defaults]\ncheck_limits = ["often"]', "defaults.check_limits[0]"),
        ("[[participants]]\nstatus_code = 403", "participants[0].pattern"),
        ('[[participants]]\npattern = "+1*"\nstatus_code = 9', "participants[0].status_code"),
        ('[[templates]]\nname = "x"', "templates[0].uuid"),
        ('[[templates]]\nuuid = "TMP1"\nstatus = "NEW"', "templates[0].status"),
        ('[[faults]]\nkind = "fire"', "faults[0].kind"),
        ('[[faults]]\nkind = "drop"\non = "group.rename"', "faults[0].on"),
        ('[[faults]]\nkind = "drop"\nbody = "x"', "faults[0]"),
        ('[[faults]]\nkind = "answer"\nstatus = 502\ncontent_type = "a\\nb"', "faults[0].content_type"),
        ('[[faults]]\nkind = "answer"', "faults[0]"),
        ('[[faults]]\nkind = "drop"\nstatus = 500', "faults[0]"),
        ('[[faults]]\nkind = "delay"', "faults[0]"),
        ('[[faults]]\nkind = "drop"\nseconds = 1', "faults[0]"),
        ('[[faults]]\nkind = "drop"\nbefore = true', "faults[0]"),
        ('[[faults]]\nkind = "drop"\nprobability = 1.5', "faults[0].probability"),
        ('[[faults]]\nkind = "answer"\nstatus = 429\nretry_after = "a\\r\\nb"', "faults[0]"),
    ],
)
def test_a_wrong_field_is_named_in_one_sentence(text: str, place: str) -> None:
    """A scenario with a wrong field is refused in one line that names the field."""
    with pytest.raises(BadScenario) as caught:
        parse_toml(text)
    message = str(caught.value)
    assert place in message
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize("text", ["latency_ms =", "[defaults", "\x00"])
def test_what_is_not_toml_is_refused(text: str) -> None:
    """A document that is not TOML is refused as such."""
    with pytest.raises(BadScenario, match="not TOML"):
        parse_toml(text)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    """A document that is not JSON is refused as such."""
    with pytest.raises(BadScenario, match="not JSON"):
        parse_json(text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A scenario file that cannot be read is refused with its path."""
    with pytest.raises(BadScenario, match=r"missing\.toml"):
        load_scenario(tmp_path / "missing.toml")


def test_the_examples_of_the_readme_work() -> None:
    """Every scenario in the README can be used as it stands."""
    readme = Path(__file__).parents[2] / "sandbox" / "README.md"
    examples = re.findall(r"```toml\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        assert parse_toml(example) != Scenario()


def test_the_readme_names_every_switch() -> None:
    """Every field of the scenario and its tables has a place in the README."""
    readme = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    for table in (Scenario, KeyEntry, NumberEntry, Fault, ParticipantEntry, TemplateEntry, ReceiptRules):
        assert [name for name in table.model_fields if f"`{name}`" not in readme and f"[{name}]" not in readme] == []
