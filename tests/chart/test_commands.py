"""The commands and variables in all manifests are those that our command line accepts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from testing import chart
from testing.chart import CHART, containers, parse, render
from testing.paths import ROOT
from triton_embed.cli import COMMANDS
from triton_embed.runtime.options import SettingOption

BASE = ROOT / "deploy" / "kustomize" / "base" / "triton-embed.yaml"
RUNTIME = ROOT / "deploy" / "kserve" / "servingruntime.yaml"
NIM_SERVICE = ROOT / "deploy" / "nim-operator" / "nimservice.yaml"
VALUE_FILES = sorted(CHART.glob("values-*.yaml"))

OPERATOR_VARIABLES = {
    "NIM_SERVER_PORT": "8000",
    "NIM_HTTP_API_PORT": "8000",
    "NIM_JSONL_LOGGING": "1",
    "NIM_LOG_LEVEL": "INFO",
    "NIM_GRPC_API_PORT": "8001",
    "NIM_TRITON_GRPC_PORT": "8001",
    "NIM_TRITON_METRICS_PORT": "8002",
}
"""Variables that the NIM operator sets for a NIMService with three ports."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_EMBED_WORKERS", raising=False)


def parsed(container: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the options that a container's command line and environment give to our command.

    All variables of our commands are known: none would be ignored.
    """
    program, name, *options = container["command"]
    assert program == "triton-embed"
    command = COMMANDS[name].load()
    known = {
        variable
        for option in command.params
        if isinstance(option, SettingOption)
        for variable in option.envvar or ()
    }
    for variable in container.get("env", ()):
        value = variable.get("value", "one,two")
        if variable["name"].startswith(("TRITON_EMBED_", "NIM_")) and value:
            assert variable["name"] in known, f"{name} ignores {variable['name']}"
            monkeypatch.setenv(variable["name"], value)
    arguments = [*options, *container["args"]]
    with command.make_context(name, arguments, resilient_parsing=False) as context:
        return context.params


def check(container: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with monkeypatch.context() as patch:
        try:
            return parsed(container, patch)
        except click.UsageError as error:
            pytest.fail(f"{container['name']}: {error.format_message()}")


def commands(manifests: chart.Manifests) -> Iterator[Any]:
    for container in manifests.containers():
        if container["command"][0] == "triton-embed":
            yield container


@pytest.mark.without_helm
def test_plain_manifests_start_valid_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = parse(BASE.read_text(encoding="utf-8"))
    options = {each["name"]: check(each, monkeypatch) for each in commands(manifests)}
    assert set(options) == {"gateway", "triton", "export-0", "list"}
    gateway, triton = options["gateway"], options["triton"]
    assert gateway["host"] == ("0.0.0.0",) and gateway["port"] == 8000
    assert gateway["triton_address"] == "triton-embed-triton:8001"
    assert gateway["status_port"] == triton["status_port"] == 8004
    assert triton["gateway"] is False and triton["wait_for_models"] is True
    assert triton["model_repository"] == options["export-0"]["model_repository"]
    assert options["export-0"]["if_needed"] is True


@pytest.mark.without_helm
def test_kserve_runtime_starts_a_valid_command(monkeypatch: pytest.MonkeyPatch) -> None:
    (runtime,) = parse(RUNTIME.read_text(encoding="utf-8")).objects
    (container,) = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container"
    options = check(container, monkeypatch)
    assert options["gateway"] is True and options["port"] == 8080
    assert options["model_repository"] == Path("/mnt/models")


@pytest.mark.without_helm
def test_nim_service_gets_its_ports_from_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    (service,) = parse(NIM_SERVICE.read_text(encoding="utf-8")).objects
    spec = service["spec"]
    env = [{"name": name, "value": value} for name, value in OPERATOR_VARIABLES.items()]
    container = {"name": "nim", "command": spec["command"], "args": spec["args"], "env": env}
    options = check(container, monkeypatch)
    ports = spec["expose"]["service"]
    assert options["port"] == ports["port"]
    assert options["triton_grpc_port"] == ports["grpcPort"]
    assert options["triton_metrics_port"] == ports["metricsPort"]
    assert options["log_level"] == "info" and options["log_jsonl"] is True


@pytest.mark.parametrize("path", VALUE_FILES, ids=lambda path: path.stem)
def test_value_file_starts_valid_commands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(commands(render(files=[path])))
    assert {each["name"] for each in found} >= {"gateway", "triton", "export-0", "list"}
    for each in found:
        check(each, monkeypatch)


def test_settings_reach_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = {
        "drain_seconds": 40,
        "max_body_bytes": 64 << 20,
        "max_queue_seconds": 0.5,
        "cors_origins": ["https://a.example", "https://b.example"],
        "log_jsonl": True,
        "workers": 3,
    }
    triton = {
        "served_model_name": ["a", "b"],
        "performance_mode": "throughput",
        "token_arrays": False,
        "encoder_instances": 2,
    }
    manifests = render(
        {"gateway.settings": gateway, "triton.settings": triton, "auth.create": True}
    )
    options = check(manifests.container("gateway"), monkeypatch)
    expected = {**gateway, "cors_origins": tuple(gateway["cors_origins"])}  # type: ignore[arg-type]
    assert expected.items() <= options.items()
    assert options["api_keys"] == ("one", "two")
    options = check(manifests.container("triton"), monkeypatch)
    assert {**triton, "served_model_name": ("a", "b")}.items() <= options.items()


def test_sidecar_starts_a_valid_command(monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = render({"topology": "pod", "gateway.replicas": 1, "gateway.tlsSecret": "tls"})
    pod = manifests.pod("Deployment")
    triton, gateway = (check(each, monkeypatch) for each in containers(pod))
    assert triton["gateway"] is False
    assert (gateway["tls_certificate"], gateway["tls_key"]) == ("/tls/tls.crt", "/tls/tls.key")
