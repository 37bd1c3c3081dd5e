"""Exported models equal the reference; unsupported checkpoints are rejected."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, DebertaV2Config

from testing.checkpoints import edit_json, tiny_checkpoint, write_json
from testing.onnx_encoder import embed, open_encoder
from triton_embed.cli import main
from triton_embed.contract.serialization import spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.export import progress
from triton_embed.export.errors import ExportError
from triton_embed.export.families.checks import check_architecture
from triton_embed.export.graph import storage
from triton_embed.export.towers import attention
from triton_embed.repository import config


def run(checkpoint: Path | str, repository: Path, *flags: str) -> int:
    return main(["export", str(checkpoint), "--model-repository", str(repository), *flags])


def models(repository: Path) -> set[str]:
    return {path.name for path in repository.iterdir()}


def read_spec(repository: Path, name: str) -> ModelSpec:
    return spec_from_parameters(config.parameters(config.read(repository / name)))


@pytest.mark.parametrize(
    ("pooling", "dense", "normalize"),
    [
        (("cls",), (), True),
        (("max",), (), False),
        (("lasttoken",), (16,), True),
        (("weightedmean",), (), True),
        (("cls", "mean"), (48, 24), False),
    ],
)
def test_poolings_and_dense_layers_equal_the_reference(
    tmp_path: Path,
    minilm_folder: Path,
    pooling: tuple[str, ...],
    dense: tuple[int, ...],
    normalize: bool,
) -> None:
    folder = tiny_checkpoint(
        tmp_path / "m", minilm_folder, pooling=pooling, dense=dense, normalize=normalize
    )
    assert run(folder, tmp_path / "repository") == 0
    spec = read_spec(tmp_path / "repository", "m")
    assert spec.dimension == (dense[-1] if dense else 32 * len(pooling))
    assert spec.max_tokens == 64
    report = json.loads((tmp_path / "repository/m_encoder/1/parity.json").read_text())
    assert report["max_absolute_error"] < 1e-4


def test_prompts_and_a_custom_id_are_written_to_the_spec(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(
        tmp_path / "m", minilm_folder, prompts={"query": "ask: ", "document": "doc: "}
    )
    assert run(folder, tmp_path / "repository", "--model-id", "Me/Mine-1.0") == 0
    assert models(tmp_path / "repository") == {
        "me_mine_1_0",
        "me_mine_1_0_tokenizer",
        "me_mine_1_0_encoder",
        "me_mine_1_0_postprocess",
        "me_mine_1_0_direct",
        "Me_Mine_1_0",
    }
    spec = read_spec(tmp_path / "repository", "me_mine_1_0")
    assert (spec.model_id, spec.prompt_query, spec.prompt_passage) == (
        "Me/Mine-1.0",
        "ask: ",
        "doc: ",
    )
    assert spec.is_input_type_required


def test_plain_transformer_is_pooled_by_the_mean(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "m"))
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / name).unlink()
    assert run(folder, tmp_path / "repository") == 0
    assert "NOTE: mean pooling and vectors that are not normalized" in capsys.readouterr().err
    session = open_encoder(tmp_path / "repository", "m")
    ids = [101, 2000, 3000, 102]
    states = AutoModel.from_pretrained(folder)(torch.tensor([ids])).last_hidden_state
    expected = states.mean(1).detach().numpy()
    assert np.abs(embed(session, [ids]) - expected).max() < 1e-4


def test_plain_transformer_is_pooled_normalized_and_verified_as_flags_state(
    tmp_path: Path, tiny_folder: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "m"))
    (folder / "modules.json").unlink()
    repository = tmp_path / "repository"
    assert run(folder, repository, "--pooling", "cls", "--normalize") == 0
    spec = read_spec(repository, "m")
    assert (spec.pooling, spec.normalized) == (("cls",), True)
    vectors = embed(open_encoder(repository, "m"), [[101, 2000, 102]])
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)
    assert main(["verify", "m", "--model-repository", str(repository)]) == 0


def test_id_that_needs_the_name_of_another_model_is_rejected(
    own_tiny_repository: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = models(own_tiny_repository)
    assert run(tiny_folder, own_tiny_repository, "--model-id", "Tiny-Direct") == 1
    assert "both need the name 'tiny_direct' for Triton" in capsys.readouterr().err
    assert models(own_tiny_repository) == before


def test_second_export_replaces_the_model(own_tiny_repository: Path, tiny_folder: Path) -> None:
    before = models(own_tiny_repository)
    marker = own_tiny_repository / "tiny" / "old"
    marker.touch()
    assert run(tiny_folder, own_tiny_repository, "--model-id", "tiny") == 0
    assert models(own_tiny_repository) == before
    assert not marker.exists()


def no_padding_token(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    write_json(folder / "tokenizer_config.json", settings)


def truncation_of_the_start(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", truncation_side="left")


def chat_template(folder: Path) -> None:
    template = "{% for message in messages %}user: {{ message['content'] }}{% endfor %}"
    edit_json(folder / "tokenizer_config.json", chat_template=template)


@pytest.mark.parametrize("edit", [no_padding_token, truncation_of_the_start, chat_template])
def test_tokenizer_settings_that_embedding_ignores_do_not_prevent_an_export(
    tmp_path: Path, tiny_folder: Path, edit: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "m"))
    (folder / "modules.json").unlink()
    edit(folder)
    assert run(folder, tmp_path / "repository") == 0


def test_settings_of_the_caller_of_a_transformer_are_ignored(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    edit_json(
        folder / "config.json",
        _attn_implementation="flash_attention_2",
        output_attentions=True,
        output_hidden_states=True,
        return_dict=False,
    )
    edit_json(folder / "sentence_bert_config.json", max_seq_length="48")
    assert run(folder, tmp_path / "repository") == 0
    assert read_spec(tmp_path / "repository", "m").max_tokens == 48


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def corrupt_weights(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 1000)


def missing_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def foreign_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["linear.weight"] = torch.zeros(8, 32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def token_outside_the_table(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (mask,) = (token for token in tokenizer["added_tokens"] if token["content"] == "[MASK]")
    tokenizer["added_tokens"].append({**mask, "id": 30522, "content": "Hello"})
    write_json(folder / "tokenizer.json", tokenizer)


def pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def decoder(folder: Path) -> None:
    edit_json(folder / "config.json", is_decoder=True)


def unknown_architecture(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="nonesuch")


def unknown_module(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "os.system"
    (folder / "modules.json").write_text(json.dumps(modules))


def malformed_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_tokenizer, "has no supported tokenizer"),
        (corrupt_weights, "is not a safetensors file, or is truncated"),
        (missing_weights, "'encoder.layer.1.output.dense.weight' first"),
        (foreign_weights, "the weights hold 'linear.weight', which transformers' BertModel does"),
        (token_outside_the_table, "the tokenizer has the id 30522 for 'Hello'; the model's end at"),
        (pickled_weights, "pickled weights are rejected"),
        (decoder, "only bidirectional 'bert'"),
        (unknown_architecture, "architecture 'nonesuch' is not supported; supported are bert"),
        (unknown_module, "modules.json names 'os.system'"),
        (malformed_config, "config.json' cannot be read"),
    ],
)
def test_unsupported_checkpoint_is_rejected_with_the_reason(
    tmp_path: Path,
    minilm_folder: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    spoil(folder)
    assert run(folder, tmp_path / "repository") == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "repository").exists() or not models(tmp_path / "repository")


@pytest.mark.parametrize(
    "checkpoint", ["/no/such/folder", "~nobody-at-all/x", "nobody/nothing", "nonsense"]
)
def test_missing_checkpoint_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: str
) -> None:
    assert run(checkpoint, tmp_path / "repository") == 1
    assert f"there is no folder '{checkpoint}'" in capsys.readouterr().err
    assert not (tmp_path / "repository").exists()


def test_unsupported_family_is_rejected_by_name(
    tmp_path: Path, minilm_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DebertaV2Config(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
    )
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, config=config)
    assert run(folder, tmp_path / "repository") == 1
    assert (
        "architecture 'deberta-v2' is not supported; supported are bert, camembert"
        in capsys.readouterr().err
    )


def test_images_of_variable_resolution_are_rejected_with_the_alternative() -> None:
    with pytest.raises(ExportError, match=r"NaFlex.*siglip2-base-patch16-224"):
        check_architecture({"model_type": "siglip2"})


def test_model_that_misses_parity_is_rejected_with_the_measured_error(
    monkeypatch: pytest.MonkeyPatch,
    own_tiny_repository: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wrong(layer: attention.Attention) -> torch.Tensor:
        return attention.cpu(replace(layer, scaling=layer.scaling * 1.5))

    monkeypatch.setitem(attention.LOWERINGS, "cpu", wrong)
    before = {path: path.stat().st_mtime_ns for path in own_tiny_repository.rglob("*")}
    assert run(tiny_folder, own_tiny_repository, "--model-id", "tiny") == 1
    assert (
        "parity with the reference failed for fp32: max absolute error" in capsys.readouterr().err
    )
    after = {path: path.stat().st_mtime_ns for path in own_tiny_repository.rglob("*")}
    assert after == before


def test_large_weights_are_written_to_a_second_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_folder: Path
) -> None:
    monkeypatch.setattr(storage, "MAX_EMBEDDED_BYTES", 1_000_000)
    assert run(tiny_folder, tmp_path / "repository", "--model-id", "m") == 0
    version = tmp_path / "repository" / "m_encoder" / "1"
    assert (version / "model.onnx").stat().st_size < 1_000_000
    assert (version / "model.onnx.data").stat().st_size > 1_000_000
    rows = [[101, 2000, 102], [101, 102]]
    together = embed(open_encoder(tmp_path / "repository", "m"), rows)
    assert np.isfinite(together).all()


def test_long_step_reports_its_progress(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "REPORT_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(storage, "MAX_EMBEDDED_BYTES", 1_000_000)
    assert run(tiny_folder, tmp_path / "repository", "--model-id", "m") == 0
    printed = capsys.readouterr().err
    assert "1 of 10 layers … " in printed
    assert "weights … " in printed
    assert "74 texts … " in printed
