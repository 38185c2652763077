"""Signing in and out of the console, and what keeps others out."""

import re
from datetime import timedelta

import pytest

from paceline.gateway.app import build
from paceline.look import CONTENT_SECURITY_POLICY
from paceline.settings import Settings
from paceline.state import questions
from paceline_worker.console.app import attached
from paceline_worker.console.doors import safe_path
from tests.console.conftest import Console, served
from tests.support.wait import wait_until

PAGES = (
    "/",
    "/accounts",
    "/accounts/acme",
    "/campaigns",
    "/campaigns-new",
    "/operations",
    "/held",
    "/dead",
    "/outcomes",
    "/suppression",
)


@pytest.mark.parametrize("path", [*PAGES, "/operations/01k0zxw5d3v8m2c7r4q9n6t1ea"])
def test_nobody_sees_a_page_without_signing_in(console: Console, path: str) -> None:
    """The visitor is sent to the form, which leads back to the page."""
    answer = console.app.get(f"/console{path}")
    assert (303, f"/console/sign-in?next=%2Fconsole{path.replace('/', '%2F')}") == (
        answer.status_code,
        answer.headers["location"],
    )
    assert 401 == console.app.get(f"/console{path}", headers={"Accept": "text/event-stream"}).status_code


def test_a_token_opens_a_session(console: Console) -> None:
    """The cookie is out of reach of scripts, does not hold the token, and goes nowhere else."""
    token = console.token()
    answer = console.app.post("/console/sign-in", data={"token": token, "next": "/console/held"})
    cookie = answer.headers["set-cookie"]
    assert (303, "/console/held") == (answer.status_code, answer.headers["location"])
    assert {"HttpOnly", "SameSite=lax", "Path=/console", "Max-Age=28800"} <= set(cookie.split("; "))
    assert token.split("_")[2] not in cookie
    assert 200 == console.app.get("/console/held").status_code


def test_a_session_over_tls_has_a_secure_cookie(console: Console) -> None:
    """The cookie never leaves in the clear."""
    answer = console.app.post("https://console.test/console/sign-in", data={"token": console.token()})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("token", ["", "pcl_0123456789ab_" + "x" * 43, "pcl_wrong", "x" * 5000, "<script>", "\x00"])
def test_a_wrong_token_opens_nothing(console: Console, token: str) -> None:
    """It is refused in a sentence, and not repeated."""
    answer = console.app.post("/console/sign-in", data={"token": token})
    assert (401, None) == (answer.status_code, answer.headers.get("set-cookie")) or answer.status_code == 400
    assert not token or token not in answer.text.replace("<script src", "")


def test_a_token_that_may_not_read_opens_nothing(console: Console) -> None:
    """The missing scope is named."""
    answer = console.app.post("/console/sign-in", data={"token": console.token("send,campaigns")})
    assert (403, True) == (answer.status_code, "lacks the scope read" in answer.text)


def test_a_session_ends_when_its_time_is_over(console: Console) -> None:
    """Its key in state has an expiry; after it the visitor signs in again."""
    person = console.signed_in()
    client = console.worker.state.client
    [key] = client.keys("*:session:*")
    assert 28_000_000 < client.pttl(key) <= 28_800_000
    client.pexpire(key, 1)
    wait_until(lambda: not client.exists(key), timedelta(seconds=30), lambda: "the session has expired")
    person.page("/", 303)


def test_a_session_never_outlives_its_token(console: Console) -> None:
    """A token of one hour makes a session of one hour."""
    answer = console.app.post("/console/sign-in", data={"token": console.token(expires=timedelta(hours=1))})
    age = re.search(r"Max-Age=(\d+)", answer.headers["set-cookie"])
    assert age
    assert 3500 < int(age[1]) <= 3600


def test_a_revoked_token_ends_its_sessions(console: Console) -> None:
    """At the next page."""
    person = console.signed_in()
    person.page("/")
    for token_id in console.worker.plain.ask(questions.tokens()):
        console.worker.plain.ask(questions.revoke_token(token_id))
    person.page("/", 303)


def test_who_signs_out_is_out(console: Console) -> None:
    """The session is gone from state, so a copy of the cookie is worth nothing."""
    person = console.signed_in()
    cookie = person.client.cookies["paceline_session"]
    assert 303 == person.post("/sign-out").status_code
    person.client.cookies.set("paceline_session", cookie, path="/console")
    person.page("/", 303)
    assert [] == console.worker.state.client.keys("*:session:*")


@pytest.mark.parametrize("key", ["", "0" * 64, "é"], ids=["none", "wrong", "no ASCII"])
def test_a_form_without_the_sessions_key_does_nothing(console: Console, key: str) -> None:
    """A forged request is refused, whatever else is right."""
    person = console.signed_in()
    answer = person.client.post("/console/accounts/acme/suspend", data={"form_key": key})
    assert (403, True) == (answer.status_code, "does not come from a page of this session" in answer.text)
    picture = console.worker.plain.account("acme")
    assert picture is not None
    assert picture.account.suspended is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_does_nothing(console: Console, headers: dict[str, str]) -> None:
    """Even with the key, and signing in as well."""
    person = console.signed_in()
    person.page("/")
    answer = person.client.post("/console/accounts/acme/suspend", data={"form_key": person.form_key}, headers=headers)
    assert 403 == answer.status_code
    assert 403 == person.client.post("/console/sign-in", data={"token": console.token()}, headers=headers).status_code


def test_the_key_of_another_session_is_refused(console: Console) -> None:
    """Each session has its own."""
    first = console.signed_in()
    first.page("/")
    stolen = first.form_key
    second = console.signed_in()
    second.form_key = stolen
    assert 403 == second.post("/accounts/acme/suspend").status_code


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "\\/evil.example",
        "/console\\@evil.example",
        "javascript:alert(1)",
        "/v1/accounts",
        "/consolex",
        "/console/../v1",
        "/console/\nSet-Cookie: a=b",
        "/console/sign-out",
        "http:/console/",
        "http://[",
        "//[x]/console/",
        "http://\N{ACCOUNT OF}",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(console: Console, wanted: str) -> None:
    """Anything but a page of the console becomes the first page."""
    assert "/console/" == safe_path(wanted)
    page = console.app.get("/console/sign-in", params={"next": wanted})
    assert (200, True) == (page.status_code, 'name="next" value="/console/"' in page.text)
    answer = console.app.post("/console/sign-in", data={"token": console.token(), "next": wanted})
    assert "/console/" == answer.headers["location"]


@pytest.mark.parametrize("charset", ["undefined", "a\x00b"])
def test_a_form_that_cannot_be_read_is_refused(console: Console, charset: str) -> None:
    """A charset that decodes nothing is the fault of the request; the same holds for forms of a session."""
    kind = f"multipart/form-data; boundary=B; charset={charset}"
    body = b'--B\r\nContent-Disposition: form-data; name="token"\r\n\r\n\xff\r\n--B--\r\n'
    person = console.signed_in()
    for path in ("/console/sign-in", "/console/theme"):
        answer = person.client.post(path, content=body, headers={"Content-Type": kind})
        assert (400, True) == (answer.status_code, "The form cannot be read." in answer.text), path


def test_every_answer_forbids_scripts_and_frames(console: Console) -> None:
    """Pages, problems and files alike; no page has a script, a style or a handler of its own, or names another host."""
    person = console.signed_in()
    console.settled("rejected", words="no")
    for path in [*PAGES, "/nowhere", "/accounts/nobody", "/campaigns/nobody"]:
        answer = person.client.get(f"/console{path}")
        assert CONTENT_SECURITY_POLICY == answer.headers["content-security-policy"]
        assert "no-store" == answer.headers["cache-control"]
        assert [] == re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://", answer.text)
    for directive in ("script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
        assert directive in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_files_are_kept_by_browsers_and_no_others_are_served(console: Console) -> None:
    """Their address changes with their content."""
    page = console.app.get("/console/sign-in").text
    address = re.search(r'"(/console/static/[0-9a-f]{12}/paceline\.css)"', page)
    assert address
    answer = console.app.get(address[1])
    assert (200, "public, max-age=31536000, immutable") == (answer.status_code, answer.headers["cache-control"])
    for name in ("..%2f__init__.py", "htmx.LICENSE", "nothing.css"):
        assert 404 == console.app.get(f"/console/static/x/{name}").status_code


def test_the_theme_is_kept(console: Console) -> None:
    """Only the three there are."""
    person = console.signed_in()
    assert 'data-theme="auto"' in person.page("/")
    person.post("/theme", theme="dark", next="/console/held")
    assert 'data-theme="dark"' in person.page("/held")
    person.post("/theme", theme='"><script>', next="/console/")
    assert 'data-theme="dark"' in person.page("/")


def test_a_gateway_serves_the_console_beside_its_routes(console: Console) -> None:
    """One process, one set of tokens; the description of the routes does not mention pages."""
    settings = Settings(broker_url=console.server.url)
    with served(build(settings, pages=attached(settings))) as client:
        token = console.token()
        assert 303 == client.post("/console/sign-in", data={"token": token}).status_code
        assert 200 == client.get("/console/").status_code
        assert ["acme", "other"] == client.get("/v1/accounts", headers={"Authorization": f"Bearer {token}"}).json()[
            "items"
        ]
        assert not [path for path in client.get("/v1/openapi.json").json()["paths"] if "console" in path]
