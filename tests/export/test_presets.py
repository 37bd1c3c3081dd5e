"""Values of presets, and the pooling and normalization of checkpoints without modules.json."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testing.checkpoints import edit_json, tiny_checkpoint
from testing.family_repository import Families
from testing.plans import make_plan as plan
from testing.plans import make_spec as spec
from triton_embed.export.errors import ExportError
from triton_embed.export.precedence import SpecOverrides
from triton_embed.export.presets import PRESETS, preset_for

BGE = "BAAI/bge-small-en-v1.5"


@pytest.fixture
def plain_folder(tmp_path: Path, minilm_folder: Path) -> Path:
    """A checkpoint without modules.json, in a folder whose name is not a known model's."""
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    (folder / "modules.json").unlink()
    return folder


def test_preset_supplies_values_that_the_files_do_not_define(tiny_folder: Path) -> None:
    known = spec(tiny_folder, "intfloat/E5-small-v2")
    assert (known.prompt_query, known.prompt_passage) == ("query: ", "passage: ")
    assert known.is_input_type_required
    optional = spec(tiny_folder, "BAAI/bge-small-en-v1.5")
    assert optional.prompt_query and not optional.is_input_type_required
    assert not spec(tiny_folder, "someone/else").prompt_query


def test_presets_are_in_lower_case_and_reachable() -> None:
    for pattern, rules in PRESETS:
        assert pattern == pattern.lower()
        assert preset_for(pattern.replace("*", "x")) == rules


def test_preset_matryoshka_above_the_dimension_is_ignored(
    tiny_folder: Path,
) -> None:
    assert spec(tiny_folder, "nomic-ai/nomic-embed-text-v1.5").matryoshka_dimensions is None


def test_pooling_flag_is_rejected_for_a_checkpoint_with_modules(tiny_folder: Path) -> None:
    with pytest.raises(ExportError, match="--pooling is only for checkpoints without"):
        spec(tiny_folder, overrides={"pooling": ("cls",)})


def test_pooling_flag_applies_to_a_plain_transformer(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    (folder / "modules.json").unlink()
    planned = plan(folder, overrides={"pooling": ("cls", "mean")})
    assert planned.checkpoint.pooling_modes == ("cls", "mean")
    assert planned.spec.dimension == 64


def test_plain_causal_language_model_is_pooled_by_its_last_token(
    tmp_path: Path, families: Families
) -> None:
    source = families.checkpoint("llama-without-modules")
    folder = Path(shutil.copytree(source, tmp_path / "m"))
    assert plan(folder).checkpoint.pooling_modes == ("lasttoken",)
    edit_json(folder / "config.json", is_causal=False)
    assert plan(folder).checkpoint.pooling_modes == ("mean",)


def test_known_id_supplies_pooling_and_normalization(plain_folder: Path) -> None:
    known = plan(plain_folder, BGE)
    assert (known.spec.pooling, known.spec.normalized) == (("cls",), True)
    assert known.checkpoint.pooling_modes == ("cls",) and known.checkpoint.is_normalized
    assert not known.notes


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({}, ("mean pooling and vectors that are not normalized", "--pooling MODE and --norm")),
        ({"pooling": ("cls",)}, ("vectors that are not normalized: a guess", "with --normalize")),
        ({"normalize": True}, ("mean pooling: a guess", "with --pooling MODE")),
        ({"pooling": ("cls",), "normalize": False}, ()),
    ],
)
def test_guess_is_noted_with_the_flags_that_override_it(
    plain_folder: Path, overrides: SpecOverrides, parts: tuple[str, ...]
) -> None:
    guessed = plan(plain_folder, overrides=overrides)
    assert guessed.spec.normalized is overrides.get("normalize", False)
    if not parts:
        assert not guessed.notes
        return
    (note,) = guessed.notes
    assert all(part in note for part in parts) and "no modules.json" in note


def test_family_with_official_code_is_not_guessed(families: Families) -> None:
    official = plan(families.checkpoint("llama-nemotron-embed-without-modules"))
    assert (official.spec.pooling, official.spec.normalized) == (("mean",), True)
    assert not official.notes


def test_spec_has_pooling_and_normalization_of_modules_json(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(
        tmp_path / "m", minilm_folder, pooling=("cls", "mean"), normalize=False
    )
    read = spec(folder, BGE)
    assert (read.pooling, read.normalized) == (("cls", "mean"), False)


@pytest.mark.parametrize(
    "name",
    [
        "bge-small-en-v1.5",
        "BAAI/bge-small-en-v1.5",
        "BAAI--bge-small-en-v1.5",
        "BAAI_bge-small-en-v1.5",
        "BAAI/bge-small-en-v1___5",
    ],
)
def test_folder_named_like_a_known_model_has_its_preset_with_a_note(
    tmp_path: Path, plain_folder: Path, name: str
) -> None:
    folder = tmp_path / "models" / name
    folder.parent.mkdir(parents=True)
    known = plan(plain_folder.rename(folder), "mine")
    assert known.spec.prompt_query.startswith("Represent this sentence")
    assert known.spec.pooling == ("cls",)
    (note,) = known.notes
    assert "matches the known model 'baai/bge-small-en-v1.5'" in note
    assert "pooling cls, normalize true" in note and "prompt_query 'Represent" in note
    assert "--prompt-query" in note and "--pooling" in note


def test_note_of_a_preset_names_only_values_that_are_used(
    tmp_path: Path, minilm_folder: Path
) -> None:
    folder = tiny_checkpoint(tmp_path / "modernbert-embed-base", minilm_folder)
    (note,) = plan(folder, overrides={"prompt_passage": "text: "}).notes
    assert "prompt_query 'search_query: '" in note
    assert not any(word in note for word in ("prompt_passage", "matryoshka", "pooling"))
    prompts = {"query": "q: ", "passage": "p: "}
    own = tiny_checkpoint(tmp_path / "e5-small", minilm_folder, prompts=prompts)
    assert not plan(own).notes


@pytest.mark.parametrize("end", ["", "/snapshots/0123456789abcdef"])
def test_folder_of_the_hub_cache_has_its_hub_id_and_preset(
    tmp_path: Path, plain_folder: Path, end: str
) -> None:
    folder = Path(f"{tmp_path}/hub/models--BAAI--bge-small-en-v1.5{end}")
    folder.parent.mkdir(parents=True)
    plain_folder.rename(folder)
    known = plan(folder)
    assert known.spec.model_id == BGE and known.spec.pooling == ("cls",)
    assert not known.notes
    renamed = plan(folder, "mine").spec
    assert (renamed.model_id, renamed.prompt_query) == ("mine", known.spec.prompt_query)
