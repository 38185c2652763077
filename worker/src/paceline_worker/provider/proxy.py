"""The HTTP proxy that calls of the provider go through, as ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say."""

import base64
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httpx

from paceline.errors import ConfigurationError

AUTHORIZATION: Final = "Proxy-Authorization"


def proxy_for(base: str) -> httpx.Proxy | None:
    """The proxy for calls of an address, by the variables that curl reads.

    Args:
        base: the provider's address.

    Returns:
        The proxy; None where calls go directly, as they always do to this machine.

    Raises:
        ConfigurationError: the variable holds no address of an HTTP proxy. The message repeats no part of its value.
    """
    parts = urlsplit(base)
    host, found = parts.hostname or "", getproxies_environment()
    name = parts.scheme if parts.scheme in found else "all"
    if not found.get(name) or _is_direct(host, found):
        return None

    address = found[name] if "://" in found[name] else f"http://{found[name]}"
    variable = f"{name.upper()}_PROXY"

    try:
        proxy = httpx.Proxy(address)
        usable = proxy.url.scheme in ("http", "https") and bool(proxy.url.host) and bool(urlsplit(address).hostname)
    except (ValueError, httpx.InvalidURL):
        usable = False

    if not usable:
        raise ConfigurationError(f"{variable}: must be an address such as http://user:password@proxy.example:3128")
    if proxy.raw_auth is None:
        return proxy

    # As a header: aiohttp has deprecated its own form of a user name and a password.
    basic = base64.b64encode(b":".join(proxy.raw_auth)).decode()
    return httpx.Proxy(proxy.url, headers={AUTHORIZATION: f"Basic {basic}"})


def _is_direct(host: str, found: dict[str, str]) -> bool:
    address = None
    try:
        address = ip_address(host)
    except ValueError:
        if host == "localhost":
            return True
    if address is not None and address.is_loopback:
        return True
    if proxy_bypass_environment(host, found):
        return True
    return address is not None and any(_holds(entry, host) for entry in found.get("no", "").split(","))


def _holds(entry: str, host: str) -> bool:
    """Whether an entry of ``NO_PROXY`` is a network, such as 10.0.0.0/8, that an address belongs to."""
    try:
        return "/" in entry and ip_address(host) in ip_network(entry.strip(), strict=False)
    except ValueError:
        return False
