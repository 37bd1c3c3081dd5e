from __future__ import annotations

from typing import Any

import pytest

from testing import kubernetes_api
from testing.chart import CHART, ChartError, Manifests, containers, helm, parse, render

TOPOLOGIES = [{}, {"topology": "pod"}]


@pytest.fixture(scope="module", params=TOPOLOGIES, ids=["split", "pod"])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    shared = {"models.claim.accessModes": ["ReadWriteMany"]}
    return render({**shared, "auth.create": True, "gateway.tlsSecret": "tls", **request.param})


def test_pods_run_without_privileges(manifests: Manifests) -> None:
    for pod in manifests.pods():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == 1000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in manifests.containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_pods_have_neither_a_token_nor_variables_of_services(manifests: Manifests) -> None:
    assert manifests.one("ServiceAccount")["automountServiceAccountToken"] is False
    for pod in manifests.pods():
        assert pod["automountServiceAccountToken"] is False
        # TRITON_EMBED_PORT of a Service triton-embed would be read as a setting.
        assert pod["enableServiceLinks"] is False


def test_every_container_can_write_to_its_temporary_folder(manifests: Manifests) -> None:
    for pod in manifests.pods():
        volumes = {each["name"]: each for each in pod.get("volumes", ())}
        for container in containers(pod):
            if container["name"] == "embed":
                continue
            mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
            assert "emptyDir" in volumes[mounts["/tmp"]]


def test_shared_memory_is_a_volume_in_memory(manifests: Manifests) -> None:
    (pod,) = [
        pod for pod in manifests.pods() if "triton" in {each["name"] for each in containers(pod)}
    ]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "shared-memory"]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    mounts = {each["name"]: each for each in manifests.container("triton")["volumeMounts"]}
    assert mounts["shared-memory"]["mountPath"] == "/dev/shm"
    assert mounts["models"]["readOnly"] is True


def test_every_container_has_a_memory_limit(manifests: Manifests) -> None:
    for container in manifests.containers():
        assert "memory" in container["resources"]["limits"]


def test_generated_keys_are_kept_and_never_in_a_pod(manifests: Manifests) -> None:
    secret = manifests.one("Secret")
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    (key,) = secret["data"].values()
    for pod in manifests.pods():
        assert key not in str(pod)
    (variable,) = [
        each
        for each in manifests.container("gateway")["env"]
        if each["name"] == "TRITON_EMBED_API_KEYS"
    ]
    name = secret["metadata"]["name"]
    assert variable["valueFrom"] == {"secretKeyRef": {"name": name, "key": "api-keys"}}


def test_upgrade_keeps_the_generated_key() -> None:
    secret = dict(render({"auth.create": True}).one("Secret"))
    release = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"}
    metadata = secret["metadata"]
    metadata = {**metadata, "namespace": "ns", "annotations": metadata["annotations"] | release}
    with kubernetes_api.serving([{**secret, "metadata": metadata}]) as url:
        options = ["--dry-run=server", "--disable-openapi-validation", f"--kube-apiserver={url}"]
        options += ["--namespace=ns", "--set=auth.create=true", "--is-upgrade"]
        upgraded = parse(helm("template", "r", str(CHART), *options))
    assert upgraded.one("Secret")["data"] == secret["data"]
    assert render({"auth.create": True}).one("Secret")["data"] != secret["data"]


def test_own_secret_is_used_and_not_created() -> None:
    manifests = render({"auth.existingSecret": "mine", "auth.key": "keys"})
    assert manifests.of_kind("Secret") == []
    env = {each["name"]: each for each in manifests.container("gateway")["env"]}
    reference = env["TRITON_EMBED_API_KEYS"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "mine", "key": "keys"}
    with pytest.raises(ChartError, match="exclude each other"):
        render({"auth.existingSecret": "mine", "auth.create": True})


def test_hub_token_reaches_only_the_export() -> None:
    manifests = render({"models.export.tokenSecret": {"name": "hub", "key": "token"}})
    with_token = [
        each["name"] for each in manifests.containers() if "HF_TOKEN" in str(each.get("env"))
    ]
    assert with_token == ["export-0"]


def test_certificate_is_served_and_probed_over_tls() -> None:
    manifests = render({"gateway.tlsSecret": "tls", "metrics.monitors.enabled": True})
    gateway = manifests.container("gateway")
    assert gateway["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert manifests.one("ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    (mount,) = [each for each in gateway["volumeMounts"] if each["name"] == "tls"]
    assert mount["readOnly"]
    assert all(option in gateway["args"] for option in ("--tls-certificate", "--tls-key"))


def test_image_is_pinned_by_digest() -> None:
    digest = "sha256:" + "0" * 64
    values: dict[str, Any] = {"image.registry": "registry/a/", "image.tag": "9"}
    manifests = render({**values, "gateway.image.digest": digest})
    assert manifests.container("gateway")["image"] == f"registry/a/gateway:9@{digest}"
    assert manifests.container("triton")["image"] == "registry/a/triton:9"
