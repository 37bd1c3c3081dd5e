"""Plans: the spec's sources in order of precedence, and rejections before any weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import ModernBertConfig, RobertaConfig

from testing.checkpoints import edit_json, tiny_bert, tiny_checkpoint, write_json
from testing.family_repository import Families
from testing.plans import make_plan as plan
from testing.plans import make_spec as spec
from triton_embed.cli import main
from triton_embed.export.errors import ExportError
from triton_embed.repository.config import parameters

MODERN: Any = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "pad_token_id": 0,
}


def test_flags_take_precedence_over_files_and_files_over_presets(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts={"query": "ask: "})
    edit_json(folder / "config.json", matryoshka_dimensions=[8, 16])
    own = spec(folder, "intfloat/e5-small")
    assert (own.prompt_query, own.prompt_passage) == ("ask: ", "")
    assert own.matryoshka_dimensions == (8, 16, 32)
    overridden = spec(
        folder,
        "intfloat/e5-small",
        {"prompt_passage": "p: ", "requires_input_type": False, "matryoshka": None},
    )
    assert (overridden.prompt_query, overridden.prompt_passage) == ("ask: ", "p: ")
    assert not overridden.is_input_type_required and overridden.matryoshka_dimensions is None


def test_prompts_for_single_tasks_do_not_replace_a_preset(
    tmp_path: Path, minilm_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = {"web_search_query": "Find: ", "sts_query": "Compare: ", "other": ""}
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts=prompts)
    known = plan(folder, "intfloat/e5-mistral-7b-instruct")
    assert known.spec.prompt_query.startswith("Instruct: ") and known.spec.is_input_type_required
    assert not known.notes
    assert (
        main(["export", str(folder), "--model-repository", str(tmp_path / "r"), "--dry-run"]) == 0
    )
    printed = " ".join(capsys.readouterr().out.split())
    assert "query prompt none" in printed
    assert "NOTE queries get no prompt" in printed
    assert "(web_search_query, sts_query)" in printed and "--prompt-query" in printed


def test_prompts_for_single_tasks_do_not_replace_the_family_defaults(
    tmp_path: Path, families: Families
) -> None:
    source = families.checkpoint("llama-nemotron-embed-without-modules")
    folder = Path(shutil.copytree(source, tmp_path / "m"))
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"STS": "Compare: "}})
    assert (spec(folder).prompt_query, spec(folder).prompt_passage) == ("query: ", "passage: ")


def test_default_prompt_of_a_checkpoint_replaces_a_preset(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts={"plain": "text: "})
    edit_json(folder / "config_sentence_transformers.json", default_prompt_name="plain")
    own = plan(folder, "intfloat/e5-small")
    assert (own.spec.prompt_query, own.spec.prompt_default) == ("", "text: ")
    assert not own.notes


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_passage_prompt_is_found_under_each_of_its_names(
    tmp_path: Path, minilm_folder: Path, name: str
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts={name: "text: "})
    assert spec(folder).prompt_passage == "text: "


def test_ignored_code_of_a_checkpoint_is_noted_unless_it_is_known(
    tmp_path: Path, minilm_folder: Path, families: Families
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_own.OwnModel"})
    (note,) = plan(folder).notes
    assert "contains code (auto_map in config.json), which was not run" in note
    assert not plan(families.checkpoint("llama-nemotron-embed")).notes
    assert not plan(families.checkpoint("nomic-embed-text")).notes


def test_length_above_the_positions_is_reduced_and_such_a_flag_rejected(
    tmp_path: Path, minilm_folder: Path
) -> None:
    config = tiny_bert(max_position_embeddings=40)
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, config=config, max_seq_length=4096)
    assert spec(folder).max_tokens == 40
    assert spec(folder, overrides={"max_tokens": 24}).max_tokens == 24
    with pytest.raises(ExportError, match="--max-tokens 41 exceeds the checkpoint's 40 positions"):
        spec(folder, overrides={"max_tokens": 41})
    assert main(["export", str(folder), "--model-repository", str(tmp_path / "repository")]) == 0


def test_matryoshka_list_above_the_dimension_is_rejected(tiny_folder: Path) -> None:
    with pytest.raises(ExportError, match="--matryoshka 64 exceeds the model's dimension 32"):
        spec(tiny_folder, overrides={"matryoshka": (16, 64)})


def dense_of_unknown_activation(folder: Path) -> None:
    edit_json(folder / "2_Dense" / "config.json", activation_function="torch.nn.Softplus")


def dense_of_another_width(folder: Path) -> None:
    edit_json(folder / "2_Dense" / "config.json", in_features=48)


def dense_of_no_width(folder: Path) -> None:
    write_json(folder / "2_Dense" / "config.json", {"in_features": 32})


def truncated_vectors(folder: Path) -> None:
    edit_json(folder / "config_sentence_transformers.json", truncate_dim=8)


def embedded_messages(folder: Path) -> None:
    method = {"method": "forward", "method_output_name": "last_hidden_state"}
    modalities = {"text": method, "message": {**method, "format": "flat"}}
    edit_json(folder / "sentence_bert_config.json", modality_config=modalities)


def config_in_a_list(folder: Path) -> None:
    write_json(folder / "config.json", [])


def relative_positions(folder: Path) -> None:
    edit_json(folder / "config.json", position_embedding_type="alibi")


def sentencepiece_only(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "sentencepiece.bpe.model")


def roberta_without_padding(folder: Path) -> None:
    RobertaConfig(hidden_size=32, num_attention_heads=4, pad_token_id=None).save_pretrained(folder)


def fp8(folder: Path) -> None:
    edit_json(folder / "config.json", quantization_config={"quant_method": "fp8"})


def gptq(folder: Path) -> None:
    edit_json(folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def bitsandbytes(folder: Path) -> None:
    edit_json(folder / "config.json", quantization_config={"load_in_8bit": True})


def tokenizer_in_python(folder: Path) -> None:
    edit_json(folder / "tokenizer_config.json", tokenizer_class="BertJapaneseTokenizer")


def length_in_words(folder: Path) -> None:
    edit_json(folder / "sentence_bert_config.json", max_seq_length="long")


def query_expansion(folder: Path) -> None:
    edit_json(folder / "sentence_bert_config.json", query_expansion={"length": 32})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (fp8, "quantization_config 'fp8' is not supported: export the original checkpoint"),
        (gptq, "quantization_config 'gptq' is not supported"),
        (bitsandbytes, "quantization_config 'without quant_method' is not supported"),
        (tokenizer_in_python, "tokenizer_class 'BertJapaneseTokenizer' is not supported"),
        (length_in_words, "max_seq_length is 'long', but must be a number of tokens"),
        (query_expansion, "query_expansion is for models with a vector for each token"),
        (dense_of_unknown_activation, "2_Dense: activation 'torch.nn.Softplus' is not supported"),
        (dense_of_another_width, "2_Dense: in_features is 48, but the preceding vectors have 32"),
        (dense_of_no_width, "2_Dense/config.json does not define out_features"),
        (truncated_vectors, "truncate_dim 8 is not supported: remove it, and use --matryoshka"),
        (embedded_messages, "modality_config has 'message'"),
        (config_in_a_list, "config.json' cannot be read: it is not an object"),
        (relative_positions, "only bidirectional 'bert' with absolute positions"),
        (sentencepiece_only, "it needs tokenizer.json, or else vocab.txt or vocab.json"),
        (roberta_without_padding, "config.json has no pad_token_id"),
    ],
)
def test_dry_run_rejects_unsupported_settings(
    tmp_path: Path,
    minilm_folder: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, dense=16)
    spoil(folder)
    assert (
        main(["export", str(folder), "--model-repository", str(tmp_path / "r"), "--dry-run"]) == 1
    )
    printed = capsys.readouterr().err
    assert printed.startswith("export failed: ") and reason in printed


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        (None, None),
        (ModernBertConfig(**MODERN), "sans_pos"),
    ],
)
def test_meaningless_position_embedding_type_is_ignored(
    tmp_path: Path, minilm_folder: Path, config: Any, positions: str | None
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    if config:
        config.save_pretrained(folder)
    edit_json(folder / "config.json", position_embedding_type=positions)
    assert spec(folder).dimension == 32


def test_module_outside_the_checkpoint_is_rejected(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    modules = (folder / "modules.json").read_text()
    for path in ("../other", str(tmp_path / "other")):
        (folder / "modules.json").write_text(modules.replace("1_Pooling", path))
        with pytest.raises(ExportError, match=f"'{path}', which is outside the checkpoint"):
            spec(folder)


@pytest.mark.parametrize("kind", ["own_package.Pooling", "sentence_transformers_fork.Pooling"])
def test_module_of_another_package_is_rejected(
    tmp_path: Path, minilm_folder: Path, kind: str
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(
        modules.replace("sentence_transformers.models.Pooling", kind)
    )
    with pytest.raises(ExportError, match=f"modules.json names '{kind}'"):
        spec(folder)


def test_id_without_a_letter_or_digit_is_rejected(tiny_folder: Path) -> None:
    with pytest.raises(ExportError, match="'東京/模型' is not a model id"):
        spec(tiny_folder, "東京/模型")


def test_max_tokens_falls_back_to_the_tokenizer(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    (folder / "sentence_bert_config.json").unlink()
    edit_json(folder / "tokenizer_config.json", model_max_length=48)
    assert spec(folder).max_tokens == 48
    edit_json(folder / "tokenizer_config.json", model_max_length=10**30)
    assert spec(folder).max_tokens == 128
    write_json(folder / "sentence_bert_config.json", {"tokenizer_args": {"model_max_length": 32}})
    assert spec(folder).max_tokens == 32


def test_int8_absmax_is_the_largest_component(tiny_folder: Path) -> None:
    vectors = [np.array([[0.1, -0.7]], np.float32), np.array([[0.5, 0.2]], np.float32)]
    assert plan(tiny_folder).calibrated(vectors).spec.int8_absmax == pytest.approx(0.7)


def test_max_batch_size_applies_to_every_step(tiny_folder: Path) -> None:
    configs = plan(tiny_folder, "Me/x", max_batch_size=7).configs(
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    )
    assert len(configs) == 6
    assert all(config.max_batch_size == 7 for config in configs.values())
    assert {parameters(config)["exported_at"] for config in configs.values()} == {
        "2026-01-02T03:04:05Z"
    }
