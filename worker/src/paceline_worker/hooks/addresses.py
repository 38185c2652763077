"""Which addresses events may be posted to: public ones."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# IPv6 addresses that carry an IPv4 address: where that begins.
_CARRIERS: Final = ((ip_network("64:ff9b::/96"), 0), (ip_network("2002::/16"), 80))
# Python calls some of it global, because parts of it may be.
_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
# By the URL standard of the WHATWG a host whose last part is a number is an IPv4 address: systems read 127.1 as 127.0.0.1.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
# Words about a host that ends in a number and is no address.
ODD: Final = "is neither a name nor an address of four decimal numbers"


class PrivateAddress(OSError):
    """An address that no event is posted to.

    Args:
        host: as the hook has it.
        address: what it leads to; '' when systems do not agree about that.
    """

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} leads to {address}, which is not a public address" if address else f"{host} {ODD}")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the internet reaches it: no loopback, no private or reserved network, none of those within another form."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.teredo is not None:
            return False
        for network, shift in _CARRIERS:
            if address in network:
                return is_public(IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def checked_literal(host: str, address: str) -> None:
    """Refuse an address in digits that is not public.

    Raises:
        PrivateAddress: it is not.
    """
    if not is_public(ip_address(address.partition("%")[0])):
        raise PrivateAddress(host, address)


def checked_host(host: str) -> None:
    """Refuse a host that is an address in digits, and not a public one in the usual form. A name is looked up later.

    Raises:
        PrivateAddress: it is.
    """
    if is_literal(host):
        checked_literal(host, host)
    elif is_odd(host):
        raise PrivateAddress(host, "")


def is_odd(host: str) -> bool:
    """Whether a host that is no address in the usual form may pass for one: 127.1, 0x7f000001, 0177.0.0.1, or with wide digits."""
    return not host.isascii() or _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def is_literal(host: str) -> bool:
    """Whether a host is an address in digits, which is never looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
