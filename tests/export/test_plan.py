"""Flags go before a checkpoint's files, these before the table, and that before the family."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.card import ModelCard
from export.__main__ import main
from export.errors import ExportError
from export.known import KNOWN, lookup
from export.plan import make
from export.rules import Rules
from tests.checkpoints import edit_json, tiny_bert, tiny_checkpoint


def card(folder: Path, model_id: str | None = None, **flags: object) -> ModelCard:
    return make(str(folder), model_id=model_id, flags=Rules(**flags)).card  # type: ignore[typeddict-item]


def test_a_known_id_fills_in_what_the_files_do_not_say(tiny_folder: Path) -> None:
    known = card(tiny_folder, "intfloat/E5-small-v2")
    assert (known.prompt_query, known.prompt_passage) == ("query: ", "passage: ")
    assert known.asymmetric
    optional = card(tiny_folder, "BAAI/bge-small-en-v1.5")
    assert optional.prompt_query and not optional.asymmetric
    assert not card(tiny_folder, "someone/else").prompt_query


def test_files_go_before_the_table_and_flags_before_both(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts={"query": "ask: "})
    edit_json(folder / "config.json", matryoshka_dimensions=[8, 16])
    own = card(folder, "intfloat/e5-small")
    assert (own.prompt_query, own.prompt_passage) == ("ask: ", "")
    assert own.matryoshka == (8, 16, 32)
    told = card(
        folder, "intfloat/e5-small", prompt_passage="p: ", asymmetric=False, matryoshka=None
    )
    assert (told.prompt_query, told.prompt_passage) == ("ask: ", "p: ")
    assert not told.asymmetric and told.matryoshka is None


def test_a_length_over_the_positions_is_cut_and_a_flag_over_them_refused(
    tmp_path: Path, minilm_folder: Path
) -> None:
    config = tiny_bert(max_position_embeddings=40)
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, config=config, max_seq_length=4096)
    assert card(folder).max_tokens == 40
    assert card(folder, max_tokens=24).max_tokens == 24
    with pytest.raises(ExportError, match="--max-tokens 41 is more than the 40 positions"):
        card(folder, max_tokens=41)
    assert main([str(folder), "--model-repository", str(tmp_path / "repository")]) == 0


def test_pooling_of_modules_json_cannot_be_overruled(tiny_folder: Path) -> None:
    with pytest.raises(ExportError, match="--pooling is for checkpoints without"):
        card(tiny_folder, pooling=("cls",))


def test_a_plain_transformer_is_pooled_as_the_flag_says(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    (folder / "modules.json").unlink()
    plan = make(str(folder), model_id=None, flags={"pooling": ("cls", "mean")})
    assert plan.checkpoint.pooling_modes == ("cls", "mean")
    assert plan.card.dimension == 64


def test_a_matryoshka_list_over_the_dimension_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ExportError, match="--matryoshka 64 is more than the model's dimension 32"):
        card(tiny_folder, matryoshka=(16, 64))


def test_a_module_outside_the_checkpoint_is_refused(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(modules.replace("1_Pooling", "../other"))
    with pytest.raises(ExportError, match=r"'\.\./other', which is outside the checkpoint"):
        card(folder)


def test_the_table_is_in_lower_case_and_each_rule_can_be_reached() -> None:
    for pattern, rules in KNOWN:
        assert pattern == pattern.lower()
        assert lookup(pattern.replace("*", "x")) == rules
