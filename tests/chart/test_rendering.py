"""Every value file, and many combinations of values, give objects that Kubernetes accepts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing import chart, kubernetes_schemas
from testing.chart import CHART, Manifests, parse, render
from triton_embed import __version__

DEPLOY = CHART.parent.parent
VALUE_FILES = sorted(CHART.glob("values-*.yaml"))
COMBINATIONS = 30
VERSIONS = 3

PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}]
PLACEMENT = {
    "nodeSelector": {"pool": "a"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [],
    "priorityClassName": "high",
}
CHOICES: dict[str, Sequence[dict[str, Any]]] = {
    "topology": [{}, {"topology": "pod"}],
    "models": [
        {},
        {"models.claim.existing": "mine", "models.export.checkpoints": [], "models.folder": ""},
        {"models.source": "image", "models.image.reference": "registry/models:1"},
    ],
    "keys": [{}, {"auth.existingSecret": "keys"}, {"auth.create": True}],
    "tls": [{}, {"gateway.tlsSecret": "tls"}],
    "scaling": [
        {},
        {"gateway.autoscaling.mode": "hpa"},
        {"gateway.autoscaling": {"mode": "keda", "behavior": {"scaleDown": {}}}},
        {
            "gateway.autoscaling.mode": "keda",
            "keda.queueTime": {"enabled": True, "prometheusAddress": "http://p"},
        },
    ],
    "exposure": [
        {},
        {"service.type": "LoadBalancer", "service.annotations": {"a": "b"}},
        {"ingress": {"enabled": True, "host": "a.example", "tlsSecret": "tls"}},
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "edge"}]}},
    ],
    "metrics": [
        {},
        {"metrics.monitors.enabled": True, "metrics.rules.enabled": True},
        {"metrics.dashboard.enabled": True},
    ],
    "network": [
        {"networkPolicy.enabled": False},
        {},
        {"networkPolicy.clients": PEERS, "networkPolicy.grpcClients": PEERS},
        {"networkPolicy.prometheus": [], "networkPolicy.extraEgress": [{"to": PEERS}]},
    ],
    "placement": [
        {},
        {
            f"{part}.{name}": each
            for part in ("gateway", "triton")
            for name, each in PLACEMENT.items()
        },
    ],
    "update": [{}, {"gateway.strategy.type": "Recreate", "triton.strategy.type": "Recreate"}],
    "names": [
        {},
        {"fullnameOverride": "other", "commonLabels": {"team": "search"}},
        {"serviceAccount.create": False, "imagePullSecrets": [{"name": "registry"}]},
    ],
    "environment": [
        {},
        {
            "gateway.extraEnv": {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318",
                "NODE": {"fieldRef": {"fieldPath": "spec.nodeName"}},
            },
            "gateway.settings": {"otel": True, "cors_origins": ["https://a", "https://b"]},
            "triton.settings": {"encoder_instances": 2, "token_arrays": False},
        },
    ],
    "devices": [
        {},
        {"triton.runtimeClassName": "nvidia", "triton.resources.limits.nvidia\\.com/gpu": 1},
    ],
}
"""Alternatives of each group of values."""


def combinations() -> list[dict[str, Any]]:
    """Return combinations that contain each alternative at least twice."""
    choose = random.Random(0)
    columns = []
    for alternatives in CHOICES.values():
        repeated = [alternatives[number % len(alternatives)] for number in range(COMBINATIONS)]
        choose.shuffle(repeated)
        columns.append(repeated)
    shared = {"models.claim.accessModes": ["ReadWriteMany"]}
    return [
        shared | {name: value for part in row for name, value in part.items()}
        for row in zip(*columns, strict=True)
    ]


def assert_valid(manifests: Manifests) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests.objects]
    assert len(names) == len(set(names)) > 0
    for version in kubernetes_schemas.newest_versions(VERSIONS):
        for each in manifests.objects:
            assert kubernetes_schemas.errors(each, version) == []


@pytest.mark.parametrize("values", combinations(), ids=map(str, range(COMBINATIONS)))
def test_combination_of_values_is_valid(values: dict[str, Any]) -> None:
    assert_valid(render(values))


@pytest.mark.parametrize("path", VALUE_FILES, ids=lambda path: path.stem)
def test_value_file_is_valid(path: Path) -> None:
    assert_valid(render(files=[path]))
    options = [f"--api-versions={api}" for api in chart.APIS]
    chart.helm("template", "r", str(CHART), f"--values={path}", *options, "--skip-tests")


@pytest.mark.parametrize("path", [None, *VALUE_FILES], ids=lambda path: path and path.stem)
def test_lint_has_no_complaint(path: Path | None) -> None:
    options = [f"--values={path}"] if path else []
    output = chart.helm("lint", "--strict", str(CHART), *options)
    messages = re.findall(r"^\[(\w+)\] (.*)", output, re.MULTILINE)
    assert messages == [("INFO", "Chart.yaml: icon is recommended")]


def test_invalid_object_is_found() -> None:
    version = kubernetes_schemas.newest_versions(1)[0]
    claim = dict(render().one("PersistentVolumeClaim"))
    assert kubernetes_schemas.errors({**claim, "spce": {}}, version)
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "a"}}
    assert kubernetes_schemas.errors({**scaled, "spec": {"triggers": []}}, version)


def test_default_names_fit_into_dns_labels() -> None:
    manifests = render({"fullnameOverride": "a" * 60})
    assert max(len(each["metadata"]["name"]) for each in manifests.objects) <= 63


@pytest.mark.without_helm
def test_manifests_have_the_version_of_the_package() -> None:
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in text
    assert f'\nappVersion: "{__version__}"\n' in text
    (runtime,) = parse((DEPLOY / "kserve" / "servingruntime.yaml").read_text()).objects
    assert runtime["spec"]["containers"][0]["image"].endswith(f":{__version__}")
    (service,) = parse((DEPLOY / "nim-operator" / "nimservice.yaml").read_text()).objects
    assert service["spec"]["image"]["tag"] == __version__


def test_rules_and_dashboard_are_those_of_the_repository() -> None:
    manifests = render({"metrics.rules.enabled": True, "metrics.dashboard.enabled": True})
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))
    assert manifests.one("PrometheusRule")["spec"]["groups"] == rules["groups"]
    dashboard = manifests.one("ConfigMap", "-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    expected = (DEPLOY / "grafana" / "triton-embed.json").read_text(encoding="utf-8")
    assert dashboard["data"] == {"triton-embed.json": expected}
