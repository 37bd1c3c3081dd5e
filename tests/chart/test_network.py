from __future__ import annotations

from typing import Any

import pytest

from testing.chart import ChartError, Manifests, render

COMPONENT = "app.kubernetes.io/component"
PEER = {"podSelector": {"matchLabels": {"app": "peer"}}}


def rules(manifests: Manifests, suffix: str) -> dict[int, list[Any]]:
    """Return the peers of each port that a policy lets in; an empty list means every peer."""
    policy = manifests.one("NetworkPolicy", suffix)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    peers: dict[int, list[Any]] = {}
    for rule in policy["ingress"]:
        for port in rule["ports"]:
            peers.setdefault(port["port"], []).extend(rule.get("from", []))
    return peers


def components(peers: list[Any]) -> list[str]:
    labels = [each.get("podSelector", {}).get("matchLabels", {}) for each in peers]
    return [each[COMPONENT] for each in labels if COMPONENT in each]


def test_http_is_public_and_triton_is_for_the_gateways() -> None:
    manifests = render()
    assert rules(manifests, "-gateway") == {8000: []}
    triton = rules(manifests, "-triton")
    assert set(triton) == {8001, 8002, 8004}
    assert components(triton[8001]) == ["gateway"] and len(triton[8001]) == 1
    assert components(triton[8004]) == ["gateway"]
    assert {"namespaceSelector": {}} in triton[8002]


def test_peers_limit_each_port() -> None:
    names = ("clients", "grpcClients", "prometheus")
    values: dict[str, Any] = {f"networkPolicy.{name}": [PEER] for name in names}
    manifests = render(values)
    http = rules(manifests, "-gateway")[8000]
    assert http[0] == PEER and components(http[1:]) == ["test"] and len(http) == 2
    triton = rules(manifests, "-triton")
    assert triton[8002] == [PEER] and triton[8001][1:] == [PEER]
    values |= {"topology": "pod", "gateway.replicas": 1, "test.enabled": False}
    sidecar = rules(render(values), "-gateway")
    assert sidecar == {8000: [PEER], 8002: [PEER], 8004: [PEER], 8001: [PEER]}


def test_pods_reach_only_what_they_need() -> None:
    manifests = render()

    def egress(suffix: str) -> list[list[Any]]:
        policy = manifests.one("NetworkPolicy", suffix)["spec"]
        return [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]

    assert egress("-triton") == [[53, 53]]
    assert egress("-gateway") == [[53, 53], [8001, 8004]]
    assert egress("-export") == [[53, 53], [443]]
    assert manifests.one("NetworkPolicy", "-export")["spec"]["ingress"] == []
    assert render({"networkPolicy.enabled": False}).of_kind("NetworkPolicy") == []


def test_gateways_see_every_triton() -> None:
    manifests = render()
    service = manifests.one("Service", "-triton")
    assert service["spec"]["clusterIP"] == "None"
    address = f"{service['metadata']['name']}:8001"
    args = manifests.container("gateway")["args"]
    assert args[args.index("--triton-address") + 1] == address
    sidecar = render({"topology": "pod", "gateway.replicas": 1}).container("gateway")["args"]
    assert sidecar[sidecar.index("--triton-address") + 1] == "127.0.0.1:8001"


@pytest.mark.parametrize("topology", ["split", "pod"])
def test_selectors_find_exactly_the_pods_with_their_ports(topology: str) -> None:
    manifests = render(
        {"topology": topology, "gateway.replicas": 1, "metrics.monitors.enabled": True}
    )
    pods = [each["spec"]["template"] for each in manifests.of_kind("Deployment")]
    pods += [each["spec"]["template"] for each in manifests.of_kind("Job")]

    def ports(selector: dict[str, str]) -> set[str | int]:
        found = [each for each in pods if selector.items() <= each["metadata"]["labels"].items()]
        assert len(found) == 1
        pod = found[0]["spec"]
        every = [*pod.get("initContainers", ()), *pod["containers"]]
        found_ports = [port for each in every for port in each.get("ports", ())]
        return {key for port in found_ports for key in (port["name"], port["containerPort"])}

    for service in manifests.of_kind("Service"):
        wanted = {each["targetPort"] for each in service["spec"]["ports"]}
        assert wanted <= ports(service["spec"]["selector"])
    monitor = manifests.one("PodMonitor")["spec"]
    wanted = {each["port"] for each in monitor["podMetricsEndpoints"]}
    assert wanted == {"metrics", "status"} <= ports(monitor["selector"]["matchLabels"])
    labels = manifests.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    matching = [
        each["metadata"]["name"]
        for each in manifests.of_kind("Service")
        if labels.items() <= each["metadata"]["labels"].items()
    ]
    assert matching == ["r-triton-embed"]


def test_ingress_and_route_lead_to_the_service() -> None:
    ingress = {"enabled": True, "className": "nginx", "host": "a.example", "tlsSecret": "tls"}
    route = {"enabled": True, "parentRefs": [{"name": "edge"}], "hostnames": ["a.example"]}
    manifests = render({"ingress": ingress, "httpRoute": route})
    (rule,) = manifests.one("Ingress")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "r-triton-embed", "port": {"name": "http"}}
    (target,) = manifests.one("HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert target == {"name": "r-triton-embed", "port": 8000}
    with pytest.raises(ChartError, match=r"needs httpRoute\.parentRefs"):
        render({"httpRoute.enabled": True})
