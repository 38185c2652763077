"""Addresses of broker and state as people write them: read once, checked, and told to each library in its own words.

redis-py and kombu want different words for one thing (``unix://`` and ``redis+socket://``, ``required`` and ``CERT_REQUIRED``), and
each of them quotes parts of an address that it cannot read. Here no sentence quotes any part of one: it may be of a password.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

Kind = Literal["redis", "cluster", "group", "sentinel", "amqp", "other"]
Place = tuple[str, int]

_ENCODE: Final = (
    "holds a character in its user name or password that must be encoded: write # as %23, / as %2F, ? as %3F, % as %25, [ as %5B "
    "and ] as %5D"
)
_SOCKETS: Final = ("unix", "redis+socket")
_PLAIN: Final = ("redis", "rediss", *_SOCKETS)
_CLUSTERS: Final = ("redis+cluster", "rediss+cluster")
_GROUPS: Final = ("redis+sentinel", "rediss+sentinel")
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(_PLAIN, "redis"),
    **dict.fromkeys(_CLUSTERS, "cluster"),
    **dict.fromkeys(_GROUPS, "group"),
    "sentinel": "sentinel",
    "amqp": "amqp",
    "amqps": "amqp",
    "pyamqp": "amqp",
}
_REQS: Final = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
_TLS: Final = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_DATABASE: Final = ("db", "virtual_host")
_NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "redis": (*_TLS, *_DATABASE),
    "cluster": _TLS,
    "group": (*_TLS, *_DATABASE, "sentinel_username", "sentinel_password"),
    "sentinel": (*_TLS, *_DATABASE, "master_name", "sentinel_username", "sentinel_password"),
    "amqp": (*_TLS, "heartbeat", "login_method"),
}


@dataclass(frozen=True, slots=True)
class Address:
    """One address, taken apart.

    Args:
        scheme: such as ``redis``.
        host: name or number, without brackets; '' for a socket.
        port: None where the scheme's own is meant.
        path: of a socket or of an AMQP virtual host; for Redis '' (the database is apart).
        username: '' where there is none.
        password: '' where there is none.
        database: of Redis.
        tls: ``ssl_...`` options as they are written.
        more: other options.
        others: further hosts and ports of a cluster or of Sentinels.
        service: name of the group of servers that Sentinels watch, else ''.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    database: int = 0
    tls: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict, repr=False)
    others: tuple[Place, ...] = ()
    service: str = ""

    @property
    def kind(self) -> Kind:
        """What the address names: one server, a cluster, a group behind Sentinels, or another broker."""
        return _KINDS.get(self.scheme, "other")

    @property
    def places(self) -> tuple[Place, ...]:
        """Hosts and ports, in the order in which they are written."""
        usual = _SENTINEL_PORT if self.kind in ("group", "sentinel") else _PORT
        return ((self.host or "localhost", self.port or usual), *self.others)

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket of this machine."""
        return self.scheme in _SOCKETS

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is under TLS."""
        return self.scheme.startswith(("rediss", "amqps")) or (self.scheme == "sentinel" and bool(self.tls))

    @property
    def verifies(self) -> str:
        """What is asked of the server's certificate: ``required``, ``optional`` or ``none``. Default: required."""
        return _word(self.tls.get("ssl_cert_reqs", "required"))

    def login(self) -> str:
        """``user:password@``, or ''."""
        if not self.username and not self.password:
            return ""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{quote(self.username, safe='')}{secret}@"

    def place(self) -> str:
        """Host and port, as they stand in an address."""
        host = _bracketed(self.host) or "localhost"
        return host if self.port is None else f"{host}:{self.port}"

    def shown(self) -> str:
        """The address without user name, password and options: fit for a log."""
        if self.is_socket:
            return f"unix://{self.path}"
        if self.kind in ("cluster", "group"):
            places = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.places)
            return f"{self.scheme}://{places}" + (f"/{self.service}" if self.service else "")
        return f"{self.scheme}://{self.place()}" + (f"/{self.database}" if self.kind == "redis" else "")

    def for_redis_py(self) -> str:
        """In the words of redis-py. Of several servers the first stands for all: they share user, password and TLS."""
        if self.is_socket:
            return f"unix://{self.login()}{quote(self.path)}?{urlencode({'db': self.database})}"
        scheme = "rediss" if self.is_encrypted else "redis"
        return f"{scheme}://{self.login()}{self.place()}/{self.database}" + _query(self._tls_for_redis_py())

    def for_kombu(self) -> str:
        """In the words of kombu."""
        if self.is_socket:
            return f"redis+socket://{self.login()}{quote(self.path)}?{urlencode({'virtual_host': self.database})}"
        tls = self._tls_for_redis_py()
        if tls:
            tls["ssl_cert_reqs"] = f"CERT_{self.verifies.upper()}"
        return f"{self.scheme}://{self.login()}{self.place()}/{self.database}" + _query(tls)

    def _tls_for_redis_py(self) -> dict[str, str]:
        if not self.is_encrypted:
            return {}
        told = dict(self.tls) | {"ssl_cert_reqs": self.verifies}
        # Releases of redis-py differ in what they do when nothing is said of the name in the certificate.
        named = "true" if self.verifies == "required" else "false"
        return told | {"ssl_check_hostname": told.get("ssl_check_hostname", named).lower()}


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's address as kombu wants it.

    Args:
        url: one address, or several separated by semicolons.
        kind: what it is.
        options: transport options that the address holds.
        tls: for ``broker_use_ssl``, where kombu does not read it from the address.
    """

    url: str
    kind: Kind
    options: Mapping[str, Any] = field(default_factory=dict)
    tls: Mapping[str, Any] | None = None


def read_state(text: str) -> Address:
    """Read the address of a state server.

    Args:
        text: as it was written.

    Returns:
        The address of a Redis or Valkey server, of a cluster, or of a group behind Sentinels.

    Raises:
        ValueError: it is none; the words quote no part of the address.
    """
    scheme = text.partition("://")[0]
    if scheme == "sentinel":
        _check_characters(text)
        return _as_group([_read(part) for part in text.split(";")])
    address = _read(text)
    if address.kind not in ("redis", "cluster", "group"):
        raise ValueError(
            "must begin with redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://, because state lives on "
            "Redis or Valkey"
        )
    return address


def _as_group(addresses: list[Address]) -> Address:
    """Sentinels in kombu's form, as one address."""
    more = _common(addresses)
    first, *others = addresses
    return replace(
        first,
        scheme="rediss+sentinel" if first.is_encrypted else "redis+sentinel",
        others=tuple(place for address in others for place in address.places),
        service=more.pop("master_name"),
        more=more,
    )


def read_broker(text: str) -> Broker:
    """Read the address of a broker.

    Args:
        text: as it was written; several, separated by semicolons, are tried in turn.

    Returns:
        The broker for kombu.

    Raises:
        ValueError: it cannot be one; the words quote no part of the address.
    """
    _check_characters(text)
    scheme = text.partition("://")[0]
    kind = _KINDS.get(scheme, "other")
    if kind == "other":
        _check_scheme(text)
        return Broker(text, kind)
    if kind == "cluster":
        raise ValueError(
            "names a cluster, and Celery has no broker on a cluster: name RabbitMQ, or one Redis or Valkey server beside it"
        )
    if kind == "group":
        return _sentinel(_as_sentinels(_read(text)))
    addresses = [_read(part) for part in text.split(";")]
    if {_KINDS.get(address.scheme, "other") for address in addresses} != {kind}:
        raise ValueError("names brokers of several kinds")
    if kind == "redis":
        return Broker(";".join(address.for_kombu() for address in addresses), kind)
    if kind == "sentinel":
        return _sentinel(addresses)
    bare = [replace(address, tls={}) for address in addresses]
    return Broker(";".join(_amqp(address) for address in bare), kind, tls=_amqp_tls(addresses[0]))


def _as_sentinels(group: Address) -> list[Address]:
    """A group behind Sentinels in kombu's form."""
    # kombu sees TLS by its options.
    tls = dict(group.tls) | ({"ssl_cert_reqs": group.verifies} if group.is_encrypted else {})
    more = dict(group.more) | {"master_name": group.service}
    return [
        replace(group, scheme="sentinel", host=host, port=port, tls=tls, more=more, others=(), service="")
        for host, port in group.places
    ]


def _common(addresses: list[Address]) -> dict[str, str]:
    more: dict[str, str] = {}
    for address in addresses:
        more |= address.more
    if not more.get("master_name"):
        raise ValueError("names no Sentinel group: add ?master_name=NAME, the group's name in Sentinel")
    return more


def _sentinel(addresses: list[Address]) -> Broker:
    more = _common(addresses)
    login = {name: more[f"sentinel_{name}"] for name in ("username", "password") if f"sentinel_{name}" in more}
    options = {"master_name": more["master_name"]} | ({"sentinel_kwargs": login} if login else {})
    return Broker(";".join(address.for_kombu() for address in addresses), "sentinel", options)


def is_amqp(url: str) -> bool:
    """Whether an address is RabbitMQ's, or of another server that speaks AMQP."""
    return _KINDS.get(url.partition("://")[0]) == "amqp"


def _amqp(address: Address) -> str:
    path = f"/{quote(address.path, safe='')}" if address.path else ""
    return f"{address.scheme}://{address.login()}{address.place()}{path}" + _query(dict(address.more))


def _amqp_tls(address: Address) -> dict[str, Any] | None:
    if not address.is_encrypted:
        return None
    told: dict[str, Any] = {
        name: address.tls[f"ssl_{option}"]
        for option, name in (("ca_certs", "ca_certs"), ("certfile", "certfile"), ("keyfile", "keyfile"))
        if f"ssl_{option}" in address.tls
    }
    checks = address.verifies == "required" and address.tls.get("ssl_check_hostname", "true").lower() != "false"
    return told | {"cert_reqs": _REQS[address.verifies]} | ({"server_hostname": address.host} if checks else {})


def _read(text: str) -> Address:
    _check_characters(text)
    _check_scheme(text)
    scheme, _, rest = text.partition("://")
    kind = _KINDS.get(scheme, "other")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    path, _, query = rest[len(authority) :].partition("?")
    userinfo, at, place = authority.rpartition("@")
    is_cut = bool(authority) and "@" in path + query
    if "#" in rest or is_cut or re.search(r"%(?![0-9A-Fa-f]{2})|[\[\]]", userinfo):
        raise ValueError(_ENCODE)

    options = _options(query, kind)
    username, _, password = userinfo.partition(":")
    address = Address(
        scheme=scheme,
        username=unquote(username) if at else "",
        password=unquote(password) if at else "",
        tls={name: value for name, value in options.items() if name in _TLS},
        more={name: value for name, value in options.items() if name not in _TLS and name not in _DATABASE},
    )
    _ = address.verifies  # refuses a word that is none

    if address.is_socket:
        if place or len(path) < 2:
            raise ValueError("must name the file of a socket with three slashes, such as unix:///run/redis.sock")
        return replace(address, path=unquote(path), database=_database("", options))

    (host, port), *others = map(_place, place.split(",") if kind in ("cluster", "group") else [place])
    if kind == "amqp":
        return replace(address, host=host, port=port, path=unquote(path[1:]))
    if kind in ("cluster", "group"):
        address = replace(address, others=_further(kind, others))
    if kind == "cluster" and path.strip("/") not in ("", "0"):
        raise ValueError("names a database, and a cluster has only database 0: leave it out")
    if kind == "group":
        return replace(address, host=host, port=port, service=_service(path), database=_database("", options))

    return replace(address, host=host, port=port, database=_database(unquote(path), options))


def _check_characters(text: str) -> None:
    if not text.isprintable() or re.search(r"\s", text):
        raise ValueError("holds a space or a line break: write the address alone")
    if text[:1] in ("'", '"'):
        raise ValueError("is in quotation marks: write the address without them")


def _check_scheme(text: str) -> None:
    if not re.match(r"[a-z][a-z0-9+.-]*://", text):
        raise ValueError(f"must be an address that begins with a scheme, such as redis://; or it {_ENCODE}")


def _options(query: str, kind: Kind) -> dict[str, str]:
    allowed = _NAMES.get(kind, ())
    options = dict(parse_qsl(query, keep_blank_values=True))
    if set(options) - set(allowed):
        raise ValueError(f"has an unknown option; known are {', '.join(allowed)}")
    return options


def _place(place: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?", place)
    port = int(found["port"]) if found and found["port"] else None
    if not found or (port is not None and not 0 < port < 65536):
        raise ValueError(f"names no host with a port from 1 to 65535; or it {_ENCODE}")
    return found["six"] or unquote(found["name"]), port


def _further(kind: Kind, places: list[tuple[str, int | None]]) -> tuple[Place, ...]:
    if not all(host for host, _ in places):
        raise ValueError("has an empty place between its commas: separate hosts by one comma each")
    usual = _SENTINEL_PORT if kind == "group" else _PORT
    return tuple((host, port or usual) for host, port in places)


def _service(path: str) -> str:
    service = unquote(path.strip("/"))
    if not service or "/" in service:
        raise ValueError(
            "must name the group that the Sentinels watch after the hosts, such as redis+sentinel://a,b/NAME?db=0"
        )
    return service


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _database(path: str, options: Mapping[str, str]) -> int:
    told = path.strip("/") or next((options[name] for name in _DATABASE if options.get(name)), "0")
    if not re.fullmatch("[0-9]{1,5}", told):
        raise ValueError("names a database that is no number, such as the 0 in redis://host:6379/0")
    return int(told)


def _word(text: str) -> str:
    word = text.lower().removeprefix("cert_")
    if word not in _REQS:
        raise ValueError("must say required, optional or none for ssl_cert_reqs")
    return word


def _query(options: Mapping[str, str]) -> str:
    return f"?{urlencode(options)}" if options else ""
