"""The commands in docs/kubernetes.md render the chart."""

from __future__ import annotations

import re
import shlex

import pytest

from testing import chart
from testing.documents import blocks
from testing.paths import ROOT

PAGE = ROOT / "docs" / "kubernetes.md"
COMMANDS = [shlex.split(line) for block in blocks(PAGE) for line in block.text.splitlines()]
INSTALLATIONS = [command for command in COMMANDS if command[1] == "install"]


@pytest.mark.parametrize("command", INSTALLATIONS, ids=lambda command: command[-1])
def test_documented_command_renders(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, _, *arguments = command
    assert program == "helm"
    apis = [f"--api-versions={api}" for api in chart.APIS]
    assert "kind: Deployment" in chart.helm("template", *arguments, *apis)


@pytest.mark.without_helm
def test_page_names_every_file_with_values() -> None:
    named = set(re.findall(r"`(values[a-z-]*\.yaml)`", PAGE.read_text(encoding="utf-8")))
    assert named == {path.name for path in chart.CHART.glob("values*.yaml")}


@pytest.mark.without_helm
def test_page_names_values_that_exist() -> None:
    names = re.findall(
        r"`((?:models|gateway|triton|keda|networkPolicy|auth|metrics)\.[A-Za-z_.]+)`",
        PAGE.read_text(encoding="utf-8"),
    )
    assert len(names) > 10
    import json

    schema = json.loads((chart.CHART / "values.schema.json").read_text(encoding="utf-8"))
    for name in names:
        part = schema
        for key in name.split("."):
            if "$ref" in part:
                part = schema["$defs"][part["$ref"].rpartition("/")[2]]
            assert key in part["properties"], name
            part = part["properties"][key]
