"""Schemas of the objects of Kubernetes and of the operators that we support."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from testing.paths import ROOT

OPERATORS = ROOT / "tests" / "chart" / "schemas"
"""Schemas of the kinds that operators define, by kind, with the fields that we use."""

VERSION_FOLDER = re.compile(r"v(\d+\.\d+)\.\d+-local-strict")


def newest_versions(count: int) -> list[str]:
    """Return the newest versions of Kubernetes that the package kubernetes-validate has."""
    found = [VERSION_FOLDER.fullmatch(folder.name) for folder in _package().iterdir()]
    versions = [each[1] for each in found if each]
    return sorted(versions, key=lambda version: tuple(map(int, version.split("."))))[-count:]


def errors(thing: Any, version: str) -> list[str]:
    """Return the errors of an object, unknown fields included, in a version of Kubernetes."""
    validator = _validator(thing["kind"], thing["apiVersion"], version)
    name = f"{thing['kind']} {thing['metadata']['name']}"
    return [
        f"{name} in {version}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(thing)
    ]


def _package() -> Path:
    folder = Path(str(resources.files("kubernetes_validate")))
    return folder / "kubernetes-json-schema"


@lru_cache
def _validator(kind: str, api: str, version: str) -> Any:
    own = OPERATORS / f"{kind}.json"
    if own.is_file():
        return Draft202012Validator(_json(own))
    # The file of NetworkPolicy in networking.k8s.io/v1 is networkpolicy-networking-v1.json.
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    (folder,) = _package().glob(f"v{version}.*-local-strict")
    schema = _json(folder / f"{kind.lower()}-{name}.json")
    return Draft202012Validator(schema, registry=_definitions(folder))


@lru_cache
def _definitions(folder: Path) -> Any:
    definitions = Resource.from_contents(_json(folder / "_definitions.json"))
    return definitions @ Registry()


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
