import random

import pytest

from paceline.errors import InvalidOperation
from paceline.operations import values
from tests.unit.samples import message

HOSTILE = [
    # not https
    "http://example.com/a.png",
    "ftp://example.com/a.png",
    "file:///etc/passwd",
    "data:text/plain,hello",
    "gopher://example.com/_x",
    "javascript:alert(1)",
    "//example.com/a.png",
    "example.com/a.png",
    "https:example.com/a.png",
    "https:///example.com/a.png",
    "",
    # user info
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    # addresses in every spelling
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://10.0.0.1/",
    "https://192.168.1.1/admin",
    "https://169.254.169.254/latest/meta-data/",
    "https://8.8.8.8/",
    "https://2130706433/",
    "https://0/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://127.0.0.0x1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://1.2.3.0x/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1%25eth0]/",
    "https://[::1].example.com/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://\u2460\u2461\u2466.0.0.1/",
    # hosts that are not public
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://api.localhost/",
    "https://intranet/",
    "https://printer.local/",
    "https://Printer.LOCAL./",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://db.prod.internal./",
    "https://nas.lan/",
    "https://router.home/",
    "https://printer.home.arpa/",
    "https://mail.corp/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://provider.test/",
    "https://x.invalid/",
    "https://localhost.localdomain/",
    "https://wiki.intranet/",
    "https://api.default.svc/",
    "https://api.default.svc.cluster.local/",
    "https://10-0-0-1.default.pod/",
    "https://vault.service.consul/",
    "https://expyuzz4wqqyqhjn.onion/",
    "https://vault.private/",
    "https://example.com../",
    f"https://{'a.' * 130}com/",
    f"https://{'a' * 64}.com/",
    "https://-a.example.com/",
    "https://a_b.example.com/",
    # other ports
    "https://example.com:22/",
    "https://example.com:8443/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:https/",
    "https://example.com:-443/",
    # characters that parsers disagree about
    "https://example.com/a b.png",
    " https://example.com/",
    "https://example.com/\r\nHost: evil.example",
    "https://exam\tple.com/",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://example.com\\.evil.example/",
    "https://example.com\uff0f@127.0.0.1/",
    "https://example.com\uff03.evil.example/",
    "https://[example.com/",
]

GOOD = [
    "https://example.com/a.png",
    "https://example.com",
    "https://cdn.example.co.uk/b/c/d.pdf?size=large&name=%C3%A4#page=2",
    "https://files.example.com:443/invoice.pdf",
    "HTTPS://Example.COM/A.PNG",
    "https://example.com./a.png",
    "https://xn--mnchen-3ya.example.com/logo.png",
    "https://example.xn--p1ai/photo.jpg",
    "https://bucket.s3.eu-central-1.amazonaws.com/k?X-Amz-Signature=0a1b&X-Amz-Expires=60",
    "https://example.com/@user/picture.jpg",
    "https://example.com/path:with:colons/and(parentheses).mp4",
    "https://1.example.com/127.0.0.1/a.png",
]

# Python's parser and a fetcher in another language may read these hosts differently.
AMBIGUOUS = [
    "https://127.0.0.1%00.example.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://localhost;.example.com/",
    "https://127.0.0.1,.example.com/",
    "https://a..example.com/",
    "https://.example.com/",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_that_is_not_plain_public_https_is_refused(url: str) -> None:
    """Only https, no user info, no address literal in any spelling, a public host name, the standard port."""
    with pytest.raises(InvalidOperation, match=r"^url: |^text, url, pin: "):
        message(text=None, url=url)


@pytest.mark.parametrize("url", GOOD)
def test_a_public_https_address_is_kept_as_it_is(url: str) -> None:
    """An ordinary address is accepted and not rewritten: signatures in its query would break."""
    assert url == message(url=url).url


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_a_host_name_holds_host_name_characters_only(url: str) -> None:
    """Every label of the host is made of letters, digits and dashes, so that all parsers see the same host."""
    with pytest.raises(InvalidOperation):
        message(url=url)


def test_the_quick_way_and_the_thorough_one_agree() -> None:
    """Addresses of the usual form are told by one pattern; whatever it takes, parsing takes with the same host."""
    chance = random.Random(5)
    parts = [
        "https://",
        "cdn",
        ".",
        "example",
        "com",
        "/",
        "?",
        "#",
        "@",
        ":",
        "443",
        "\\",
        " ",
        "\t",
        "%",
        "-",
        "A",
        "é",
        "[",
        "]",
        "127.0.0.1",
        "x",
    ]
    usual = 0
    for _ in range(20_000):
        address = "https://cdn.example.com/a?b#c" if chance.random() < 0.3 else "https://"
        place = chance.randrange(len(address) + 1)
        address = address[:place] + "".join(chance.choices(parts, k=chance.randrange(6))) + address[place:]
        found = values._USUAL.fullmatch(address)  # noqa: SLF001 - the two ways of one function
        if found:
            usual += 1
            assert found[1].removesuffix(".") == values.host_of(address)
    assert usual > 2_000
