from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from testing.paths import ROOT
from triton_embed.cli import main
from triton_embed.contract.options import EmbeddingType
from triton_embed.contract.spec import ModelSpec
from triton_embed.export import exporter
from triton_embed.export.exporter import ExportedModel
from triton_embed.export.parity.gate import Parity
from triton_embed.export.request import ExportRequest


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[ExportRequest]:
    """The requests of the exports, which are replaced by no-ops."""
    received: list[ExportRequest] = []
    spec = ModelSpec("it's", 64, 1000, 32, prompt_query="q: ", pooling=("cls",), normalized=False)
    parity = Parity(1e-6, 1.0, 1.0, 1e-7, 0, 74, "cpu", "fp32", None)
    exported = ExportedModel(spec, parity)

    def record(request: ExportRequest) -> ExportedModel:
        received.append(request)
        return exported

    monkeypatch.setattr(exporter, "export", record)
    return received


def test_export_overrides_only_the_given_options(requests: list[ExportRequest]) -> None:
    assert main(["export", "owner/name"]) == 0
    assert requests == [ExportRequest("owner/name", Path("model_repository"))]


def test_export_options_become_a_request(
    requests: list[ExportRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_EMBED_MODEL_REPOSITORY", "/models")
    options = ["--model-id", "id", "--target", "cuda", "--precision", "bf16"]
    options += ["--max-batch-size", "8", "--revision", "v1"]
    overrides = ["--prompt-query", "", "--symmetric", "--max-tokens", "9", "--matryoshka", "none"]
    overrides += ["--embedding-types", "float,INT8", "--pooling", "cls,mean"]
    assert main(["export", "owner/name", *options, *overrides]) == 0
    assert requests == [
        ExportRequest(
            "owner/name",
            Path("/models"),
            model_id="id",
            revision="v1",
            target="cuda",
            precision="bf16",
            max_batch_size=8,
            overrides={
                "prompt_query": "",
                "requires_input_type": False,
                "max_tokens": 9,
                "matryoshka": None,
                "embedding_types": (EmbeddingType.FLOAT, EmbeddingType.INT8),
                "pooling": ("cls", "mean"),
            },
        )
    ]


@pytest.mark.parametrize(("text", "dimensions"), [("any", ()), ("64,32", (64, 32)), ("none", None)])
def test_matryoshka_dimensions_are_a_list_or_a_word(
    text: str, dimensions: tuple[int, ...] | None, requests: list[ExportRequest]
) -> None:
    assert main(["export", "owner/name", "--matryoshka", text]) == 0
    assert requests[0].overrides.get("matryoshka", "missing") == dimensions


@pytest.mark.parametrize(
    "options",
    [
        ["--matryoshka", "0"],
        ["--embedding-types", "float,int4"],
        ["--pooling", "median"],
        ["--precision", "fp8"],
        ["--max-tokens", "many"],
    ],
)
def test_invalid_option_is_named(
    options: list[str], requests: list[ExportRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "owner/name", *options]) == 2
    assert f"Invalid value for '{options[0]}'" in capsys.readouterr().err
    assert not requests


def test_export_ends_with_the_spec_and_the_commands_that_use_it(
    requests: list[ExportRequest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "owner/name", "--model-repository", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "pooling           cls\n" in printed and "normalized        no\n" in printed
    serve, _, request = printed.splitlines()[-3:]
    assert shlex.split(serve) == ["triton-embed", "serve", "--model-repository", str(tmp_path)]
    *command, body = shlex.split(request)
    assert command[:2] == ["curl", "http://127.0.0.1:8000/v1/embeddings"]
    assert json.loads(body) == {
        "model": "it's",
        "input": ["Hello, world"],
        "input_type": "query",
    }
    assert main(["export", "owner/name", "--no-usage"]) == 0
    printed = capsys.readouterr().out
    assert "normalized        no\n" in printed and "curl" not in printed


def test_dry_run_loads_no_framework(tmp_path: Path, minilm_folder: Path) -> None:
    command = ["export", str(minilm_folder), "--dry-run", "--model-repository", str(tmp_path)]
    program = (
        "import sys; from triton_embed.cli import main\n"
        f"assert main({command!r}) == 0\n"
        "modules = {'onnx', 'onnxruntime', 'sentence_transformers', 'torch', 'transformers'}\n"
        "assert not modules & sys.modules.keys(), modules & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "max tokens" in done.stdout
