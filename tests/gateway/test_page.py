"""The commands of docs/gateway.md, as they stand there, against a running gateway."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from paceline import names
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import add_account
from tests.doors.conftest import server
from tests.doors.exam import Worker
from tests.support.gateway import running
from tests.support.shell import paceline

__all__ = ["server"]

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
ORIGIN = "http://127.0.0.1:9811"


def test_the_commands_of_the_page_run(server: EmbeddedServer, tmp_path: Path) -> None:
    """A token is made and listed, a message is sent, and the document is fetched."""
    worker = Worker(server.url)
    add_account(worker.state.client, "acme")
    environment = {names.ENV_BROKER_URL: server.url}
    said = {}
    for line in re.findall(r"^paceline tokens .*$", PAGE, re.MULTILINE):
        words = shlex.split(line, comments=True)[1:]
        said[words[1]] = paceline(environment, *words)
    assert {"create": 0, "list": 0} == {verb: ended.code for verb, ended in said.items()}
    token = said["create"].out.strip()
    sending, fetching = re.findall(r"^```\n(curl .*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    with running(server.url) as url:
        for script, expected in ((sending, "id"), (f"{fetching.strip()} && cat openapi.json", "paths")):
            command = ["bash", "-ec", script.replace(ORIGIN, url)]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                cwd=tmp_path,
                env={"TOKEN": token, "PATH": "/usr/bin:/bin"},
            )
            assert 0 == done.returncode, done.stderr
            assert expected in json.loads(done.stdout), done.stdout
    worker.accept()
    assert 1 == len(list(worker.state.client.scan_iter("*:o:*")))
    worker.close()
