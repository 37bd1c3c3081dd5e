"""The files besides the chart: the plain rendering, KServe and the NIM operator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from testing import chart, kubernetes_schemas
from testing.paths import ROOT

DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kustomize" / "base" / "triton-embed.yaml"
OPERATORS = [*sorted((DEPLOY / "kserve").glob("*")), *sorted((DEPLOY / "nim-operator").glob("*"))]


def test_plain_manifests_are_the_rendered_chart(tmp_path: Path) -> None:
    for folder in ("deploy", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    helm = chart.program("helm")
    subprocess.run([tmp_path / "tools" / "render_manifests.sh", str(helm)], check=True)
    rendered = (tmp_path / BASE.relative_to(ROOT)).read_text(encoding="utf-8")
    assert rendered == BASE.read_text(encoding="utf-8"), "run make manifests"
    assert "helm" not in rendered.lower().replace("make manifests", "")


@pytest.mark.parametrize("folder", ["base", "gpu"])
def test_kustomize_builds_valid_objects(folder: str) -> None:
    kubectl = chart.program("kubectl")
    if not kubectl:
        pytest.skip("needs kubectl: make test-chart")
    command = [kubectl, "kustomize", str(DEPLOY / "kustomize" / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    objects = chart.parse(done.stdout).objects
    assert {"Deployment", "Service", "Job"} <= {each["kind"] for each in objects}
    for version in kubernetes_schemas.newest_versions(3):
        assert [
            error for each in objects for error in kubernetes_schemas.errors(each, version)
        ] == []


@pytest.mark.parametrize("path", OPERATORS, ids=lambda path: path.stem)
def test_objects_of_operators_are_valid(path: Path) -> None:
    for each in chart.parse(path.read_text(encoding="utf-8")).objects:
        assert kubernetes_schemas.errors(each, "") == []
