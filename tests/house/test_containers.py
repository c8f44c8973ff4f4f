"""What the Dockerfile and the compose file promise, as far as a machine without containers can tell."""

import re
import tomllib
import types
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from app.server.supervisor import GRACE
from app.settings import PREFIX, Settings
from tests.support.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_variable_that_compose_gives_the_service_is_a_setting(services: dict[str, Any]) -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    required = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    given = {name.removesuffix("_FILE") for name in services["auth"]["environment"]}

    assert required <= given <= settings


def test_no_secret_is_written_in_the_compose_file(services: dict[str, Any]) -> None:
    for name in ("auth", "migrate"):
        assert not {"AUTH_SECRET_KEYS", "AUTH_DATABASE_URL"} & services[name]["environment"].keys()
    assert "POSTGRES_PASSWORD" not in services["postgres"]["environment"]


def test_only_the_proxy_publishes_ports_and_stays_on_this_machine_by_default(
    services: dict[str, Any],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published.keys() == {"proxy"}
    assert all(port.startswith("${WATCHWORD_BIND:-127.0.0.1}:") for port in published["proxy"])


def test_what_comes_from_the_trusted_network_is_the_proxy(services: dict[str, Any]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [subnet] = compose["networks"]["edge"]["ipam"]["config"]

    assert services["auth"]["environment"]["AUTH_TRUSTED_PROXIES"] == subnet["subnet"]
    assert {name for name, service in services.items() if "edge" in service.get("networks", ())} == {
        "proxy",
        "auth",
    }


def test_postgres_and_redis_are_reached_from_inside_only(services: dict[str, Any]) -> None:
    networks = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]
    for name in ("postgres", "redis"):
        assert all(networks[network]["internal"] for network in services[name]["networks"])


def test_redis_evicts_nothing(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]

    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_postgres_keeps_its_volume_where_the_image_wants_it(services: dict[str, Any]) -> None:
    version = int(re.fullmatch(r"postgres:(\d+)", services["postgres"]["image"])[1])  # type: ignore[index]

    assert (
        "database:/var/lib/postgresql" + ("/data" if version < 18 else "") in services["postgres"]["volumes"]
    )


def test_whatever_runs_our_image_is_confined(services: dict[str, Any]) -> None:
    ours = {name: service for name, service in services.items() if service["image"] == "watchword"}

    assert ours.keys() == {"auth", "migrate", "secrets"}
    for service in ours.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_runs_as_nobody_special() -> None:
    final_stage = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[-1]
    users = re.findall(r"^USER (\d+):(\d+)$", final_stage, re.MULTILINE)

    assert users
    assert all(int(number) > 0 for number in users[-1])


def test_the_secrets_belong_to_the_image_s_user(services: dict[str, Any]) -> None:
    [user] = re.findall(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)
    [script] = services["secrets"]["command"]

    assert re.findall(r'once\("/run/auth/\w+", .+, (\d+), 0o400\)', script) == [user, user]


def test_the_image_s_python_is_one_that_the_project_supports() -> None:
    [major, minor] = re.findall(r"^FROM python:(\d+)\.(\d+)-slim", DOCKERFILE, re.MULTILINE)[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [least] = re.findall(r">=3\.(\d+)", project["requires-python"])

    assert int(minor) >= int(least)
    assert f"Programming Language :: Python :: {major}.{minor}" in project["classifiers"]


def test_the_image_s_packages_are_locked_by_hash() -> None:
    installs = re.findall(r"\bpip (?:--python \S+ )?install (?:.*\\\n)*.*", DOCKERFILE)

    assert installs
    assert all("--require-hashes" in install for install in installs)


def test_a_container_is_stopped_only_after_its_drain_and_its_requests_in_flight(
    services: dict[str, Any],
) -> None:
    [drain] = re.findall(r"^ENV .*AUTH_DRAIN=(\d+)", DOCKERFILE, re.MULTILINE)

    assert services["auth"]["stop_grace_period"] == "20s"
    assert int(drain) + GRACE < 20


def test_the_image_s_health_check_asks_the_port_that_the_setting_names() -> None:
    [command] = re.findall(r'CMD \["python", "-c", "((?:[^"\\]|\\\n)*)"\]', DOCKERFILE)
    asked: list[str] = []
    monkey = types.SimpleNamespace(urlopen=lambda url, timeout: asked.append(url))
    for listen in ("0.0.0.0:8000", "[::]:9000"):
        script = command.replace("\\\n", "").replace("import os, urllib.request as u; ", "")
        exec(script, {"os": types.SimpleNamespace(environ={"AUTH_LISTEN": listen}), "u": monkey})  # noqa: S102 - ours
    assert asked == ["http://127.0.0.1:8000/livez", "http://127.0.0.1:9000/livez"]
