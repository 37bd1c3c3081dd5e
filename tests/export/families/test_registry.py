"""Every family equals its reference, alone and in batches of any composition."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    BertForPreTraining,
    DistilBertForMaskedLM,
    LlamaForCausalLM,
    ModernBertForMaskedLM,
    MPNetForMaskedLM,
    PreTrainedModel,
    RobertaForMaskedLM,
    T5ForConditionalGeneration,
)

from testing.checkpoints import edit_json, write_json
from testing.families import CASES
from testing.family_repository import Families
from testing.onnx_encoder import embed, open_encoder
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name
from triton_embed.export.checkpoint.files import file_sizes
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.families.registry import FAMILIES, family_of
from triton_embed.export.towers.text import PackedEncoder


@pytest.mark.parametrize("name", CASES)
def test_family_equals_the_reference_alone_and_in_a_batch(families: Families, name: str) -> None:
    repository, model = families.exported(name), triton_model_name(name)
    report = json.loads((repository / f"{model}_encoder" / "1" / "parity.json").read_text())
    assert report["max_absolute_error"] < 1e-4
    session = open_encoder(repository, model)
    generator = np.random.default_rng(0)
    longest = min(CASES[name].max_tokens, 100)
    rows = [generator.integers(0, 390, size).tolist() for size in (9, 2, longest, 1, 33, 2)]
    alone = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(embed(session, rows) - alone).max() < 1e-4


def test_every_family_has_a_case() -> None:
    texts_only = {name for name, family in FAMILIES.items() if family.vision is None}
    assert {case.config.model_type for case in CASES.values()} == texts_only


@pytest.mark.parametrize("name", ["roberta", "mpnet"])
def test_padding_token_spelled_by_a_text_takes_no_position(families: Families, name: str) -> None:
    text = "one <pad> two <pad><pad> three"
    tokenizer = Tokenizer.from_file(str(families.checkpoint(name) / "tokenizer.json"))
    ids = tokenizer.encode(text).ids
    assert ids.count(1) == 3
    got = embed(open_encoder(families.exported(name), name), [[5] * 7, ids, [6] * 3])
    (expected,) = families.reference(name, [text], [""])
    assert np.abs(got[1] - expected[0]).max() < 1e-4


def test_code_of_a_checkpoint_is_never_run(families: Families) -> None:
    folder = families.checkpoint("llama-nemotron-embed")
    families.exported("llama-nemotron-embed")
    assert list(folder.glob("*.py"))
    assert not (folder / "executed").exists()


def test_nomic_bert_is_read_with_the_official_names_of_settings_and_tensors(
    families: Families,
) -> None:
    folder = families.checkpoint("nomic-embed-text")
    config = json.loads((folder / "config.json").read_text())
    assert "n_embd" in config and "hidden_size" not in config
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert {
            "emb_ln.weight",
            "encoder.layers.0.attn.Wqkv.weight",
            "encoder.layers.0.attn.out_proj.weight",
            "encoder.layers.0.mlp.fc11.weight",
            "encoder.layers.0.mlp.fc12.weight",
            "encoder.layers.0.mlp.fc2.weight",
            "encoder.layers.0.norm1.weight",
        } <= set(weights.keys())
    families.exported("nomic-embed-text")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("bert", BertForPreTraining),
        ("distilbert", DistilBertForMaskedLM),
        ("gtr", T5ForConditionalGeneration),
        ("llama-without-modules", LlamaForCausalLM),
        ("modernbert", ModernBertForMaskedLM),
        ("mpnet", MPNetForMaskedLM),
        ("roberta", RobertaForMaskedLM),
    ],
)
def test_heads_for_other_tasks_are_ignored(
    tmp_path: Path, families: Families, name: str, model: type[PreTrainedModel]
) -> None:
    folder = Path(shutil.copytree(families.checkpoint(name), tmp_path / "m"))
    model(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    encoder = PackedEncoder(read_checkpoint(folder, file_sizes(folder)), "cpu")
    assert encoder.dimension == 32 or name == "gtr"


def test_prompts_of_a_checkpoint_take_precedence_over_its_family(
    families: Families, tmp_path: Path
) -> None:
    source = families.checkpoint("llama-nemotron-embed-without-modules")
    folder = Path(shutil.copytree(source, tmp_path / "m"))
    own = {"query": "ask: ", "document": "document: "}
    write_json(folder / "config_sentence_transformers.json", {"prompts": own})
    read = read_checkpoint(folder, file_sizes(folder))
    checkpoint = family_of(read.config).apply_defaults(read)
    assert (checkpoint.prompt_query, checkpoint.prompt_passage) == ("ask: ", "document: ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pooling": "weighted_avg"}, "pooling 'weighted_avg' is not supported; supported are avg"),
        ({"architectures": ["LlamaBidirectionalForSequenceClassification"]}, "or reranker"),
        ({"rope_parameters": {"rope_type": "dynamic"}}, "of type 'dynamic' are not supported"),
        ({"rope_parameters": {"full": {"type": "longrope"}}}, "'longrope'"),
        ({"model_type": "nomic_bert", "causal": True}, "'nomic_bert' with causal = True is not"),
    ],
)
def test_unsupported_variant_is_rejected_with_the_reason(
    tmp_path: Path,
    families: Families,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    reason: str,
) -> None:
    source = families.checkpoint("llama-nemotron-embed-without-modules")
    folder = Path(shutil.copytree(source, tmp_path / "m"))
    edit_json(folder / "config.json", **changes)
    assert main(["export", str(folder), "--model-repository", str(tmp_path / "repository")]) == 1
    assert reason in capsys.readouterr().err
