import pytest

from paceline_worker.verdict.meaning import read_answer, retry_after

DATE = "Sat, 31 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("expected_s", "text"),
    [
        (1, "1"),
        (17, "17"),
        (17, "  17\t"),
        (17, "0017"),
        (3600, "3600"),
        (3600, "3601"),
        (3600, "86400"),
        (3600, "9" * 18),
        # not a number of seconds: RFC 9110 knows whole ones only
        (None, "0"),
        (None, "000"),
        (None, "-5"),
        (None, "+5"),
        (None, "1.5"),
        (None, "1e3"),
        (None, "0x10"),
        (None, "1 minute"),
        (None, "soon"),
        (None, ""),
        (None, "17, 18"),
        (None, "17\x00"),
    ],
)
def test_seconds_are_read_and_clamped_to_an_hour(expected_s: float | None, text: str) -> None:
    """A number of seconds is taken as it is up to an hour; zero, nonsense and fractions say nothing."""
    assert expected_s == retry_after({"retry-after": text, "date": DATE})


@pytest.mark.parametrize(
    ("expected_s", "text"),
    [
        (1, "Sat, 31 Jan 2026 12:00:01 GMT"),
        (30, "Sat, 31 Jan 2026 12:00:30 GMT"),
        (3600, "Sat, 31 Jan 2026 13:00:00 GMT"),
        (3600, "Sun, 01 Feb 2026 12:00:00 GMT"),
        (3600, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (60, "Saturday, 31-Jan-26 12:01:00 GMT"),
        (60, "Sat, 31 Jan 2026 14:01:00 +0200"),
        # past, or never
        (None, "Sat, 31 Jan 2026 12:00:00 GMT"),
        (None, "Sat, 31 Jan 2026 11:59:59 GMT"),
        (None, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (None, "Fri, 32 Jan 2026 12:00:00 GMT"),
        (None, "Sat, 31 Jan 2026 25:00:00 GMT"),
        (None, "2026-01-31T12:00:30Z"),
        (None, "Sat, 31 Jan"),
    ],
)
def test_a_date_is_taken_relative_to_the_responses_own_date(expected_s: float | None, text: str) -> None:
    """The wait is the distance between the two headers, so our clock does not matter."""
    assert expected_s == retry_after({"retry-after": text, "date": DATE})


@pytest.mark.parametrize(
    "date", [None, "", "today", "Fri, 32 Jan 2026 12:00:00 GMT", "Sat, 31 Jan 2026 12:00:00 -0000"]
)
def test_a_date_needs_a_readable_date_beside_it(date: str | None) -> None:
    """Without the response's own date nobody knows how far away the date is."""
    headers = {"retry-after": "Sat, 31 Jan 2026 12:00:30 GMT"} | ({} if date is None else {"date": date})
    assert retry_after(headers) is None


def test_seconds_need_no_date() -> None:
    """A number of seconds stands for itself."""
    assert retry_after({"retry-after": "17"}) == 17


def test_no_header_says_nothing() -> None:
    """The provider's documentation mentions no Retry-After, so most answers have none."""
    assert retry_after({}) is None


@pytest.mark.parametrize(("expected_s", "status"), [(17, 429), (None, 503), (None, 486), (None, 200), (None, 402)])
def test_only_throttled_answers_carry_a_wait(expected_s: float | None, status: int) -> None:
    """Retry-After is read of a 429 alone; the other classes have waits of their own."""
    assert expected_s == read_answer(status, {"retry-after": "17"}, b"{}").retry_after_s


def test_an_enormous_wait_is_an_hour() -> None:
    """A number too long to be meant is clamped like any other that is too large."""
    assert retry_after({"retry-after": "9" * 19}) == 3600


@pytest.mark.parametrize(
    "text", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999999999999"]
)
@pytest.mark.parametrize("header", ["retry-after", "date"])
def test_an_enormous_date_is_unreadable(header: str, text: str) -> None:
    """A date outside the calendar says nothing, in either header."""
    assert retry_after({"retry-after": DATE, "date": DATE} | {header: text}) is None
