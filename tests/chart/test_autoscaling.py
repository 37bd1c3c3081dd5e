from __future__ import annotations

from typing import Any

import pytest

from testing.chart import ChartError, Manifests, render

SHARED = {"models.claim.accessModes": ["ReadWriteMany"]}
KEDA = {**SHARED, "triton.autoscaling.mode": "keda"}
HPA = {**SHARED, "triton.autoscaling.mode": "hpa"}
QUEUE = {
    "keda.queueTime": {"enabled": True, "waitingPerReplica": 4, "prometheusAddress": "http://p"}
}


def scalers(manifests: Manifests) -> list[str]:
    kinds = ("HorizontalPodAutoscaler", "ScaledObject")
    return [each["kind"] for each in manifests.objects if each["kind"] in kinds]


@pytest.mark.parametrize(
    ("values", "expected"),
    [({}, []), (HPA, ["HorizontalPodAutoscaler"]), (KEDA, ["ScaledObject"])],
)
def test_number_of_pods_has_one_owner(values: dict[str, Any], expected: list[str]) -> None:
    manifests = render(values)
    assert scalers(manifests) == expected
    assert ("replicas" in manifests.one("Deployment", "-triton")["spec"]) == (not expected)


def test_cpu_is_that_of_the_working_container() -> None:
    (metric,) = render(HPA).one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["containerResource"]["container"] == "triton"
    sidecar = render({**SHARED, "topology": "pod", "gateway.autoscaling.mode": "hpa"})
    (metric,) = sidecar.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["containerResource"]["container"] == "triton"
    requests = sidecar.container("triton")["resources"]["requests"]
    assert "cpu" in requests, "a utilization is relative to the request"


def test_keda_adds_up_the_inputs_of_all_gateways() -> None:
    scaled = render(KEDA).one("ScaledObject")["spec"]
    (trigger,) = scaled["triggers"]
    metadata = trigger["metadata"]
    assert metadata["url"] == "http://r-triton-embed.ns.svc.cluster.local:8000/metrics"
    assert metadata["aggregationType"] == "sum" and metadata["targetValue"] == "64"
    assert all(isinstance(value, str) for value in metadata.values())
    # Without metrics, KEDA must not remove pods.
    assert scaled["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert scaled["minReplicaCount"] == 1


def test_keda_reads_queue_time_from_prometheus() -> None:
    triggers = render({**KEDA, **QUEUE}).one("ScaledObject")["spec"]["triggers"]
    (query,) = [each["metadata"] for each in triggers if each["type"] == "prometheus"]
    assert 'pod=~"r-triton-embed-triton-.+"' in query["query"]
    assert query["ignoreNullValues"] == "false"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**KEDA, "keda.inputsInFlight.enabled": False}, "both triggers"),
        ({**KEDA, "keda.queueTime.enabled": True}, "needs keda.queueTime.prometheusAddress"),
        ({**HPA, "triton.autoscaling.minReplicas": 9}, "larger than maxReplicas"),
        ({**KEDA, "topology": "pod"}, "use gateway.autoscaling"),
        ({**SHARED, "triton.autoscaling.minReplicas": 0}, "minimum"),
        ({**SHARED, "triton.autoscaling.mode": "both"}, "must be one of"),
    ],
)
def test_contradictory_values_are_rejected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ChartError, match=message):
        render(values)


@pytest.mark.parametrize(
    ("values", "api"),
    [
        (KEDA, "keda.sh/v1alpha1"),
        ({"metrics.monitors.enabled": True}, "monitoring.coreos.com/v1"),
        ({"metrics.rules.enabled": True}, "monitoring.coreos.com/v1"),
        (
            {"httpRoute.enabled": True, "httpRoute.parentRefs": [{"name": "edge"}]},
            "gateway.networking.k8s.io/v1",
        ),
    ],
)
def test_objects_that_the_cluster_does_not_know_are_rejected(
    values: dict[str, Any], api: str
) -> None:
    with pytest.raises(ChartError, match=f"needs {api}, which this cluster does not have"):
        render(values, apis=())
