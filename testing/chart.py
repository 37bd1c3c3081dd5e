"""The Helm chart as ``helm template`` renders it, and checks of the rendered objects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testing.paths import ROOT

CHART = ROOT / "deploy" / "helm" / "triton-embed"

APIS = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1")
"""APIs that a cluster may lack."""

Object = Mapping[str, Any]


class ChartError(Exception):
    """The chart cannot be rendered; the text is Helm's message."""


@dataclass(frozen=True)
class Manifests:
    """Objects of Kubernetes.

    Attributes:
        objects: The objects, in any order.
    """

    objects: Sequence[Object]

    def of_kind(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> Any:
        """Return the only object of a kind whose name ends with `suffix`."""
        named = [each for each in self.of_kind(kind) if each["metadata"]["name"].endswith(suffix)]
        assert len(named) == 1, f"{len(named)} objects of kind {kind} end with '{suffix}'"
        return named[0]

    def pod(self, kind: str, suffix: str = "") -> Any:
        """Return the spec of the pods of the only such object."""
        spec = self.one(kind, suffix)["spec"]
        return spec if kind == "Pod" else spec["template"]["spec"]

    def pods(self) -> list[Any]:
        """Return the specs of all pods."""
        found = [each["spec"] for each in self.of_kind("Pod")]
        for kind in ("Deployment", "Job"):
            found += [each["spec"]["template"]["spec"] for each in self.of_kind(kind)]
        return found

    def containers(self) -> list[Any]:
        """Return all containers."""
        return [each for pod in self.pods() for each in containers(pod)]

    def container(self, name: str) -> Any:
        """Return the only container of a name."""
        (found,) = [each for each in self.containers() if each["name"] == name]
        return found


def containers(pod: Any) -> list[Any]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def parse(text: str) -> Manifests:
    """Return the objects of a file in YAML."""
    return Manifests([each for each in yaml.safe_load_all(text) if each])


def program(name: str) -> str | None:
    """Return the path of helm or kubectl as ``make test-chart`` installs it, if it is installed.

    Other versions, on the PATH, render other blank lines.
    """
    own = Path(sys.executable).with_name(name)
    return str(own) if own.is_file() else None


def helm(*arguments: str) -> str:
    """Run helm and return its output.

    Raises:
        ChartError: the exit status is not 0.
    """
    path = program("helm")
    assert path, "there is no helm: run make test-chart"
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartError(done.stdout + done.stderr)
    return done.stdout


def render(
    values: Mapping[str, Any] | None = None,
    *,
    files: Iterable[Path] = (),
    apis: Sequence[str] = APIS,
    version: str = "1.37",
) -> Manifests:
    """Return the objects of the chart as release ``r`` in the namespace ``ns``.

    Args:
        values: Values, which take precedence over those of `files`.
        files: Files with values.
        apis: APIs that the cluster has besides those of Kubernetes.
        version: Version of Kubernetes.

    Raises:
        ChartError: the values are rejected.
    """
    options = [f"--api-versions={api}" for api in apis]
    options += [f"--values={path}" for path in files]
    options += [f"--set-json={name}={json.dumps(value)}" for name, value in (values or {}).items()]
    common = ["--namespace=ns", f"--kube-version={version}"]
    return parse(helm("template", "r", str(CHART), *common, *options))
