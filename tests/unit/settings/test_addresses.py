"""Addresses of broker and state: what each library is told, and what is refused without a word of the password."""

import ssl

import pytest

from paceline import Settings
from paceline.errors import ConfigurationError
from paceline.settings.address import read_broker, read_state

TLS = "ssl_cert_reqs=required&ssl_check_hostname=true"
CELERYS = "ssl_cert_reqs=CERT_REQUIRED&ssl_check_hostname=true"
UNVERIFIED = "ssl_cert_reqs=none&ssl_check_hostname=false"
PASSWORD = "s3cr3t"


@pytest.mark.parametrize(
    ("written", "for_redis_py", "for_kombu"),
    [
        ("redis://", "redis://localhost/0", "redis://localhost/0"),
        ("redis://host", "redis://host/0", "redis://host/0"),
        ("redis://host:6380/3", "redis://host:6380/3", "redis://host:6380/3"),
        ("redis://host?db=3", "redis://host/3", "redis://host/3"),
        ("redis://host/?virtual_host=3", "redis://host/3", "redis://host/3"),
        ("redis://[::1]:6380/1", "redis://[::1]:6380/1", "redis://[::1]:6380/1"),
        ("redis://u:p@host", "redis://u:p@host/0", "redis://u:p@host/0"),
        ("redis://:p%23%2F%40@host", "redis://:p%23%2F%40@host/0", "redis://:p%23%2F%40@host/0"),
        ("redis://u:p@q:r@host", "redis://u:p%40q%3Ar@host/0", "redis://u:p%40q%3Ar@host/0"),
        ("rediss://host", f"rediss://host/0?{TLS}", f"rediss://host/0?{CELERYS}"),
        ("rediss://host?ssl_cert_reqs=required", f"rediss://host/0?{TLS}", f"rediss://host/0?{CELERYS}"),
        ("rediss://host?ssl_cert_reqs=CERT_REQUIRED", f"rediss://host/0?{TLS}", f"rediss://host/0?{CELERYS}"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", f"rediss://host/0?{UNVERIFIED}", None),
        ("rediss://host?ssl_cert_reqs=none", f"rediss://host/0?{UNVERIFIED}", None),
        (
            "rediss://host/1?ssl_ca_certs=/ca.pem",
            f"rediss://host/1?ssl_ca_certs=%2Fca.pem&{TLS}",
            f"rediss://host/1?ssl_ca_certs=%2Fca.pem&{CELERYS}",
        ),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=0", "redis+socket:///run/r.sock?virtual_host=0"),
        ("redis+socket:///run/r.sock", "unix:///run/r.sock?db=0", "redis+socket:///run/r.sock?virtual_host=0"),
        (
            "redis+socket://:p@/run/r.sock?virtual_host=2",
            "unix://:p@/run/r.sock?db=2",
            "redis+socket://:p@/run/r.sock?virtual_host=2",
        ),
        ("unix://u:p@/run/r.sock?db=2", "unix://u:p@/run/r.sock?db=2", "redis+socket://u:p@/run/r.sock?virtual_host=2"),
    ],
)
def test_each_library_is_told_in_its_own_words(written: str, for_redis_py: str, for_kombu: str | None) -> None:
    """Either spelling is understood for broker and state, and TLS is verified unless the address says otherwise."""
    assert for_redis_py == read_state(written).for_redis_py()
    if for_kombu:
        assert for_kombu == read_broker(written).url


@pytest.mark.parametrize(
    ("written", "shown", "for_redis_py"),
    [
        ("redis+cluster://a:1,b", "redis+cluster://a:1,b:6379", "redis://a:1/0"),
        ("redis+cluster://u:p@[::1]:1,b:2/0", "redis+cluster://[::1]:1,b:2", "redis://u:p@[::1]:1/0"),
        ("rediss+cluster://a", "rediss+cluster://a:6379", f"rediss://a/0?{TLS}"),
        ("redis+sentinel://a,b:1/mine?db=3", "redis+sentinel://a:26379,b:1/mine", "redis://a/3"),
        ("rediss+sentinel://u:p@a/mine", "rediss+sentinel://a:26379/mine", f"rediss://u:p@a/0?{TLS}"),
        ("sentinel://a;sentinel://b:1/3?master_name=mine", "redis+sentinel://a:26379,b:1/mine", "redis://a/0"),
    ],
)
def test_state_may_live_on_several_servers(written: str, shown: str, for_redis_py: str) -> None:
    """All places are kept; the options of the first one hold for all."""
    address = read_state(written)
    assert (shown, for_redis_py) == (address.shown(), address.for_redis_py())


def test_one_address_of_a_group_serves_broker_and_state() -> None:
    """In either form; kombu is told in its own."""
    written = "redis+sentinel://:p@a,b:1/mine?db=3&sentinel_password=q"
    broker = read_broker(written)
    assert "sentinel://:p@a:26379/3;sentinel://:p@b:1/3" == broker.url
    assert {"master_name": "mine", "sentinel_kwargs": {"password": "q"}} == broker.options
    assert written == Settings(broker_url=written).state_url
    group = "sentinel://a;sentinel://b?master_name=mine"
    assert group == Settings(broker_url=group).state_url
    assert "CERT_REQUIRED" in read_broker("rediss+sentinel://a/mine").url


def test_a_cluster_needs_a_broker_beside_it() -> None:
    """Celery has none on a cluster: neither the default nor the cluster is taken for one in silence."""
    with pytest.raises(ConfigurationError, match=r"^PACELINE_BROKER_URL must be set, .*: name RabbitMQ, or one Redis"):
        Settings(state_url="redis+cluster://a,b")
    with pytest.raises(ConfigurationError, match=r"^PACELINE_BROKER_URL: names a cluster, .*: name RabbitMQ, or one"):
        Settings(broker_url="redis+cluster://a,b")
    assert Settings(broker_url="redis://one", state_url="redis+cluster://a,b").broker_url == "redis://one"


def test_other_brokers_keep_what_they_say() -> None:
    """AMQP takes TLS apart from the address; Sentinel needs the name of its group; of others nothing is known."""
    assert ("amqp://u:p@host:5672/%2F", None) == (
        (broker := read_broker("amqp://u:p@host:5672//")).url,
        broker.tls,
    )
    encrypted = read_broker("amqps://host/vhost?ssl_ca_certs=/ca.pem&heartbeat=10")
    assert "amqps://host/vhost?heartbeat=10" == encrypted.url
    assert {"ca_certs": "/ca.pem", "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "host"} == encrypted.tls
    assert {"cert_reqs": ssl.CERT_NONE} == read_broker("amqps://host?ssl_cert_reqs=none").tls
    group = read_broker("sentinel://:p@a:26379;sentinel://b:26379?master_name=mine&sentinel_password=q")
    assert "sentinel://:p@a:26379/0;sentinel://b:26379/0" == group.url
    assert {"master_name": "mine", "sentinel_kwargs": {"password": "q"}} == group.options
    assert "sqs://key:secret@" == read_broker("sqs://key:secret@").url


@pytest.mark.parametrize(
    "written",
    [
        f"redis://:{PASSWORD}#x@host:6379/0",
        f"redis://:{PASSWORD}/x@host:6379/0",
        f"redis://:{PASSWORD}?x@host:6379/0",
        f"redis://:{PASSWORD}%x@host:6379/0",
        f"redis://:{PASSWORD}[x@host:6379/0",
        f"redis://:{PASSWORD};x@host:6379/0",
        f"redis://:{PASSWORD}@host:port/0",
        f"redis://:{PASSWORD}@host:99999/0",
        f"redis://:{PASSWORD}@[::1/0",
        f"redis://:{PASSWORD}@host/db",
        f"redis://:{PASSWORD}@host?timeout=5",
        f"rediss://:{PASSWORD}@host?ssl_cert_reqs=perhaps",
        f"unix://:{PASSWORD}@host",
        f"unix://{PASSWORD}/run/r.sock",
        f"redis:{PASSWORD}@host",
        f'"redis://:{PASSWORD}@host"',
        f"redis://:{PASSWORD}@host\n/0",
        f"redis://:{PASSWORD} x@host",
        f"http://:{PASSWORD}@host",
        f"redis+cluster://:{PASSWORD}@host,:1",
        f"redis+cluster://:{PASSWORD}@host,",
        f"redis+cluster://:{PASSWORD}@host,other:99999",
        f"redis+cluster://:{PASSWORD}@host/3",
        f"redis+cluster://:{PASSWORD}@host?db=0",
        f"redis+sentinel://:{PASSWORD}@host",
        f"redis+sentinel://:{PASSWORD}@host/a/b",
        f"redis+sentinel://:{PASSWORD}@host/mine?db=x",
        f"sentinel://:{PASSWORD}@host",
    ],
)
@pytest.mark.parametrize("name", ["PACELINE_BROKER_URL", "PACELINE_STATE_URL"])
def test_a_malformed_address_is_refused_and_not_repeated(name: str, written: str) -> None:
    """The sentence names the variable, says what to do, and holds no part of the address."""
    if name == "PACELINE_BROKER_URL" and written.startswith("http"):
        return  # Celery may know it
    if name == "PACELINE_STATE_URL" and ";" in written:
        return  # of one address a semicolon divides nothing
    with pytest.raises(ConfigurationError, match=rf"^{name}: ") as refused:
        Settings.from_environment({"PACELINE_STATE_URL": "redis://state", name: written})
    shown = f"{refused.value} {refused.value.__cause__}"
    assert not any(part in shown for part in (PASSWORD, "s3c", "r3t"))
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("names no Sentinel group", "sentinel://host:26379/0"),
        ("several kinds", "redis://a;sentinel://b?master_name=m"),
        ("has an unknown option", "amqp://host?frame_max=1"),
    ],
)
def test_a_broker_that_cannot_work_is_refused_at_once(words: str, written: str) -> None:
    """Not by a traceback when the first hint leaves."""
    with pytest.raises(ConfigurationError, match=f"^PACELINE_BROKER_URL: .*{words}"):
        Settings(broker_url=written, state_url="redis://state")


def test_what_is_shown_of_an_address_is_no_secret() -> None:
    """Place and database, and nothing else; the object itself does not show its password either."""
    address = read_state(f"rediss://user:{PASSWORD}@host:1/2?ssl_ca_certs=/x")
    assert ("rediss://host:1/2", "unix:///run/x") == (address.shown(), read_state("unix:///run/x").shown())
    assert PASSWORD not in repr(address)
    assert PASSWORD not in repr(Settings(broker_url=f"redis://:{PASSWORD}@host"))
