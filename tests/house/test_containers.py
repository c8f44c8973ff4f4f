"""What the compose files promise, as far as a machine without containers can tell."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from app.server.supervisor import GRACE
from app.settings import PREFIX, Settings
from tests.support.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
ONCE = {"secrets", "migrate"}
OVERRIDES = ["docker-compose.dev.yml", "docker-compose.proxied.yml"]


def compose(name: str = "docker-compose.yml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def test_every_variable_that_compose_gives_the_service_is_a_setting(services: dict[str, Any]) -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    required = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    given = {name.removesuffix("_FILE") for name in services["auth"]["environment"]}

    assert required <= given <= settings


def test_no_secret_is_written_in_the_compose_file(services: dict[str, Any]) -> None:
    secret = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if not field.repr}
    for name in ("auth", "migrate"):
        given = services[name]["environment"]
        assert all(given.get(variable, "") == "" for variable in secret)
        assert given["AUTH_DATABASE_URL_FILE"].startswith("/run/watchword/")
    assert "POSTGRES_PASSWORD" not in services["postgres"]["environment"]


def test_every_setting_of_dotenv_reaches_the_service_and_the_migration(services: dict[str, Any]) -> None:
    for name in ("auth", "migrate"):
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]
    # What stands beside it wins over it, so it is only what this file decides.
    decided = {"ISSUER", "AUDIENCE", "TRUSTED_PROXIES", "LISTEN", "DATABASE_URL", "REDIS_URL", "SECRET_KEYS"}
    given = {name.removeprefix(PREFIX).removesuffix("_FILE") for name in services["auth"]["environment"]}
    assert given - decided == {"ALLOWED_ORIGINS"}


@pytest.mark.requirement("E12")
def test_the_service_signs_in_to_postgres_with_a_role_of_its_own_and_only_migrate_as_the_owner(
    services: dict[str, Any],
) -> None:
    mounts = {
        name: {volume.partition(":")[0] for volume in service.get("volumes", ())}
        for name, service in services.items()
    }
    assert {name for name in mounts if "owner-secrets" in mounts[name]} == {"migrate", "secrets"}
    assert {name for name in mounts if "auth-secrets" in mounts[name]} == {"auth", "secrets"}
    assert {name for name in mounts if "postgres-secrets" in mounts[name]} == {"postgres", "secrets"}
    [command] = services["migrate"]["command"]
    assert command.startswith("python -m app migrate && python /grants.py /grants.sql ")
    assert "./deploy/grants.sql:/grants.sql:ro" in services["migrate"]["volumes"]
    assert services["auth"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.requirement("E12")
def test_redis_asks_for_a_password(services: dict[str, Any]) -> None:
    redis = services["redis"]
    assert redis["command"][1] == "/run/watchword/redis.conf"
    assert "redis-secrets:/run/watchword:ro" in redis["volumes"]
    assert "--protected-mode" not in redis["command"]


def made_secrets(script: str, folder: Path) -> dict[str, tuple[str, int]]:
    """The files after a run of the script in this folder: text and mode by name."""
    here = script.replace("/run/", f"{folder}/").replace("os.chown(", "(lambda *_: None)(")
    subprocess.run([sys.executable, "-c", here], check=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_text(), path.stat().st_mode & 0o777) for path in files}


def test_secrets_are_made_once_and_what_is_made_of_them_follows(
    services: dict[str, Any], tmp_path: Path
) -> None:
    [script] = services["secrets"]["command"]
    folders = [volume.partition(":/run/")[2] for volume in services["secrets"]["volumes"]]
    for folder in folders:
        (tmp_path / folder).mkdir()
    # As the release before left them: the service had the URL of the owner.
    (tmp_path / "postgres/password").write_text("an-old-password")
    (tmp_path / "auth/database_url").write_text(
        "postgresql://watchword:an-old-password@postgres:5432/watchword"
    )
    (tmp_path / "auth/secret_keys").write_text("an-old-secret")

    made = made_secrets(script, tmp_path)

    texts = {name: text for name, (text, _) in made.items()}
    assert (texts["postgres/password"], texts["auth/secret_keys"]) == ("an-old-password", "an-old-secret")
    assert texts["owner/database_url"] == "postgresql://watchword:an-old-password@postgres:5432/watchword"
    role, password = texts["owner/service_password"], texts["redis/password"]
    assert len({role, password, "an-old-password"}) == 3
    assert min(len(role), len(password)) == 43
    assert texts["auth/database_url"] == f"postgresql://watchword_service:{role}@postgres:5432/watchword"
    assert texts["auth/redis_url"] == f"redis://:{password}@redis:6379/0"
    assert texts["redis/redis.conf"] == f"requirepass {password}\n"
    assert all(mode in {0o400, 0o444, 0o644} for _, mode in made.values())
    assert {name for name, (_, mode) in made.items() if mode == 0o400} >= {
        "auth/database_url",
        "auth/redis_url",
        "owner/database_url",
        "owner/service_password",
        "redis/password",
        "redis/redis.conf",
    }
    assert made_secrets(script, tmp_path) == made


def test_every_container_has_its_logs_rotated_and_its_memory_and_processes_limited(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        assert service["logging"]["driver"] == "json-file", name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["mem_limit"], name
        assert service["pids_limit"], name


def test_redis_may_use_more_memory_than_its_data(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    assert command[command.index("--maxmemory") + 1] == "1gb"
    assert services["redis"]["mem_limit"] == "1536m"


def test_only_the_proxy_publishes_ports_and_stays_on_this_machine_by_default(
    services: dict[str, Any],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published.keys() == {"proxy"}
    assert published["proxy"] == [
        "${WATCHWORD_BIND:-127.0.0.1}:${WATCHWORD_HTTP_PORT:-80}:80",
        "${WATCHWORD_BIND:-127.0.0.1}:${WATCHWORD_HTTPS_PORT:-443}:443",
    ]


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_variant_publishes_the_service_on_this_machine_and_starts_no_other_proxy(
    services: dict[str, Any], name: str
) -> None:
    override = compose(name)["services"]

    assert override.keys() == {"proxy", "auth"}
    assert override["proxy"].keys() == {"profiles"}
    assert {*override["auth"]["networks"]} == {*services["auth"]["networks"], "public"}
    [port] = override["auth"]["ports"]
    assert port.startswith(("127.0.0.1:", "${WATCHWORD_BIND:-127.0.0.1}:"))
    assert port.endswith(":${WATCHWORD_PORT:-8000}:8000")
    assert override["auth"]["environment"].keys() <= services["auth"]["environment"].keys()


def test_development_is_on_http_and_localhost_and_trusts_no_proxy() -> None:
    given = compose("docker-compose.dev.yml")["services"]["auth"]["environment"]

    assert given["AUTH_ISSUER"] == given["AUTH_AUDIENCE"] == "http://localhost:${WATCHWORD_PORT:-8000}"
    assert given["AUTH_TRUSTED_PROXIES"] == ""


def test_behind_a_proxy_of_ones_own_what_comes_from_the_published_port_is_the_proxy() -> None:
    variant = compose("docker-compose.proxied.yml")
    [subnet] = variant["networks"]["public"]["ipam"]["config"]

    assert variant["services"]["auth"]["environment"] == {"AUTH_TRUSTED_PROXIES": subnet["subnet"]}


def test_what_comes_from_the_trusted_network_is_the_proxy(services: dict[str, Any]) -> None:
    [subnet] = compose()["networks"]["edge"]["ipam"]["config"]

    assert services["auth"]["environment"]["AUTH_TRUSTED_PROXIES"] == subnet["subnet"]
    assert {name for name, service in services.items() if "edge" in service.get("networks", ())} == {
        "proxy",
        "auth",
    }


def test_postgres_and_redis_are_reached_from_inside_only(services: dict[str, Any]) -> None:
    networks = compose()["networks"]
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


def test_a_new_database_is_in_utf8_whatever_the_image_has_as_its_default(services: dict[str, Any]) -> None:
    assert services["postgres"]["environment"]["LANG"] == "C.UTF-8"


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    ours = {name for name, service in services.items() if service["image"] == "watchword"}

    assert ours == {"auth", "migrate", "secrets"}
    for name, service in services.items():
        assert service.get("read_only", False) or name == "postgres", name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_what_runs_once_may_try_again_until_postgres_is_there(services: dict[str, Any]) -> None:
    assert {
        name for name, service in services.items() if "unless-stopped" not in service.get("restart", "")
    } == ONCE
    assert services["migrate"]["restart"] == "on-failure"


def test_the_secrets_belong_to_the_image_s_user(services: dict[str, Any]) -> None:
    [user] = re.findall(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)
    [script] = services["secrets"]["command"]

    assert f"SERVICE, REDIS = {user}, " in script
    assert set(re.findall(r'"/run/(?:auth|owner)/\w+", (?:f".+", )?(\w+, \w+)\)', script)) == {
        "SERVICE, 0o400"
    }


def test_a_container_is_stopped_only_after_its_drain_and_its_requests_in_flight(
    services: dict[str, Any],
) -> None:
    [drain] = re.findall(r"^ENV .*AUTH_DRAIN=(\d+)", DOCKERFILE, re.MULTILINE)

    assert services["auth"]["stop_grace_period"] == "20s"
    assert int(drain) + GRACE < 20
