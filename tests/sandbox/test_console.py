import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx
import pytest

from paceline_sandbox import RunningSandbox, running_sandbox
from paceline_sandbox.faults.scenario import parse_toml
from tests.sandbox.client import QUIET, RECIPIENT, SENDER, UNLIMITED, Client, connected


def test_every_request_is_an_arrival(client: Client) -> None:
    """An arrival tells when, who, what, and how it was answered."""
    response = client.send(text="Hi")
    (arrival,) = client.sandbox.arrivals()
    assert arrival.pop("finished_us") >= arrival.pop("at_us") > 1_600_000_000_000_000
    assert arrival == {
        "index": 0,
        "key": "key",
        "method": "POST",
        "path": "/open/whatsapp/send-message",
        "query": {},
        "operation": "message.to_number",
        "body": {"from_number": SENDER, "to_number": RECIPIENT, "text": "Hi"},
        "status": 202,
        "accepted": True,
        "injected": False,
        "violation": False,
        "fault": None,
        "message_uuid": response.json()["message_uuid"],
    }


def test_an_arrival_keeps_its_query(client: Client) -> None:
    """What stands behind the path is part of what was asked, decoded."""
    client.get("/open/whatsapp/get-numbers", status="all", results_per_page="200")
    (arrival,) = client.sandbox.arrivals()
    assert ("/open/whatsapp/get-numbers", {"status": "all", "results_per_page": "200"}) == (
        arrival["path"],
        arrival["query"],
    )


def test_arrivals_can_be_read_on_from_an_index(client: Client) -> None:
    """Reading since an index skips what was read before, and the log keeps the order of arrival."""
    client.codes(450)
    arrivals = client.sandbox.arrivals()
    assert list(range(450)) == [arrival["index"] for arrival in arrivals]
    assert all(earlier["at_us"] < later["at_us"] for earlier, later in pairwise(arrivals))
    assert arrivals[447:] == client.sandbox.arrivals(since=447)
    assert client.sandbox.arrivals(since=9999) == []
    assert client.get("/sandbox/arrivals", since="x").status_code == 400


def test_the_report_counts_per_key(client: Client) -> None:
    """The report counts arrivals, acceptances, duplicates, violations and answers of each key by itself."""
    client.use(QUIET + '[defaults]\nlimits = ["4/hour", "1000/day"]')
    for text in ("one", "one", "two", "one", "five"):
        client.send(key="a", text=text)
    client.send(key="b", to_number="nobody")
    report = client.sandbox.report()
    first = report["keys"]["a"]
    assert tuple(first[name] for name in ("arrivals", "accepted", "duplicates", "violations")) == (5, 4, 2, 1)
    assert first["answers"] == {"202": 4, "429": 1}
    assert [(each["limit"], each["violations"]) for each in first["limits"]] == [("4/hour", 1), ("1000/day", 0)]
    assert report["keys"]["b"]["answers"] == {"422": 1}
    assert report["totals"] == {
        "requests": 6,
        "keys": 2,
        "arrivals": 6,
        "accepted": 4,
        "duplicates": 2,
        "violations": 1,
    }


def test_the_report_tells_the_rate_and_the_share_of_each_limit(client: Client) -> None:
    """The rate is (n-1)/(last-first) of the accepted messages, its share is that against N/W."""
    client.use(QUIET + '[defaults]\nlimits = ["100/s", "600000/minute"]')
    client.codes(5)
    instants = [arrival["at_us"] for arrival in client.sandbox.arrivals()]
    report = client.sandbox.report()["keys"]["key"]
    rate = 4 / ((instants[-1] - instants[0]) / 1e6)
    assert (instants[0], instants[-1]) == (report["first_arrival_us"], report["last_arrival_us"])
    assert rate == pytest.approx(report["achieved_per_second"])
    assert [rate / 100, rate / 10_000] == pytest.approx([limit["share_used"] for limit in report["limits"]])


def test_one_message_has_no_rate(client: Client) -> None:
    """One message makes no rate and no share."""
    client.use(QUIET)
    client.codes(1)
    report = client.sandbox.report()["keys"]["key"]
    assert report["achieved_per_second"] is None
    assert report["limits"][0]["share_used"] is None


def test_the_same_text_to_somebody_else_is_no_duplicate(client: Client) -> None:
    """A duplicate has the same sender, target and content."""
    client.send()
    client.send(to_number="+15550100003")
    client.send(from_number="+15550100004")
    client.send(url="https://example.test/a.png")
    assert client.sandbox.report()["totals"]["duplicates"] == 0
    client.send(to_number=RECIPIENT[1:])
    assert client.sandbox.report()["totals"]["duplicates"] == 1


def test_a_hundred_callers_at_once_are_counted_exactly(client: Client) -> None:
    """Of 100 concurrent requests on a limit of 30 exactly 30 pass."""
    client.use(QUIET + '[defaults]\nlimits = ["30/hour"]')
    with ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda number: client.send(text=str(number)).status_code, range(100)))
    assert (codes.count(202), codes.count(429)) == (30, 70)
    report = client.sandbox.report()["keys"]["key"]
    assert (report["arrivals"], report["accepted"], report["violations"]) == (100, 30, 70)


def test_a_scenario_is_replaced_by_toml_or_json(client: Client) -> None:
    """A new scenario is taken in either format and shown afterwards."""
    toml = client.http.put(
        "/sandbox/scenario", content=b"send_status = 200\n", headers={"Content-Type": "application/toml"}
    )
    assert toml.status_code == 200
    assert client.get("/sandbox/scenario").json()["send_status"] == 200
    assert client.http.put("/sandbox/scenario", json={"latency_ms": 5}).status_code == 200
    shown = client.get("/sandbox/scenario").json()
    assert (shown["send_status"], shown["latency_ms"]) == (202, 5)
    assert client.http.put("/sandbox/scenario", json=shown).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"latency = 1", "application/toml", "latency"),
        (b'{"latency_ms": "soon"}', "application/json", "latency_ms"),
        (b"{", "application/json", "not JSON"),
        (b"\xff", "application/toml", "UTF-8"),
    ],
)
def test_a_bad_scenario_changes_nothing(client: Client, content: bytes, kind: str, words: str) -> None:
    """A bad scenario is refused in one sentence and the old one stays."""
    before = client.get("/sandbox/scenario").json()
    response = client.http.put("/sandbox/scenario", content=content, headers={"Content-Type": kind})
    assert response.status_code == 400
    assert words in response.text
    assert len(response.text.splitlines()) == 1
    assert before == client.get("/sandbox/scenario").json()


def test_a_new_scenario_starts_its_own_counts(client: Client) -> None:
    """Ordinals of faults start again with each scenario; messages, log and counted limits stay."""
    text = f'{QUIET}[defaults]\nlimits = ["3/hour"]\n[[faults]]\nkind = "answer"\nstatus = 503\ncount = 1\n'
    client.use(text)
    assert client.codes(2) == [503, 202]
    client.use(text)
    assert client.codes(2) == [503, 429]
    assert len(client.sandbox.arrivals()) == 4


def test_a_reset_forgets_everything_but_the_scenario(client: Client) -> None:
    """After a reset there is no arrival, message or count, and limits are fresh."""
    client.use(QUIET + '[defaults]\nlimits = ["1/hour"]')
    assert client.codes(2) == [202, 429]
    client.sandbox.reset()
    assert client.sandbox.arrivals() == []
    assert client.sandbox.report()["keys"] == {}
    assert client.codes(2) == [202, 429]
    client.sandbox.reset()
    assert client.get(f"/open/whatsapp/messages/{SENDER}").json()["messages"] == []


def test_the_page_shows_keys_and_scenario_without_trusting_them(client: Client) -> None:
    """The page for people names the keys seen, escaped."""
    client.use(QUIET + UNLIMITED)
    client.send(key="<script>alert(1)</script>")
    page = client.get("/guide", key=None)
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "latency_ms" in page.text


def test_the_page_tells_how_to_use_the_sandbox(client: Client) -> None:
    """The page has the base address, a call to copy, the magic numbers and ways to the reports."""
    page = client.get("/guide", key=None).text
    assert f"export PACELINE_API_BASE={client.sandbox.api_base}\n" in page.replace("</pre>", "\n")
    assert f"{client.sandbox.api_base}/whatsapp/send-message" in page
    assert all(f'href="/sandbox/{name}"' in page for name in ("report", "arrivals", "receipts", "scenario"))
    assert all(f"+1555999{group}" in page for group in ("0NNN", "1NNN", "2001", "3NNN", "4001"))


def test_the_page_shows_declared_keys_numbers_and_groups(client: Client) -> None:
    """A declared key shows before its first call; numbers and groups show with their names escaped."""
    client.use(QUIET + '[[keys]]\nkey = "waiting"\nlimits = ["7/s"]\n')
    assert "None yet." in client.get("/guide", key=None).text
    client.write("/whatsapp/group/create", {"group": {"name": "<b>Team</b>", "participants": [RECIPIENT]}})
    client.write("/waba/send-message", {"to_number": RECIPIENT, "text": "x", "from_number": "+15550100008"})
    page = client.get("/guide", key=None).text
    assert "<td>waiting</td><td>7/s</td><td>0</td>" in page
    assert f"<td>{SENDER}</td><td>WhatsApp Web</td>" in page
    assert "<td>+15550100008</td><td>official API</td>" in page
    assert f"<td>&lt;b&gt;Team&lt;/b&gt;</td><td>{SENDER}</td><td>{SENDER}, {RECIPIENT}</td>" in page


def _send_once(sandbox: RunningSandbox) -> int:
    with connected(sandbox) as client:
        return client.send().status_code


def test_a_sandbox_that_is_stopped_cuts_off_who_is_waiting() -> None:
    """Leaving the block stops the server at once, whatever is still in work."""
    scenario = parse_toml('[[faults]]\nkind = "delay"\nseconds = 600')
    with ThreadPoolExecutor(1) as pool:
        with running_sandbox(scenario) as sandbox:
            waiting = pool.submit(_send_once, sandbox)
            while not sandbox.arrivals():
                time.sleep(0.01)
        assert isinstance(waiting.exception(timeout=200), httpx.TransportError)


def test_a_port_that_is_taken_is_told_to_the_caller(client: Client) -> None:
    """A second sandbox on the same port fails where it was asked for."""
    port = int(client.sandbox.root.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"), running_sandbox(port=port):
        pass


def test_the_log_is_valid_json_lines(client: Client) -> None:
    """Each line of the log is one JSON object, whatever the body was."""
    client.send(text="line\nbreak \u2028 and \U0001f600 emoji")
    lines = client.get("/sandbox/arrivals").text.split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["status"] for line in lines] == [202]
