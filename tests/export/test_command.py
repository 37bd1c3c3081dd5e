from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.cli import main
from triton_embed.contract.options import EmbeddingType
from triton_embed.export import exporter
from triton_embed.export.request import ExportRequest


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[ExportRequest]:
    """The requests of the exports, which are replaced by no-ops."""
    received: list[ExportRequest] = []
    monkeypatch.setattr(exporter, "export", received.append)
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
