"""Served tokens and vectors equal the judge's recordings, whatever a checkpoint's files say."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from testing.checkpoints import edit_json
from testing.judge import Recording, golden_files
from testing.layout_repository import Layouts
from testing.onnx_encoder import embed, open_encoder
from testing.tokenizer_layouts import LAYOUTS, TEXTS
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request
from triton_embed.cli import main
from triton_embed.contract import pipelines
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.options import Options, Truncate
from triton_embed.contract.serialization import spec_from_parameters
from triton_embed.repository import config, layout


def tokenizer_file(repository: Path, name: str) -> Path:
    return layout.step_file(repository, triton_model_name(name), pipelines.TOKENIZER)


def served_ids(
    repository: Path, name: str, truncate: str, texts: Sequence[str] = TEXTS
) -> list[list[int]]:
    """Return the tokens that the step inside Triton makes of `texts`."""
    spec = spec_from_parameters(
        config.parameters(config.read(repository / triton_model_name(name)))
    )
    tokenizer = BatchTokenizer(Tokenizer.from_file(str(tokenizer_file(repository, name))), spec)
    request = Request([text.encode() for text in texts], Options(truncate=Truncate(truncate)))
    (rows,) = tokenizer.encode([request])
    assert not isinstance(rows, InvalidRequest), rows
    return rows


def export(checkpoint: Path, repository: Path, *flags: str) -> int:
    return main(["export", str(checkpoint), "--model-repository", str(repository), *flags])


def test_every_layout_is_recorded_by_the_judge() -> None:
    assert golden_files() == set(LAYOUTS)
    for name in LAYOUTS:
        versions = Recording(name).versions
        assert versions["sentence-transformers"].startswith("5.1.")
        assert versions["transformers"].startswith("4.57.")


@pytest.mark.parametrize("truncate", ["END", "START"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_served_tokens_equal_the_judges(layouts: Layouts, name: str, truncate: str) -> None:
    served = served_ids(layouts.exported(name), name, truncate)
    for text, received, expected in zip(
        TEXTS, served, Recording(name).token_ids(truncate), strict=True
    ):
        assert received == expected, text


@pytest.mark.parametrize("name", LAYOUTS)
def test_served_vectors_equal_the_judges(layouts: Layouts, name: str) -> None:
    repository = layouts.exported(name)
    session = open_encoder(repository, triton_model_name(name))
    vectors = embed_all(session, served_ids(repository, name, "END"))
    assert np.abs(vectors - Recording(name).vectors).max() < 1e-4


def embed_all(session: object, rows: list[list[int]]) -> np.ndarray:
    return np.concatenate([embed(session, [row]) for row in rows])  # type: ignore[arg-type]


NOTES = {
    "byte-fallback-with-eos": "'<s> … </s>' is used, by add_bos_token of tokenizer_config.json",
    "byte-fallback-silent": "by the default of add_bos_token in LlamaTokenizer",
    "byte-fallback-generic-class": "PreTrainedTokenizerFast does not read it",
    "wordpiece-cased-by-config": "by do_lower_case of tokenizer_config.json",
    "byte-level-silent-prefix-space": "by the default of add_prefix_space in RobertaTokenizer",
    "added-token-with-lstrip": "changes flags of tokens of tokenizer.json: 'fox'",
    "special-tokens-map": "registers tokens that tokenizer.json does not register: 'fox'",
}


@pytest.mark.parametrize("name", NOTES)
def test_contradiction_between_files_is_noted(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert export(layouts.checkpoint(name), tmp_path / "r") == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("NOTE")]
    assert any(NOTES[name] in note for note in notes), notes


@pytest.mark.parametrize(
    "name", ["wordpiece-own-class", "unigram-own-class", "byte-level-own-class"]
)
def test_agreeing_files_give_no_note(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert export(layouts.checkpoint(name), tmp_path / "r") == 0
    assert "NOTE" not in capsys.readouterr().err


def specials(repository: Path, name: str) -> list[str]:
    tokenizer = Tokenizer.from_file(str(tokenizer_file(repository, name)))
    tokens: list[str] = tokenizer.encode("a").tokens
    return [token for token in tokens if token in ("<s>", "</s>")]


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("byte-fallback-with-eos", ("--tokenizer", "file"), ["<s>"]),
        ("byte-fallback-with-eos", ("--no-add-bos-token",), ["</s>"]),
        ("byte-fallback-generic-class", ("--add-eos-token",), ["<s>", "</s>"]),
        ("byte-level-own-class", ("--no-add-bos-token", "--no-add-eos-token"), []),
    ],
)
def test_flags_override_the_rule_and_verify_repeats_them(
    tmp_path: Path, layouts: Layouts, name: str, flags: tuple[str, ...], expected: list[str]
) -> None:
    repository = tmp_path / "r"
    assert export(layouts.checkpoint(name), repository, *flags) == 0
    assert specials(repository, name) == expected
    assert main(["verify", name, "--model-repository", str(repository)]) == 0


def test_provenance_holds_the_digest_and_the_changes(layouts: Layouts) -> None:
    name = "byte-fallback-with-eos"
    repository = layouts.exported(name)
    file = layout.step_file(repository, triton_model_name(name), pipelines.ENCODER)
    recorded = json.loads((file.parent / "provenance.json").read_text())["tokenizer"]
    served = tokenizer_file(repository, name).read_bytes()
    assert recorded["sha256"] == hashlib.sha256(served).hexdigest()
    assert recorded["source"] == "config"
    (change,) = recorded["changes"]
    assert "tokenizer.json makes a text '<s> …'" in change


def test_verify_rejects_a_tokenizer_that_is_not_the_checkpoints(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "byte-fallback-with-eos"
    repository = Path(shutil.copytree(layouts.exported(name), tmp_path / "r"))
    shutil.copy(layouts.checkpoint(name) / "tokenizer.json", tokenizer_file(repository, name))
    assert main(["verify", name, "--model-repository", str(repository)]) == 1
    assert "37 of 37 texts other tokens" in capsys.readouterr().err


def test_bos_flag_without_a_token_is_rejected(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = layouts.checkpoint("wordpiece-own-class")
    assert export(checkpoint, tmp_path / "r", "--add-bos-token") == 1
    assert "the tokenizer has no bos_token" in capsys.readouterr().err


def test_tokenizer_class_in_python_is_rejected_by_a_dry_run(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(layouts.checkpoint("wordpiece-own-class"), tmp_path / "m"))
    edit_json(folder / "tokenizer_config.json", tokenizer_class="BertJapaneseTokenizer")
    assert export(folder, tmp_path / "r", "--dry-run") == 1
    assert "tokenizer_class 'BertJapaneseTokenizer' is not supported" in capsys.readouterr().err
