"""Properties of the distribution: the packages that its extras install."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

NAME = "triton-embed"


def installed_by(*extras: str) -> set[str]:
    """Return the names of the distributions that `extras` install, with their own dependencies."""
    found: set[str] = set()
    waiting = [Requirement(f"{NAME}[{','.join(extras)}]")]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        visited = f"{name}[{','.join(sorted(wanted.extras))}]"
        if visited in found:
            continue
        found |= {name, visited}
        try:
            declared = map(Requirement, requires(name) or ())
        except PackageNotFoundError:
            continue
        waiting += [
            each
            for each in declared
            if not each.marker
            or any(each.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras))
        ]
    return found


def test_serving_installs_no_machine_learning_framework() -> None:
    found = installed_by("serve", "gateway", "otel")
    assert {"nvidia-pytriton", "fastapi", "onnxruntime"} <= found
    assert not found & {"torch", "transformers", "sentence-transformers", "onnx", "scikit-learn"}


def test_export_installs_pytorch() -> None:
    assert "torch" in installed_by("export")
