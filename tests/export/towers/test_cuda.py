"""An export for CUDA uses ONNX Runtime's packed attention as documented."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from tritonclient.grpc import model_config_pb2

from testing.family_repository import Families
from testing.nemotron_vl_checkpoint import nemotron_vl_checkpoint
from triton_embed.cli import main
from triton_embed.export.graph import storage
from triton_embed.export.packing import Packing, pack
from triton_embed.export.towers import attention
from triton_embed.repository.config import read as read_config


def run(folder: Path, repository: Path, precision: str = "fp32") -> int:
    flags = ["--model-id", "m", "--target", "cuda", "--precision", precision]
    return main(["export", str(folder), "--model-repository", str(repository), *flags])


def operators(graph: onnx.GraphProto) -> list[str]:
    found = []
    for node in graph.node:
        found.append(node.op_type)
        for attribute in node.attribute:
            found += operators(attribute.g)
    return found


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("embedding-gemma", "PackedMultiHeadAttention"),
        ("mistral-sliding", "PackedMultiHeadAttention"),
        ("mpnet", "PackedMultiHeadAttention"),
        ("qwen3-embedding", "MultiHeadAttention"),
    ],
)
def test_windows_shared_heads_causality_and_relative_bias_equal_the_reference(
    tmp_path: Path, families: Families, name: str, kernel: str
) -> None:
    assert run(families.checkpoint(name), tmp_path / "repository") == 0
    version = tmp_path / "repository" / "m_encoder" / "1"
    used = operators(onnx.load(version / "model.onnx").graph)
    assert {kind for kind in used if "Attention" in kind} == {kernel}
    assert json.loads((version / "parity.json").read_text())["max_absolute_error"] < 1e-4


def test_fused_model_equals_the_reference(tmp_path: Path) -> None:
    assert run(nemotron_vl_checkpoint(tmp_path / "nemotron"), tmp_path / "repository") == 0
    version = tmp_path / "repository" / "m_encoder" / "1"
    used = operators(onnx.load(version / "model.onnx").graph)
    assert {kind for kind in used if "Attention" in kind} == {"PackedMultiHeadAttention"}
    assert json.loads((version / "parity.json").read_text())["max_absolute_error"] < 1e-4


def test_minilm_equals_the_reference_and_the_caveat_is_printed(
    tmp_path: Path, minilm_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(minilm_folder, tmp_path / "repository", "fp16") == 0
    encoder = tmp_path / "repository" / "m_encoder"
    report = json.loads((encoder / "1" / "parity.json").read_text())
    assert report["min_cosine"] > 0.9995
    assert (report["target"], report["precision"]) == ("cuda", "fp16")
    assert "its CUDA kernel was not run" in report["caveat"]
    assert "its CUDA kernel was not run" in capsys.readouterr().err
    files = {path.name for path in (encoder / "1").iterdir()}
    assert files == {"model.onnx", "model.onnx.data", "provenance.json", "parity.json"}
    config = read_config(encoder)
    assert config.backend == "onnxruntime"
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU


def test_verify_without_a_gpu_writes_nothing_next_to_large_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_folder: Path
) -> None:
    monkeypatch.setattr(storage, "MAX_EMBEDDED_BYTES", 1_000_000)
    assert run(tiny_folder, tmp_path) == 0
    assert (tmp_path / "m_encoder" / "1" / "model.onnx.data").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert main(["verify", "m", "--model-repository", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_wrongly_packed_tokens_fail_the_gate(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        Packing, "token_offset", property(lambda self: self.gather_index.to(torch.int32))
    )
    assert run(tiny_folder, tmp_path / "repository") == 1
    assert "parity with the reference failed" in capsys.readouterr().err


def test_token_offsets_follow_the_documentation_of_the_operator() -> None:
    packing = pack([1, 2, 4])
    assert packing.token_offset.flatten().tolist() == [0, 4, 5, 8, 9, 10, 11, 1, 2, 3, 6, 7]
    assert packing.cumulative_lengths.tolist() == [0, 1, 3, 7]


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_plain_attention_equals_torch_on_each_item_alone(
    window: int | None, causal: bool, biased: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = [5, 1, 9]
    query = torch.randn(1, 4, sum(lengths), 8, generator=generator)
    key, value = torch.randn(2, 1, 2, sum(lengths), 8, generator=generator)
    bias = torch.randn(1, 4, 9, 9, generator=generator) if biased else None
    got = attention.tensorrt(
        attention.Attention(
            query,
            key,
            value,
            packing=pack(lengths),
            scaling=0.3,
            causal=causal,
            sliding_window=window,
            bias=bias,
        )
    )
    got = got.reshape(1, sum(lengths), 4, 8)
    start = 0
    for length in lengths:
        tokens = slice(start, start + length)
        place = torch.arange(length)
        distance = place[:, None] - place
        seen = distance.abs() < (window or length)
        mask = torch.zeros(length, length).masked_fill(~seen, float("-inf"))
        if causal:
            mask = mask.masked_fill(distance < 0, float("-inf"))
        if bias is not None:
            mask = mask + bias[0, :, :length, :length]
        expected = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, tokens],
            key[:, :, tokens],
            value[:, :, tokens],
            attn_mask=mask,
            scale=0.3,
            enable_gqa=True,
        )
        assert torch.allclose(got[:, tokens].transpose(1, 2), expected, atol=1e-6)
        start += length
