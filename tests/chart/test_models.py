from __future__ import annotations

from typing import Any

import pytest

from testing.chart import ChartError, Manifests, render

TWO = [
    {"source": "owner/a", "id": "a", "revision": "v1", "target": "cuda", "precision": "fp16"},
    {"source": "/checkpoints/b", "args": ["--max-tokens", "128"]},
]


def models_volume(manifests: Manifests) -> Any:
    pod = manifests.pod("Deployment", "-triton")
    (volume,) = [each for each in pod["volumes"] if each["name"] == "models"]
    return volume


def test_several_checkpoints_are_exported_one_after_the_other() -> None:
    pod = render({"models.export.checkpoints": TWO}).pod("Job")
    first, second = (each["args"] for each in pod["initContainers"])
    common = ["--model-repository", "/models/repository"]
    end = ["--if-needed", "--"]
    options = ["--model-id", "a", "--revision", "v1", "--target", "cuda", "--precision", "fp16"]
    assert first == [*common, *options, *end, "owner/a"]
    assert second == [*common, "--max-tokens", "128", *end, "/checkpoints/b"]


def test_job_gets_another_name_if_its_pod_changes() -> None:
    def name(values: dict[str, Any]) -> str:
        return str(render(values).one("Job")["metadata"]["name"])

    first = name({})
    assert name({"triton.replicas": 1, "service.port": 80}) == first
    changes: list[dict[str, Any]] = [
        {"image.tag": "2"},
        {"models.export.checkpoints": TWO},
        {"models.folder": "other"},
        {"commonLabels": {"team": "search"}},
    ]
    assert len({first, *map(name, changes)}) == 1 + len(changes)


def test_new_claim_is_kept_and_shared_by_several_pods_only_if_it_can_be() -> None:
    claim = render().one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "storageClassName" not in claim["spec"]
    with pytest.raises(ChartError, match=r"up to 3 pods .* \[ReadWriteMany\]"):
        render({"triton.replicas": 3})
    with pytest.raises(ChartError, match=r"up to 4 pods .* \[ReadWriteMany\]"):
        render({"triton.autoscaling.mode": "hpa"})
    render({"triton.replicas": 3, "models.claim.accessModes": ["ReadWriteMany"]})


def test_existing_claim_needs_no_export() -> None:
    manifests = render(
        {
            "models.claim.existing": "mine",
            "models.folder": "",
            "models.export.checkpoints": [],
            "triton.replicas": 3,
        }
    )
    assert manifests.of_kind("PersistentVolumeClaim") == manifests.of_kind("Job") == []
    assert models_volume(manifests)["persistentVolumeClaim"] == {"claimName": "mine"}
    args = manifests.container("triton")["args"]
    assert args[args.index("--model-repository") + 1] == "/models"
    with pytest.raises(ChartError, match="would stay empty"):
        render({"models.export.checkpoints": []})


def test_image_volume_needs_a_recent_kubernetes() -> None:
    values = {"models.source": "image", "models.image.reference": "registry/models:1"}
    manifests = render({**values, "triton.replicas": 3})
    assert models_volume(manifests)["image"]["reference"] == "registry/models:1"
    assert manifests.of_kind("PersistentVolumeClaim") == manifests.of_kind("Job") == []
    with pytest.raises(ChartError, match=r"Kubernetes 1\.33 or newer; this is v1\.32"):
        render(values, version="1.32")
    with pytest.raises(ChartError, match=r"set models\.image\.reference"):
        render({"models.source": "image"})


def test_triton_waits_for_the_export() -> None:
    assert "--wait-for-models" in render().container("triton")["args"]
