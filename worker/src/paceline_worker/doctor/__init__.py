"""What may keep a deployment from sending, looked at from here: state, broker, provider, this machine.

Each look returns findings and raises nothing; none of them changes anything that others see.
"""

from collections.abc import Iterator

from paceline.settings import Settings
from paceline_worker.doctor import broker, machine, provider, state
from paceline_worker.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything.

    Args:
        settings: whose deployment.

    Yields:
        Findings, one for each check, in the order in which they are worth reading.
    """
    yield from state.findings(settings)
    yield from broker.findings(settings)
    yield from provider.findings(settings)
    yield from machine.findings(settings)
