"""Sentences about a state server, from what Redis and Valkey answer word by word."""

import pytest
from redis._parsers.base import BaseParser

from paceline.state.trouble import LEADS_ASTRAY, REFUSED, TooFewReplicas, is_failed_script, trouble

ASTRAY, REPEATED, STAYS = "another connection", "repeated there", "the same connection"


@pytest.mark.parametrize(
    ("answer", "words", "next_one"),
    [
        ("READONLY You can't write against a read only replica.", "is a replica, which takes no writes", REPEATED),
        ("MOVED 13907 127.0.0.1:7001", "begin its address with redis+cluster://", REPEATED),
        ("ASK 13907 127.0.0.1:7001", "is moving the slot of its keys to another server", STAYS),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "is moving the slot of its keys", STAYS),
        ("LOADING Redis is loading the dataset in memory", "is loading its data", ASTRAY),
        ("CLUSTERDOWN The cluster is down", "belongs to a cluster that is down", ASTRAY),
        ("CLUSTERDOWN Hash slot not served", "nobody serves the slot of its keys", ASTRAY),
        (
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "is a replica whose primary is away",
            ASTRAY,
        ),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", "has just changed its role", STAYS),
        ("NOREPLICAS Not enough good replicas to write.", "has fewer replicas than its min-replicas-to-write", STAYS),
        ("ERR This instance has cluster support disabled", "is not a cluster: begin its address with redis://", STAYS),
        ("NOPERM User guest has no permissions to run the 'info' command", "refused access: ", STAYS),
    ],
)
def test_each_answer_is_one_sentence_and_says_where_to_go(answer: str, words: str, next_one: str) -> None:
    """A server that did nothing because another is the primary is left, and the same is told to that one."""
    error = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    assert trouble(error).startswith("the state server ")
    assert words in trouble(error)
    assert (next_one != STAYS, next_one == REPEATED) == (isinstance(error, LEADS_ASTRAY), isinstance(error, REFUSED))


@pytest.mark.parametrize(
    ("answer", "defect"),
    [
        ("ERR Invalid stream ID specified as stream command argument script: c740, on @user_script:34.", True),
        ("ERR Error running script (call to f_c740): @user_script:34: attempt to index a nil value", True),
        ("WRONGTYPE Operation against a key script: c740, on @user_script:34.", True),
        ("OOM command not allowed when used memory > 'maxmemory'. script: c740, on @user_script:34.", False),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", False),
        ("ERR unknown command 'OBJECT' script: c740, on @user_script:34.", False),
        ("READONLY You can't write against a read only replica. script: c740, on @user_script:34.", False),
        ("ERR max number of clients reached", False),
    ],
)
def test_a_script_that_fails_is_no_outage(answer: str, defect: bool) -> None:
    """A server that does nothing for anybody, or nothing now, is one."""
    assert defect == is_failed_script(BaseParser.parse_error(answer))  # type: ignore[no-untyped-call]


def test_missing_replicas_are_told_as_they_are() -> None:
    """The sentence is whole already."""
    assert "it stands" == trouble(TooFewReplicas("it stands"))
