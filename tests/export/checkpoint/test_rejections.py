"""A dry run rejects checkpoints of other kinds, and incomplete ones, and names the remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from testing.checkpoints import edit_json, tiny_checkpoint, write_json
from triton_embed.cli import main

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"


@pytest.fixture(scope="module")
def with_dense(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A checkpoint with a Dense module."""
    return tiny_checkpoint(tmp_path_factory.mktemp("rejections") / "m", minilm_folder, dense=16)


def dry_run(checkpoint: Path | str, repository: Path) -> int:
    return main(["export", str(checkpoint), "--model-repository", str(repository), "--dry-run"])


def pointer(name: str) -> Callable[[Path], None]:
    """Return a function that replaces a file by a Git LFS pointer."""

    def replace(folder: Path) -> None:
        (folder / name).write_text(POINTER)

    return replace


def only(*names: str) -> Callable[[Path], None]:
    """Return a function that replaces all files by empty ones of these names."""

    def replace(folder: Path) -> None:
        shutil.rmtree(folder)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()

    return replace


def instead_of_weights(name: str) -> Callable[[Path], None]:
    """Return a function that replaces the weights by an empty file of this name."""

    def replace(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()

    return replace


def missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00003.safetensors")
    (folder / "model.safetensors.index.json").touch()
    (folder / "model-00003-of-00003.safetensors").touch()


def missing_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def header(text: str) -> Callable[[Path], None]:
    """Return a function that replaces the header of the weights."""

    def replace(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(
            len(text).to_bytes(8, "little") + text.encode() + bytes(8)
        )

    return replace


def index(content: str) -> Callable[[Path], None]:
    """Return a function that makes the weights one shard with this index."""

    def shard(folder: Path) -> None:
        missing_index(folder)
        (folder / "model.safetensors.index.json").write_text(content)

    return shard


def prefixed(prefix: str) -> Callable[[Path], None]:
    """Return a function that puts a prefix before the names of all tensors."""

    def rename(folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = {f"{prefix}{name}": weight for name, weight in load_file(path).items()}
        save_file(weights, path, {"format": "pt"})

    return rename


def adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "intfloat/e5-small"})


def architecture(name: str) -> Callable[[Path], None]:
    """Return a function that names another class of transformers, without modules.json."""

    def rename(folder: Path) -> None:
        (folder / "modules.json").unlink()
        edit_json(folder / "config.json", architectures=[name])

    return rename


def saved_by(model_type: str) -> Callable[[Path], None]:
    """Return a function that names another class of sentence-transformers."""

    def rename(folder: Path) -> None:
        edit_json(folder / "config_sentence_transformers.json", model_type=model_type)

    return rename


def module(name: str) -> Callable[[Path], None]:
    """Return a function that names another class in modules.json."""

    def rename(folder: Path) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        modules[1]["type"] = name
        write_json(folder / "modules.json", modules)

    return rename


def sentencepiece_only(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "sentencepiece.bpe.model")


PULL = "is a Git LFS pointer, not the file itself: run 'git lfs pull'"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (pointer("model.safetensors"), f"model.safetensors' {PULL}"),
        (pointer("tokenizer.json"), f"tokenizer.json' {PULL}"),
        (pointer("config.json"), f"config.json' {PULL}"),
        (pointer("2_Dense/model.safetensors"), f"2_Dense/model.safetensors' {PULL}"),
        (missing_shard, "lacks 1 of the 3 files of its weights, 'model-00002-of-00003.safeten"),
        (missing_index, "lacks 1 of the 2 files of its weights, 'model.safetensors.index.json'"),
        (cut_weights, "download it again"),
        (header('{"a": {"data_offsets": [0, "8"]}}'), "is not a safetensors file"),
        (header('{"a": {"data_offsets": [0, NaN]}}'), "is not a safetensors file"),
        (index("[]"), "model.safetensors.index.json' cannot be read: it is not an object"),
        (index('{"weight_map": {}}'), "metadata is None, but must be an object"),
        (index('{"metadata": {}, "weight_map": 5}'), "weight_map is 5, but must be an object"),
        (
            index('{"metadata": {}, "weight_map": {"a": "../other/model.safetensors"}}'),
            "names '../other/model.safetensors', which is not a file in its folder",
        ),
        (
            prefixed("_orig_mod."),
            "begin with '_orig_mod.', as if saved from a model inside torch",
        ),
        (prefixed("module."), "begin with 'module.', as if saved from a model inside Distributed"),
        (adapter, "is a LoRA adapter of 'intfloat/e5-small' (adapter_config.json): merge it"),
        (only("model.gguf"), "GGUF weights cannot be exported; export the checkpoint that they"),
        (only("onnx/model.onnx"), "ONNX models cannot be exported; export the checkpoint"),
        (only(), "is missing: this is not a checkpoint folder"),
        (instead_of_weights("m.gguf"), "GGUF weights cannot be exported"),
        (instead_of_weights("onnx/model.onnx"), "ONNX models cannot be exported"),
        (instead_of_weights("pytorch_model.bin"), "pickled weights are rejected"),
        (instead_of_weights("tf_model.h5"), "weights of TensorFlow and Flax cannot be exported"),
        (
            sentencepiece_only,
            "it has only 'sentencepiece.bpe.model' of SentencePiece, which tran",
        ),
        (architecture("BertForSequenceClassification"), "a classifier or reranker: it has no emb"),
        (architecture("HF_ColBERT"), "a multi-vector encoder (ColBERT): it has a vector for each"),
        (saved_by("CrossEncoder"), "a classifier or reranker: it has no embeddings"),
        (saved_by("SparseEncoder"), "a sparse encoder (SPLADE): its vectors have a component for"),
        (saved_by("MultiVectorEncoder"), "a multi-vector encoder (ColBERT)"),
        (module("sentence_transformers.sparse_encoder.models.SpladePooling"), "(SPLADE)"),
        (module("pylate.models.Dense.Dense"), "a multi-vector encoder (ColBERT)"),
    ],
)
def test_dry_run_names_the_kind_of_a_checkpoint_and_the_remedy(
    tmp_path: Path,
    with_dense: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    folder = Path(shutil.copytree(with_dense, tmp_path / "m"))
    spoil(folder)
    folder.mkdir(exist_ok=True)
    assert dry_run(folder, tmp_path / "r") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("export failed: ") and reason in line


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("all-MiniLM-L6-v2", "did you mean 'sentence-transformers/all-MiniLM-L6-v2'?"),
        ("bge-small-en-v1.5", "did you mean 'BAAI/bge-small-en-v1.5'?"),
        ("paraphrase-MiniLM-L3-v2", "did you mean 'sentence-transformers/paraphrase-MiniLM-L3"),
        ("nonsense", "and it is not a hub id (owner/name)\n"),
        ("https://example.org/owner/name", "and it is not a hub id (owner/name)\n"),
    ],
)
def test_name_without_owner_is_rejected_with_the_likely_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    assert dry_run(name, tmp_path) == 1
    printed = capsys.readouterr().err
    assert f"there is no folder '{name}'" in printed and reason in printed


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.gguf", "is a file, not a checkpoint's folder; GGUF weights cannot be exported"),
        ("model.safetensors", "is a file, not a checkpoint's folder: export the folder"),
    ],
)
def test_file_as_checkpoint_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    (tmp_path / name).touch()
    assert dry_run(tmp_path / name, tmp_path / "r") == 1
    assert reason in capsys.readouterr().err


def test_repository_folder_of_the_hub_cache_is_rejected_with_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models--BAAI--bge-small-en-v1.5"
    (folder / "snapshots" / "0123").mkdir(parents=True)
    assert dry_run(folder, tmp_path / "r") == 1
    printed = capsys.readouterr().err
    assert (
        "export its id, 'BAAI/bge-small-en-v1.5', or one of its snapshots: snapshots/0123"
        in printed
    )
