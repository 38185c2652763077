"""The compose file, the image and the units, read; deploy/smoke.sh runs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from ruamel.yaml import YAML

from paceline import names
from paceline.settings import Settings
from paceline_worker.checks import check_state_server
from paceline_worker.state.values import LEASE_MARGIN_S
from tests.support.roles import roles
from tests.support.servers import start_server

ROOT: Final = Path(__file__).parents[2]
COMPOSE_FILE: Final = ROOT / "docker-compose.yml"
DOCKERFILE: Final = ROOT / "deploy/Dockerfile"
COMPOSE: Final[dict[str, Any]] = YAML(typ="safe").load(COMPOSE_FILE)
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = ("worker", "exporter", "receipts", "hooks", "cli")
ROLES: Final = roles()
# ${NAME}, ${NAME:-default}, ${NAME:?words}; $$ is a dollar of the shell.
VARIABLE: Final = re.compile(r"(?<!\$)\$\{(?P<name>[A-Z_]+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")
DEFAULTS: Final = {
    found["name"]: found["rest"] for found in VARIABLE.finditer(COMPOSE_FILE.read_text()) if found["how"] == "-"
}
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_compose_file_keeps_to_the_compose_specification() -> None:
    """Every key is one that compose knows, in a form that it takes."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr), checked.stdout


def test_the_old_docker_compose_reads_it_too() -> None:
    """What docker-compose 1.29 does not know is not used: a name of the project, dependencies that may be missing."""
    assert "name" not in COMPOSE
    conditions = [set(need) for service in SERVICES.values() for need in service.get("depends_on", {}).values()]
    assert [{"condition"}] * len(conditions) == conditions


def test_the_dockerfile_is_clean() -> None:
    """Hadolint has nothing to say about the Dockerfile."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: there is no build of it for this machine")
    checked = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stdout)


@each_service
def test_no_container_can_do_more_than_it_must(name: str) -> None:
    """Every container has a read-only root, no capabilities, no way to more privileges, and is not root."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert int(service["user"].split(":")[0]) > 0


@each_service
def test_no_container_can_take_the_whole_machine(name: str) -> None:
    """Every container has a bound of memory, of processes and of its log."""
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert {"max-size", "max-file"} == set(service["logging"]["options"])


@each_service
def test_every_image_is_pinned(name: str) -> None:
    """An image of others is named with its exact version; ours is what is built here."""
    image = SERVICES[name]["image"]
    if "PACELINE_IMAGE" in image:
        assert "paceline:local" == DEFAULTS["PACELINE_IMAGE"]
    else:
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+(-alpine)?", image)


@each_service
def test_every_container_that_stays_is_looked_after(name: str) -> None:
    """What runs on has a health check (the worker its image's) and is started again; a command is neither."""
    service = SERVICES[name]
    if name == "cli":
        assert "no" == service["restart"]
        return
    assert "unless-stopped" == service["restart"]
    if name == "worker":
        assert "\nHEALTHCHECK " in DOCKERFILE.read_text()
    else:
        assert service["healthcheck"]["test"]


@each_service
def test_nothing_is_shown_beyond_this_machine(name: str) -> None:
    """Published ports are on the loopback interface, unless somebody says otherwise."""
    for port in SERVICES[name].get("ports", []):
        outside = VARIABLE.match(port)
        assert outside
        assert outside["rest"].startswith("127.0.0.1:")


@each_service
def test_everything_that_is_mounted_exists(name: str) -> None:
    """Mounts of the repository are there, and read-only; all others are volumes of this file."""
    for volume in SERVICES[name].get("volumes", []):
        if volume.startswith("${PACELINE_PRIVATE:-./deploy/private}/"):  # deploy/first-start.sh makes it
            assert volume.endswith(":ro")
            continue
        source, *rest = volume.split(":")
        if source.startswith("./"):
            assert (ROOT / source).is_dir()
            assert "ro" == rest[-1]
        else:
            assert source in COMPOSE["volumes"]


def test_only_our_own_processes_reach_the_state() -> None:
    """The state server is in one network, which has no way out and holds workers, exporter and command line only."""
    assert ["state"] == SERVICES["valkey"]["networks"]
    assert "ports" not in SERVICES["valkey"]
    assert COMPOSE["networks"]["state"]["internal"] is True
    inside = {name for name, service in SERVICES.items() if "state" in service.get("networks", [])}
    assert {"valkey", *OURS} == inside


@pytest.mark.parametrize("name", OURS)
def test_our_processes_wait_for_the_state(name: str) -> None:
    """Workers, exporter and command line start when the state server has read its file."""
    assert "service_healthy" == SERVICES[name]["depends_on"]["valkey"]["condition"]


def test_workers_can_be_scaled() -> None:
    """Nothing of a worker is there once only: no name, no port. There are two unless told, so that one can be replaced."""
    worker = SERVICES["worker"]
    assert not {"container_name", "ports", "hostname"} & set(worker)
    assert "${PACELINE_WORKERS:-2}" == worker["scale"]


def test_a_worker_may_drain_before_it_is_killed() -> None:
    """The time to stop is longer than what a worker needs for the calls under way."""
    found = VARIABLE.fullmatch(SERVICES["worker"]["stop_grace_period"])
    assert found
    assert int(found["rest"].removesuffix("s")) > Settings().http_deadline_s + LEASE_MARGIN_S


def test_nothing_starts_without_a_secret_key() -> None:
    """Compose refuses with words that name the way to one; only who encrypts or decrypts is given it."""
    given = {name for name, service in SERVICES.items() if "PACELINE_SECRET_KEY" in (service.get("environment") or {})}
    assert {"worker", "hooks", "cli"} == given
    found = VARIABLE.fullmatch(SERVICES["worker"]["environment"]["PACELINE_SECRET_KEY"])
    assert found
    assert "?" == found["how"]
    assert "paceline secret generate" in found["rest"]


def test_every_setting_is_one_that_paceline_has_with_its_own_default() -> None:
    """No variable is misspelt, and what is left out of .env means the same as without compose."""
    known = {value for name, value in vars(names).items() if name.startswith("ENV_")}
    given = {variable for name in OURS for variable in SERVICES[name]["environment"]}
    # OpenTelemetry's own, with its defaults: no traces.
    traces = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        "OTEL_TRACES_SAMPLER_ARG": "1.0",
    }
    assert set(traces) == given - known
    plain = Settings()
    assert {
        **traces,
        "PACELINE_API_BASE": plain.api_base,
        "PACELINE_CAPACITY": str(plain.capacity),
        "PACELINE_HTTP_DEADLINE": f"{plain.http_deadline_s:g}",
        "PACELINE_RECONCILE_GRACE": f"{plain.reconcile_grace_s:g}",
        "PACELINE_RETENTION": str(plain.retention_s),
        "PACELINE_ENCRYPT_PAYLOADS": str(plain.encrypt_payloads).lower(),
    } == {name: DEFAULTS[name] for name in DEFAULTS if name in given and "URL" not in name and "LOG" not in name}


def test_the_example_explains_every_variable() -> None:
    """.env.example has each variable of the compose file, with the default that holds without it, and no secret."""
    text = (ROOT / ".env.example").read_text()
    written = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert "paceline" == written.pop("COMPOSE_PROJECT_NAME")
    assert [""] * len(ROLES) == [written.pop(f"PACELINE_{role.upper()}_URL") for role in ROLES]
    assert "" == written.pop("PACELINE_SECRET_KEY")
    assert DEFAULTS == written


def test_prometheus_scrapes_what_compose_runs() -> None:
    """The targets of prometheus.yml are services and ports of the compose file."""
    found = YAML(typ="safe").load(ROOT / "deploy/prometheus/prometheus.yml")
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    workers = jobs["paceline-worker"]["dns_sd_configs"][0]
    assert ["worker"] == workers["names"]
    assert SERVICES["worker"]["environment"]["PACELINE_METRICS_PORT"] == str(workers["port"])
    exporter = f"exporter:{SERVICES['exporter']['environment']['PACELINE_EXPORTER_PORT']}"
    assert [exporter] == jobs["paceline-exporter"]["static_configs"][0]["targets"]
    for name in ("worker", "exporter"):
        assert "0.0.0.0" == SERVICES[name]["environment"]["PACELINE_METRICS_ADDRESS"]  # else nobody can scrape it
        assert "default" in SERVICES[name]["networks"]


def test_the_state_server_keeps_everything(tmp_path: Path) -> None:
    """A real server takes the durability of deploy/valkey/valkey.conf, and a worker accepts it."""
    text = (ROOT / "deploy/valkey/valkey.conf").read_text()
    settings = dict(re.findall(r"^([a-z-]+) (.+)$", text, re.MULTILINE))
    # Network and folder are the container's; the rest is what the server is given here.
    for own in ("bind", "dir", "save", "aclfile", "port", *(name for name in settings if name.startswith("tls-"))):
        del settings[own]
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    with start_server(directory=tmp_path / "data", extra=options) as server, redis.Redis.from_url(server.url) as client:
        check_state_server(client, allow_volatile=False)
        assert "always" == client.config_get("appendfsync")["appendfsync"]


def test_the_image_holds_nothing_but_what_it_needs() -> None:
    """Everything is left out of the build but the sources and what the wheel is made with."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert "*" == lines[0]
    assert {
        *("pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
        *("producer/src", "worker/src", "sandbox/src"),
    } == {line[1:] for line in lines if line.startswith("!")}


def test_signals_reach_the_worker() -> None:
    """The image starts Celery itself, as a user with a number: no shell stands between SIGTERM and the drain."""
    text = DOCKERFILE.read_text()
    assert re.findall(r"^(?:CMD|ENTRYPOINT) (.)", text, re.MULTILINE) == ["["]
    assert ["10001:10001"] == re.findall(r"^USER (.+)$", text, re.MULTILINE)


def test_the_image_has_what_programs_of_ours_need() -> None:
    """Every program: dependencies are fetched for the same extras as are installed then."""
    text = DOCKERFILE.read_text()
    extras = ["worker", "cli", "gateway", "console", "hooks", "otel", "sandbox"]
    assert [f"({', '.join(map(repr, extras))})"] == re.findall(r" for e in (\(.+?\)) ", text)
    assert [",".join(extras)] == re.findall(r"whl\)\[(.+?)\]", text)


def test_the_smoke_test_is_a_script_that_bash_can_read() -> None:
    """deploy/smoke.sh has no error of syntax, and can be called by its name."""
    script = ROOT / "deploy/smoke.sh"
    assert script.stat().st_mode & 0o111
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """The units have no mistake that systemd would complain of."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # Programs that are not installed here would be the only complaint.
    for unit in (ROOT / "deploy/systemd").iterdir():
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name.replace("@.", "@9808.")).write_text(text)
    command = [analyze, "verify", *map(str, sorted(tmp_path.iterdir()))]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)
