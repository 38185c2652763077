"""An emulated 2Chat: answers as the provider does, keeps its own log, and fails on demand."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline_sandbox.background import RunningSandbox, running_sandbox
    from paceline_sandbox.faults.scenario import BadScenario, Scenario, load_scenario

__all__ = ["BadScenario", "RunningSandbox", "Scenario", "load_scenario", "running_sandbox"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: the embedded server needs nothing, and aiohttp takes a third of a second to import.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from paceline_sandbox import background  # noqa: PLC0415
    from paceline_sandbox.faults import scenario  # noqa: PLC0415

    return getattr(background if name in ("RunningSandbox", "running_sandbox") else scenario, name)
