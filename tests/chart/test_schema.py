from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testing.chart import CHART, ChartError, render
from triton_embed.gateway.settings import Settings as GatewaySettings
from triton_embed.runtime.common_settings import LogSettings
from triton_embed.runtime.settings import SettingsBase, setting_fields
from triton_embed.serve.settings import ModelSettings, TritonSettings

FIXED = {
    *("host", "port", "tls_certificate", "tls_key", "api_keys", "triton_address", "status_port"),
    *("model_repository", "wait_for_models"),
    *("triton_host", "triton_grpc_port", "triton_http_port", "triton_metrics_port"),
}
"""Settings that the chart sets itself."""

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of the schema with its path."""
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield f"{path}.{name}", value
        for key, value in schema.items():
            yield from properties(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value, path)


def names(*kinds: type[SettingsBase]) -> set[str]:
    return {field.name for kind in kinds for field in setting_fields(kind)} - FIXED


@pytest.mark.without_helm
def test_every_value_is_described() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 150
    # An environment variable's reference is an object of Kubernetes.
    references = ("KeyRef", "fieldRef", "resourceFieldRef")
    missing = [
        path
        for path, value in found.items()
        if "description" not in value and not path.endswith(references)
    ]
    assert missing == []
    for path, value in found.items():
        text = value.get("description", "A.")
        assert text[0].isupper() or text.startswith(("split", "claim", "none")), path
        assert text.endswith("."), path


@pytest.mark.without_helm
@pytest.mark.parametrize(
    ("component", "kinds"),
    [("gateway", [GatewaySettings]), ("triton", [TritonSettings, ModelSettings, LogSettings])],
)
def test_every_setting_is_a_value(component: str, kinds: list[type[SettingsBase]]) -> None:
    settings = SCHEMA["properties"][component]["properties"]["settings"]
    assert set(settings["properties"]) == names(*kinds)
    assert settings["additionalProperties"] is False


@pytest.mark.parametrize(
    "name",
    [
        "gateway.replcas",
        "gateway.settings.max_queue_second",
        "triton.settings.max_queue_seconds",
        "triton.probes.readiness.period",
        "triton.autoscaling.enabled",
        "models.claim.storageclass",
        "models.export.models",
        "networkPolicy.from",
        "image.repository",
        "replicas",
    ],
)
def test_misspelled_value_is_rejected(name: str) -> None:
    with pytest.raises(ChartError, match=f"'{name.rpartition('.')[2]}' not allowed"):
        render({name: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gateway.replicas", "2"),
        ("gateway.replicas", 0),
        ("gateway.settings.workers", 65),
        ("gateway.settings.default_input_type", "document"),
        ("triton.settings.performance_mode", "fast"),
        ("triton.sharedMemory", "1 GB"),
        ("topology", "both"),
        ("models.claim.accessModes", ["ReadOnlyMany"]),
        ("models.folder", "/absolute"),
        ("gateway.image.digest", "sha256:1"),
        ("gateway.extraEnv", {"1A": "b"}),
        ("gateway.extraEnv", {"A": {"secretRef": {"name": "b"}}}),
        ("models.export.checkpoints", [{"id": "without-source"}]),
        ("service.port", 0),
    ],
)
def test_invalid_value_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(ChartError, match="meet the specifications of the schema"):
        render({name: value})
