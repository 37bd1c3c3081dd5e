"""Compose files and Dockerfiles, as far as they can be checked without an engine.

`docker/test_compose.sh` runs them.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from testing.paths import ROOT

PROXY_VARIABLES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def services_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]
    return loaded


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return services_of("docker-compose.yml")


@pytest.fixture(scope="module")
def fleet() -> dict[str, Any]:
    return services_of("docker-compose.fleet.yml")


def test_proxies_apply_to_builds_and_to_the_export(services: dict[str, Any]) -> None:
    for service in services.values():
        assert set(service["build"]["args"]) >= PROXY_VARIABLES
    assert set(services["export"]["environment"]) >= PROXY_VARIABLES


def test_only_the_gateway_is_published_on_every_address(services: dict[str, Any]) -> None:
    assert services["gateway"]["ports"] == ["${GATEWAY_PORT:-8000}:8000"]
    assert services["triton"]["ports"]
    assert all(":-127.0.0.1:" in port for port in services["triton"]["ports"])


@pytest.mark.parametrize("name", ["triton", "gateway"])
def test_services_of_the_fleet_are_those_of_one_machine(
    services: dict[str, Any], fleet: dict[str, Any], name: str
) -> None:
    one = {key: value for key, value in services[name].items() if key not in ("build", "ports")}
    assert fleet[name] == {**one, "scale": 2}


def test_only_nginx_of_the_fleet_is_published_on_every_address(fleet: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in fleet.items() if "ports" in service}
    assert ports.pop("nginx") == ["${GATEWAY_PORT:-8000}:8000"]
    assert ports.keys() == {"prometheus", "grafana"}
    assert all(":-127.0.0.1:" in port for port in (*ports["prometheus"], *ports["grafana"]))


def test_every_file_that_the_fleet_mounts_exists(fleet: dict[str, Any]) -> None:
    mounts = [mount for service in fleet.values() for mount in service.get("volumes", ())]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) == 5
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_triton_waits_for_the_first_export() -> None:
    text = (ROOT / "docker" / "triton.Dockerfile").read_text(encoding="utf-8")
    assert '"--wait-for-models"' in text


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_every_stage_trusts_the_certificates(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    stages = [line for line in text.splitlines() if line.startswith("FROM ")]
    assert stages[0].endswith(" AS base")
    assert stages[1:] == ["FROM base AS wheel", "FROM base"]
    assert "COPY docker/certificates " in text and "update-ca-certificates" in text
