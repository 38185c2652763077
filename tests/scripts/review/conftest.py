import pytest

from paceline_worker.review.dead import DeadLetters
from tests.scripts.review.letters import RETENTION
from tests.support.drive import Drive


@pytest.fixture
def dead(drive: Drive) -> DeadLetters:
    return DeadLetters(drive.client, retention=RETENTION)
