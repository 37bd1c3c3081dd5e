from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from triton_embed.cli import main
from triton_embed.contract.pipelines import ENCODER
from triton_embed.export.installed import find_installed
from triton_embed.export.request import ExportRequest
from triton_embed.repository import config, layout
from triton_embed.repository.provenance import Provenance

COMMIT = "0123456789" * 4


@pytest.fixture
def request_of_installed(stub_repository: Path) -> ExportRequest:
    """The request whose model `tiny` is installed."""
    encoder = layout.version_folder(stub_repository, ENCODER.triton_name("tiny"))
    Provenance("owner/tiny", COMMIT, "bert", target="cuda", precision="fp16").write(encoder)
    return ExportRequest("owner/tiny", stub_repository, model_id="Tiny", target="cuda")


@pytest.mark.parametrize("revision", [None, COMMIT, "main"])
@pytest.mark.parametrize("precision", [None, "fp16"])
def test_same_model_is_installed(
    request_of_installed: ExportRequest, revision: str | None, precision: str | None
) -> None:
    request = replace(request_of_installed, revision=revision, precision=precision)
    found = find_installed(request)
    assert found and found.display_name == "tiny"


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint": "owner/other"},
        {"model_id": "other"},
        {"revision": COMMIT[::-1]},
        {"target": "cpu"},
        {"precision": "fp32"},
        {"model_repository": Path("/nowhere")},
    ],
)
def test_other_model_is_not_installed(
    request_of_installed: ExportRequest, changes: dict[str, Any]
) -> None:
    assert find_installed(replace(request_of_installed, **changes)) is None


def test_model_of_another_version_is_not_installed(request_of_installed: ExportRequest) -> None:
    for path in request_of_installed.model_repository.glob(f"*/{layout.CONFIG_FILE}"):
        changed = config.read(path.parent)
        changed.parameters["spec_version"].string_value = "0"
        config.write(path.parent, changed)
    assert find_installed(request_of_installed) is None


def test_export_of_an_installed_model_does_nothing_if_it_is_not_needed(
    request_of_installed: ExportRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model-id", "tiny", "--target", "cuda", "--if-needed"]
    repository = str(request_of_installed.model_repository)
    assert main(["export", "owner/tiny", *options, "--model-repository", repository]) == 0
    assert "already installed" in capsys.readouterr().out
