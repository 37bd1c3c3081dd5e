"""Every family of encoders equals its reference, and no text feels the others in its batch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import (
    DistilBertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaModel,
    Ministral3Config,
    MistralConfig,
    ModernBertConfig,
    MPNetConfig,
    NomicBertConfig,
    PretrainedConfig,
    Qwen3Config,
    T5Config,
)

from export.__main__ import main
from export.families import FAMILIES, LlamaBidirectionalConfig
from tests.checkpoints import edit_json, tiny_checkpoint
from tests.onnx_encoder import embed, open_encoder

SIZES = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
}
GROUPED = {**SIZES, "num_key_value_heads": 2, "pad_token_id": 0}
LAYERS = ["sliding_attention", "full_attention"]


@dataclass(frozen=True)
class Case:
    """A small checkpoint of a family; `options` are those of `tiny_checkpoint`."""

    config: PretrainedConfig
    options: dict[str, Any] = field(default_factory=dict)


LAST = {"pooling": ("lasttoken",)}

CASES = {
    "distilbert": Case(
        DistilBertConfig(
            vocab_size=30522,
            dim=32,
            n_layers=2,
            n_heads=4,
            hidden_dim=64,
            max_position_embeddings=128,
        )
    ),
    "embedding-gemma": Case(
        Gemma3TextConfig(
            **{**GROUPED, "num_key_value_heads": 1},
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=16,
            layer_types=LAYERS,
            use_bidirectional_attention=True,
        ),
        {"dense": 24},
    ),
    "llama": Case(LlamaConfig(**GROUPED), LAST),
    "llama-bidirectional-by-flag": Case(LlamaConfig(**GROUPED, is_causal=False)),
    "ministral3-bidirectional": Case(Ministral3Config(**GROUPED, head_dim=16, is_causal=False)),
    "mistral-sliding": Case(MistralConfig(**GROUPED, sliding_window=8), LAST),
    "modernbert": Case(
        ModernBertConfig(
            **SIZES, local_attention=16, layer_types=LAYERS, pad_token_id=0, bos_token_id=101
        )
    ),
    "mpnet": Case(MPNetConfig(**SIZES)),
    "nomic-bert": Case(NomicBertConfig(**SIZES)),
    "qwen3-embedding": Case(Qwen3Config(**GROUPED, head_dim=16), LAST),
    "t5": Case(T5Config(vocab_size=30522, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)),
}


def export(checkpoint: Path, repository: Path) -> float:
    """Export `checkpoint` as the model ``m`` and return the error that the gate measured."""
    arguments = [str(checkpoint), "--model-repository", str(repository), "--model-id", "m"]
    assert main(arguments) == 0
    report = json.loads((repository / "m_encoder" / "1" / "parity.json").read_text())
    return float(report["max_absolute_error"])


def bidirectional_llama(folder: Path, tokenizer_from: Path) -> Path:
    """Write a checkpoint as NVIDIA's: its code is named in ``auto_map``, and must never run."""
    tiny_checkpoint(folder, tokenizer_from, config=LlamaBidirectionalConfig(**GROUPED))
    config = json.loads((folder / "config.json").read_text())
    del config["is_causal"]
    (folder / "config.json").write_text(json.dumps(config))
    module = "llama_bidirectional_model"
    edit_json(
        folder / "config.json",
        architectures=["LlamaBidirectionalModel"],
        auto_map={
            "AutoConfig": f"{module}.LlamaBidirectionalConfig",
            "AutoModel": f"{module}.LlamaBidirectionalModel",
        },
        pooling="avg",
    )
    marker = folder / "executed"
    (folder / f"{module}.py").write_text(f"open({str(marker)!r}, 'w')\nraise SystemExit\n")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_every_family_equals_the_reference_alone_and_in_a_batch(
    tmp_path: Path, minilm_folder: Path, name: str
) -> None:
    case = CASES[name]
    folder = tiny_checkpoint(
        tmp_path / "m", minilm_folder, config=case.config, **{"max_seq_length": 100, **case.options}
    )
    assert export(folder, tmp_path / "repository") < 1e-4
    session = open_encoder(tmp_path / "repository", "m")
    generator = np.random.default_rng(0)
    rows = [generator.integers(1000, 30000, size).tolist() for size in (9, 2, 100, 1, 33, 2)]
    alone = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(embed(session, rows) - alone).max() < 1e-4


def test_all_families_are_tested() -> None:
    elsewhere = {"bert", "camembert", "roberta", "xlm-roberta", "llama_bidirec"}
    assert {case.config.model_type for case in CASES.values()} | elsewhere == set(FAMILIES)


def sees_everything(folder: Path, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Embed `ids` with plain Llama whose mask hides nothing, mean pooling and L2."""
    settings = json.loads((folder / "config.json").read_text())
    for name in ("model_type", "auto_map", "architectures"):
        settings.pop(name)
    model = LlamaModel.from_pretrained(
        folder, config=LlamaConfig(**settings), dtype=torch.float32, attn_implementation="eager"
    )
    mask = torch.zeros(1, 1, len(ids), len(ids))
    with torch.no_grad():
        states = model(torch.tensor([ids]), attention_mask=mask).last_hidden_state
    return torch.nn.functional.normalize(states.mean(1), dim=-1).numpy()


@pytest.mark.parametrize("modules", [True, False])
def test_bidirectional_llama_is_plain_llama_that_sees_everything(
    tmp_path: Path, minilm_folder: Path, modules: bool
) -> None:
    folder = bidirectional_llama(tmp_path / "m", minilm_folder)
    if not modules:
        for name in ("modules.json", "config_sentence_transformers.json"):
            (folder / name).unlink()
    assert export(folder, tmp_path / "repository") < 1e-4
    assert not (folder / "executed").exists()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = ("query: a", "passage: Where tokens see each other, order is not all there is.")
    rows = [tokenizer.encode(text).ids for text in texts]
    expected = np.concatenate([sees_everything(folder, ids) for ids in rows])
    got = embed(open_encoder(tmp_path / "repository", "m"), rows)
    assert np.abs(got - expected).max() < 1e-5
    ensemble = (tmp_path / "repository" / "m" / "config.pbtxt").read_text()
    assert '"query: "' in ensemble
    assert '"passage: "' in ensemble


def test_a_plain_causal_language_model_is_pooled_by_the_last_token(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, config=Qwen3Config(**GROUPED))
    edit_json(folder / "config.json", architectures=["Qwen3ForCausalLM"])
    (folder / "modules.json").unlink()
    assert export(folder, tmp_path / "repository") < 1e-4
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    rows = [model.tokenizer("What is asked last counts most.")["input_ids"]]
    expected = model.encode(["What is asked last counts most."])
    got = embed(open_encoder(tmp_path / "repository", "m"), rows)
    assert np.abs(got - expected).max() < 1e-4


def test_a_checkpoints_own_prompts_go_before_its_familys(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = bidirectional_llama(tmp_path / "m", minilm_folder)
    prompts = {"query": "ask: ", "document": "document: "}
    edit_json(folder / "config_sentence_transformers.json", prompts=prompts)
    export(folder, tmp_path / "repository")
    ensemble = (tmp_path / "repository" / "m" / "config.pbtxt").read_text()
    assert '"ask: "' in ensemble
    assert '"document: "' in ensemble
    assert "passage: " not in ensemble


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pooling": "weighted_avg"}, "pooling 'weighted_avg' is not supported; supported are avg"),
        ({"architectures": ["LlamaBidirectionalForSequenceClassification"]}, "or reranker"),
        ({"rope_parameters": {"rope_type": "dynamic"}}, "of type 'dynamic' are not supported"),
        ({"rope_parameters": {"full": {"type": "longrope"}}}, "'longrope'"),
        ({"model_type": "nomic_bert", "n_layer": 24}, "'nomic_bert' with n_layer = 24 is not"),
    ],
)
def test_a_variant_that_cannot_be_exported_is_refused_with_the_reason(
    tmp_path: Path,
    minilm_folder: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    reason: str,
) -> None:
    folder = bidirectional_llama(tmp_path / "m", minilm_folder)
    (folder / "modules.json").unlink()
    edit_json(folder / "config.json", **changes)
    assert main([str(folder), "--model-repository", str(tmp_path / "repository")]) == 1
    assert reason in capsys.readouterr().err
