"""Names that users and other processes rely on, pinned."""

import ast
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

import paceline
from paceline import names, operations, outbox, testing
from paceline.operations import OPERATIONS
from tests.unit.project.test_errors import TREE


def test_the_public_door_is_small() -> None:
    """These names, the errors and the operations are exported, and no others."""
    assert set(paceline.__all__) == {
        "AsyncCampaign",
        "AsyncOutbox",
        "AsyncTicket",
        "Campaign",
        "CampaignOptions",
        "CampaignSpec",
        "Duplicate",
        "Forecast",
        "Operation",
        "OutcomeEntry",
        "Outbox",
        "Pin",
        "Plan",
        "Progress",
        "Queued",
        "Refused",
        "Settings",
        "Status",
        "Suppression",
        "Ticket",
        "UploadReport",
        "__version__",
    } | set(TREE) | {model.__name__ for model in OPERATIONS}


def test_the_version_is_at_the_door() -> None:
    """As other packages have it, and as the installed distribution says."""
    assert version("paceline") == paceline.__version__


@pytest.mark.parametrize("home", [paceline, outbox])
@pytest.mark.parametrize(("former", "now"), [("Accepted", "Queued"), ("Receipt", "Ticket")])
def test_a_name_that_meant_two_things_has_another_one(home: ModuleType, former: str, now: str) -> None:
    """The old name is the same class until 1.0, and says what it is called now."""
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {now}"):
        assert getattr(home, former) is getattr(home, now)


def test_the_operations_are_pinned() -> None:
    """One model for each piece of outbound work the provider has, in the order of its reference."""
    assert [model.__name__ for model in OPERATIONS] == [
        "SendMessage",
        "DeleteMessage",
        "PostStory",
        "SetAbout",
        "SetProfilePicture",
        "CreateGroup",
        "AddParticipants",
        "RemoveParticipants",
        "PromoteParticipants",
        "DemoteParticipants",
        "SetGroupDescription",
        "SetGroupPicture",
        "SendTemplate",
        "SendWaba",
        "SendSms",
        "CheckNumber",
    ]


def test_the_parts_of_operations_can_be_imported() -> None:
    """What an interactive message is made of comes from `paceline.operations`, which exports what it has."""
    parts = {"Interactive", "UrlButton", "ReplyButton", "ListSection", "ListRow", "Pin"}
    assert parts <= set(operations.__all__)
    assert [name for name in operations.__all__ if not hasattr(operations, name)] == []


def test_every_exported_name_is_there() -> None:
    """What is promised can be imported, in alphabetical order."""
    assert [name for name in paceline.__all__ if not hasattr(paceline, name)] == []
    assert sorted(paceline.__all__) == paceline.__all__


def test_type_checkers_see_what_programs_get() -> None:
    """A name is looked up when it is asked for, and is the object that the imports for type checkers name."""
    tree = ast.parse(Path(str(paceline.__file__)).read_text(encoding="utf-8"))
    seen = {
        alias.name: import_module(str(node.module))
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert paceline.__all__ == sorted(seen)
    assert [name for name, home in seen.items() if getattr(paceline, name) is not getattr(home, name)] == []
    assert set(paceline.__all__) <= set(dir(paceline))


def test_a_name_that_is_not_exported_is_not_there() -> None:
    """A misspelt name is an AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="'paceline' has no attribute 'Outbocks'"):
        paceline.Outbocks  # type: ignore[attr-defined]  # noqa: B018


def test_the_door_for_tests_is_pinned() -> None:
    """Other services' tests import these."""
    assert testing.__all__ == ["AsyncRecordingOutbox", "CampaignMessage", "RecordedCampaign", "RecordingOutbox"]


def test_the_package_is_typed() -> None:
    """The marker for type checkers ships."""
    assert (files("paceline") / "py.typed").is_file()


def test_names_that_cross_processes_are_pinned() -> None:
    """Tasks, queues, the Redis root and the variables are a contract between releases."""
    found = {name: value for name, value in vars(names).items() if name.isupper()}
    assert found == {
        "ACCEPT_TASK": "paceline.accept",
        "DELIVER_TASK": "paceline.deliver",
        "BULK_HEADER": "paceline_bulk",
        "ACCEPT_QUEUE": "paceline.accept",
        "DELIVER_QUEUE": "paceline.deliver",
        "STATE_ROOT": "paceline:{0}",
        "NAMESPACE": "paceline",
        "ENV_NAMESPACE": "PACELINE_NAMESPACE",
        "ENV_SHARDS": "PACELINE_SHARDS",
        "ENV_BROKER_OPTIONS": "PACELINE_BROKER_OPTIONS",
        "ENV_BROKER_URL": "PACELINE_BROKER_URL",
        "ENV_STATE_URL": "PACELINE_STATE_URL",
        "ENV_ASSUME_DURABLE": "PACELINE_ASSUME_DURABLE",
        "ENV_WAIT_REPLICAS": "PACELINE_WAIT_REPLICAS",
        "ENV_API_BASE": "PACELINE_API_BASE",
        "ENV_SECRET_KEY": "PACELINE_SECRET_KEY",
        "ENV_METRICS_PORT": "PACELINE_METRICS_PORT",
        "ENV_EXPORTER_PORT": "PACELINE_EXPORTER_PORT",
        "ENV_METRICS_ADDRESS": "PACELINE_METRICS_ADDRESS",
        "ENV_RECEIPTS_PORT": "PACELINE_RECEIPTS_PORT",
        "ENV_RECEIPTS_ADDRESS": "PACELINE_RECEIPTS_ADDRESS",
        "ENV_OPT_OUT_WORDS": "PACELINE_OPT_OUT_WORDS",
        "ENV_OPT_IN_WORDS": "PACELINE_OPT_IN_WORDS",
        "ENV_LOG_FORMAT": "PACELINE_LOG_FORMAT",
        "ENV_CAPACITY": "PACELINE_CAPACITY",
        "ENV_HTTP_DEADLINE": "PACELINE_HTTP_DEADLINE",
        "ENV_ALLOW_VOLATILE": "PACELINE_ALLOW_VOLATILE",
        "ENV_RETENTION": "PACELINE_RETENTION",
        "ENV_RECONCILE_GRACE": "PACELINE_RECONCILE_GRACE",
        "ENV_HISTORY_KEPT": "PACELINE_HISTORY_KEPT",
        "ENV_ENCRYPT_PAYLOADS": "PACELINE_ENCRYPT_PAYLOADS",
        "ENV_PAYLOAD_KEY": "PACELINE_PAYLOAD_KEY",
        "ENV_DEBUG": "PACELINE_DEBUG",
        "ENV_SHOW_NUMBERS": "PACELINE_SHOW_NUMBERS",
        "INBOX_VERSION": 1,
        "CHUNK_ROWS": 250,
        "SEALED_NUMBER": "+x",
    }


def test_every_variable_begins_alike() -> None:
    """Environment variables of ours are told by their first word."""
    variables = {value for name, value in vars(names).items() if name.startswith("ENV_")}
    assert all(str(variable).startswith("PACELINE_") for variable in variables)
