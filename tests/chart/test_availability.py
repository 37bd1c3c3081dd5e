"""Updates, drains and failures lose no request, as far as the objects can ensure it."""

from __future__ import annotations

from typing import Any

import pytest

from testing.chart import ChartError, render
from triton_embed.contract.status import READY_PATH
from triton_embed.serve.server_command import EXIT_TIMEOUT_SECONDS
from triton_embed.serve.supervisor import TRITON_EXIT_MARGIN_SECONDS

POD = {"topology": "pod", "gateway.replicas": 1}
SHARED = {"models.claim.accessModes": ["ReadWriteMany"]}
DNS_CACHE_SECONDS = 30


@pytest.mark.parametrize("values", [{}, POD], ids=["split", "pod"])
def test_gateway_is_killed_only_after_it_has_drained(values: dict[str, Any]) -> None:
    drain = 90
    manifests = render({**values, "gateway.settings.drain_seconds": drain})
    pod = manifests.pod("Deployment", "-gateway")
    needed = drain + pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    if values:
        needed += EXIT_TIMEOUT_SECONDS + TRITON_EXIT_MARGIN_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= needed + 10


def test_triton_is_killed_only_after_it_has_unloaded_its_models() -> None:
    pod = render().pod("Deployment", "-triton")
    pre_stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = pre_stop + EXIT_TIMEOUT_SECONDS + TRITON_EXIT_MARGIN_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= needed + 10


@pytest.mark.parametrize("component", ["gateway", "triton"])
def test_shorter_grace_period_is_rejected(component: str) -> None:
    name = f"{component}.terminationGracePeriodSeconds"
    with pytest.raises(ChartError, match=f"{name} is 30, but the pods need"):
        render({name: 30})
    assert render({name: 300}).pod("Deployment", component)["terminationGracePeriodSeconds"] == 300


def test_gateways_have_left_a_triton_before_it_stops() -> None:
    deployment = render().one("Deployment", "-triton")["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert deployment["minReadySeconds"] >= DNS_CACHE_SECONDS
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] >= DNS_CACHE_SECONDS


@pytest.mark.parametrize("component", ["gateway", "triton"])
def test_new_pod_is_ready_before_an_old_one_stops(component: str) -> None:
    strategy = render().one("Deployment", component)["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    recreated = render({f"{component}.strategy.type": "Recreate"}).one("Deployment", component)
    assert recreated["spec"]["strategy"] == {"type": "Recreate"}


def test_sidecar_stops_after_the_gateway() -> None:
    pod = render(POD).pod("Deployment")
    (triton,) = pod["initContainers"]
    assert triton["name"] == "triton" and triton["restartPolicy"] == "Always"
    # It gets SIGTERM after the gateway has ended: a pause would only delay the stop.
    assert "lifecycle" not in triton
    assert [each["name"] for each in pod["containers"]] == ["gateway"]


@pytest.mark.parametrize("name", ["gateway", "triton"])
def test_only_readiness_depends_on_models(name: str) -> None:
    container = render().container(name)
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    live = "/v1/health/live"
    assert paths == {"startup": live, "liveness": live, "readiness": READY_PATH}
    # A busy server is slow to respond; it must not be restarted for it.
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    port = ports[container["readinessProbe"]["httpGet"]["port"]]
    assert port == {"gateway": 8000, "triton": 8004}[name]


def test_probe_can_require_one_model() -> None:
    path = f"{READY_PATH}?model=one"
    manifests = render({"gateway.probes.readiness.path": path})
    assert manifests.container("gateway")["readinessProbe"]["httpGet"]["path"] == path


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ["r-triton-embed-gateway"]),
        ({"gateway.replicas": 1}, []),
        ({**SHARED, "triton.replicas": 2}, ["r-triton-embed-gateway", "r-triton-embed-triton"]),
        ({"gateway.pdb.enabled": False}, []),
        ({"gateway.autoscaling.mode": "hpa", "gateway.autoscaling.minReplicas": 1}, []),
        ({**SHARED, "topology": "pod"}, ["r-triton-embed-gateway"]),
    ],
)
def test_budget_exists_for_at_least_two_replicas(
    values: dict[str, Any], expected: list[str]
) -> None:
    budgets = render(values).of_kind("PodDisruptionBudget")
    assert [each["metadata"]["name"] for each in budgets] == expected
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_replicas_are_spread_over_nodes_by_default() -> None:
    manifests = render()
    for component in ("gateway", "triton"):
        (spread,) = manifests.pod("Deployment", component)["topologySpreadConstraints"]
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert (
        render({"gateway.topologySpreadConstraints": []}).pod("Deployment", "-gateway")[
            "topologySpreadConstraints"
        ]
        == []
    )


def test_pods_stay_the_same_if_only_metadata_changes() -> None:
    def templates(values: dict[str, Any]) -> list[Any]:
        manifests = render(values)
        return [each["spec"]["template"] for each in manifests.of_kind("Deployment")]

    keys = {"auth.create": True}
    # Each rendering without a cluster generates another key.
    assert templates(keys) == templates(keys)
    assert templates({}) == templates({"service.port": 80, "metrics.monitors.enabled": True})
    assert templates({}) != templates({"gateway.settings.max_queue_seconds": 2})


def test_selectors_do_not_depend_on_versions() -> None:
    for deployment in render({"commonLabels": {"team": "search"}}).of_kind("Deployment"):
        labels = deployment["spec"]["selector"]["matchLabels"]
        assert set(labels) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }
