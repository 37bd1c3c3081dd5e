"""Served tokens and vectors equal the judge's recordings, whatever a checkpoint's files say."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from testing.judge import Recording, golden_files
from testing.layout_repository import Layouts
from testing.onnx_encoder import embed, open_encoder
from testing.paths import ROOT
from testing.tokenizer_layouts import EXPORTED, LAYOUTS, TEXTS
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request
from triton_embed.cli import main
from triton_embed.contract import pipelines
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.options import Options, Truncate
from triton_embed.export import exporter, planner
from triton_embed.export.checkpoint.tokenizer import TokenizerOptions
from triton_embed.export.errors import ExportError
from triton_embed.export.plan import ExportPlan
from triton_embed.export.request import ExportRequest
from triton_embed.repository import layout


def tokenizer_file(repository: Path, name: str) -> Path:
    return layout.step_file(repository, triton_model_name(name), pipelines.TOKENIZER)


def planned(checkpoint: Path, options: TokenizerOptions | None = None) -> ExportPlan:
    """Return the plan of an export, with its tokenizer."""
    request = ExportRequest(
        str(checkpoint), checkpoint.parent / "unused", tokenizer=options or TokenizerOptions()
    )
    return planner.plan(request).with_tokenizer()


def ids_of_plan(plan: ExportPlan, truncate: str) -> list[list[int]]:
    """Return the tokens that the step inside Triton will make of `TEXTS`."""
    assert plan.tokenizer is not None
    tokenizer = BatchTokenizer(Tokenizer.from_str(plan.tokenizer.content), plan.spec)
    request = Request([text.encode() for text in TEXTS], Options(truncate=Truncate(truncate)))
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
def test_tokens_of_each_layout_equal_the_judges(layouts: Layouts, name: str, truncate: str) -> None:
    assert ids_of_plan(planned(layouts.checkpoint(name)), truncate) == (
        Recording(name).token_ids(truncate)
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_vectors_of_each_layout_equal_the_judges(layouts: Layouts, name: str) -> None:
    rows = ids_of_plan(planned(layouts.checkpoint(name)), "END")
    # Layouts of one kind and architecture differ in their tokenizers only.
    (exported, *_) = [
        other for other in EXPORTED if LAYOUTS[other].weights == LAYOUTS[name].weights
    ]
    session = open_encoder(layouts.exported(exported), triton_model_name(exported))
    vectors = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(vectors - Recording(name).vectors).max() < 1e-4


@pytest.mark.parametrize("name", EXPORTED)
def test_installed_tokenizer_is_that_of_the_rule(layouts: Layouts, name: str) -> None:
    repository = layouts.exported(name)
    plan = planned(layouts.checkpoint(name))
    assert plan.tokenizer is not None
    assert tokenizer_file(repository, name).read_text() == plan.tokenizer.content


NOTES = {
    "byte-fallback-with-eos": "'<s> … </s>' is used because of add_bos_token of tokenizer_config",
    "byte-fallback-silent": "because of the default of add_bos_token in LlamaTokenizer",
    "byte-fallback-generic-class": "PreTrainedTokenizerFast does not read it",
    "wordpiece-cased-by-config": "because of do_lower_case of tokenizer_config.json",
    "byte-level-silent-prefix-space": "the default of add_prefix_space in RobertaTokenizer",
    "added-token-with-lstrip": "changes flags of tokens of tokenizer.json: 'fox'",
    "special-tokens-map": "registers tokens that tokenizer.json does not register: 'fox'",
}


@pytest.mark.parametrize("name", NOTES)
def test_contradiction_between_files_is_noted(layouts: Layouts, name: str) -> None:
    notes = planned(layouts.checkpoint(name)).notes
    assert any(NOTES[name] in note for note in notes), notes


@pytest.mark.parametrize(
    "name", ["wordpiece-own-class", "unigram-own-class", "byte-level-own-class"]
)
def test_agreeing_files_give_no_note(layouts: Layouts, name: str) -> None:
    assert planned(layouts.checkpoint(name)).notes == ()


def test_export_prints_its_notes_and_verify_repeats_its_flags(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str]
) -> None:
    name, repository = "byte-fallback-silent", tmp_path / "r"
    assert export(layouts.checkpoint(name), repository, "--add-eos-token") == 0
    assert "'<s> … </s>'" not in capsys.readouterr().err
    assert specials(tokenizer_file(repository, name).read_text()) == ["<s>", "</s>"]
    assert main(["verify", name, "--model-repository", str(repository)]) == 0
    assert export(layouts.checkpoint(name), repository, "--no-add-bos-token") == 0
    assert (
        "NOTE: tokenizer.json encloses a text as '<s> … </s>'; '…' is used"
        in capsys.readouterr().err
    )


def specials(tokenizer: str) -> list[str]:
    """Return the special tokens around a text."""
    tokens: list[str] = Tokenizer.from_str(tokenizer).encode("a").tokens
    return [token for token in tokens if token in ("<s>", "</s>")]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("byte-fallback-with-eos", TokenizerOptions("file"), ["<s>"]),
        ("byte-fallback-with-eos", TokenizerOptions(add_bos_token=False), ["</s>"]),
        ("byte-fallback-generic-class", TokenizerOptions(add_eos_token=True), ["<s>", "</s>"]),
        ("byte-level-own-class", TokenizerOptions("file", False, False), []),
        ("unigram-own-class", TokenizerOptions(add_bos_token=False), ["</s>"]),
    ],
)
def test_flags_override_the_rule(
    layouts: Layouts, name: str, options: TokenizerOptions, expected: list[str]
) -> None:
    plan = planned(layouts.checkpoint(name), options)
    assert plan.tokenizer is not None
    assert specials(plan.tokenizer.content) == expected


def test_provenance_holds_the_digest_and_the_changes(layouts: Layouts) -> None:
    name = "byte-fallback-with-eos"
    repository = layouts.exported(name)
    file = layout.step_file(repository, triton_model_name(name), pipelines.ENCODER)
    recorded = json.loads((file.parent / "provenance.json").read_text())["tokenizer"]
    served = tokenizer_file(repository, name).read_bytes()
    assert recorded["sha256"] == hashlib.sha256(served).hexdigest()
    assert recorded["source"] == "config"
    (change,) = recorded["changes"]
    assert "tokenizer.json encloses a text as '<s> …'" in change


def test_verify_rejects_a_tokenizer_that_is_not_the_checkpoints(
    tmp_path: Path, layouts: Layouts, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "byte-fallback-with-eos"
    repository = Path(shutil.copytree(layouts.exported(name), tmp_path / "r"))
    shutil.copy(layouts.checkpoint(name) / "tokenizer.json", tokenizer_file(repository, name))
    assert main(["verify", name, "--model-repository", str(repository)]) == 1
    assert "37 of 37 texts other tokens" in capsys.readouterr().err


def test_export_rejects_a_tokenizer_that_is_not_the_checkpoints(
    tmp_path: Path,
    layouts: Layouts,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = layouts.checkpoint("byte-fallback-with-eos")
    write = exporter._write_model

    def write_another_tokenizer(staged: Path, *arguments: Any) -> Path:
        model = write(staged, *arguments)
        shutil.copy(checkpoint / "tokenizer.json", tokenizer_file(staged, checkpoint.name))
        return model

    monkeypatch.setattr(exporter, "_write_model", write_another_tokenizer)
    assert export(checkpoint, tmp_path / "r") == 1
    assert "37 of 37 texts other tokens" in capsys.readouterr().err
    assert list((tmp_path / "r").glob("byte*")) == []


def test_bos_flag_without_a_token_is_rejected(layouts: Layouts) -> None:
    with pytest.raises(ExportError, match="the tokenizer has no bos_token"):
        planned(layouts.checkpoint("wordpiece-own-class"), TokenizerOptions(add_bos_token=True))


def test_documentation_lists_every_layout() -> None:
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    assert [name for name in LAYOUTS if f"| `{name}` |" not in text] == []
