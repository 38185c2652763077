"""``paceline demo``: a newcomer's first minute.

A state server, the emulated provider and two workers on this machine; three accounts whose campaigns leave at pace
while the provider fails, throttles, and one worker is killed; then the provider's own account of what arrived.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline_sandbox.demo.command import demo

__all__ = ["demo"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: the parts that need neither typer nor rich can be imported without them.
    if name != "demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from paceline_sandbox.demo import command  # noqa: PLC0415

    return command.demo
