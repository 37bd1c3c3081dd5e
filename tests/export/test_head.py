"""Modules after pooling, in any order, as sentence-transformers saves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Dropout,
    LayerNorm,
    Normalize,
    Pooling,
    Transformer,
)
from torch import nn

from testing.checkpoints import edit_json
from testing.onnx_encoder import embed, open_encoder
from triton_embed.cli import main

Modules = list[nn.Module]


def smaller_vectors() -> Modules:
    """The recipe for smaller vectors in sentence-transformers' documentation."""
    return [Normalize(), Dense(32, 12, bias=False, activation_function=nn.Identity())]


def every_module() -> Modules:
    return [LayerNorm(32), Dropout(0.5), Dense(32, 24), Normalize(), LayerNorm(24), Normalize()]


def saved(folder: Path, transformer: Path, modules: Modules) -> Path:
    """Save a model with `modules` after mean pooling, and random weights in LayerNorm."""
    for module in modules:
        if isinstance(module, LayerNorm):
            nn.init.normal_(module.norm.weight)
            nn.init.normal_(module.norm.bias)
    first = Transformer(str(transformer))
    model = SentenceTransformer(modules=[first, Pooling(32), *modules], device="cpu")
    model.save(str(folder))
    return folder


def run(folder: Path, repository: Path, *flags: str) -> int:
    return main(["export", str(folder), "--model-repository", str(repository), *flags])


@pytest.mark.parametrize("modules", [smaller_vectors, every_module])
def test_modules_after_pooling_equal_the_reference(
    tmp_path: Path, tiny_folder: Path, modules: Callable[[], Modules]
) -> None:
    folder = saved(tmp_path / "m", tiny_folder, modules())
    assert run(folder, tmp_path / "r") == 0
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    ids = model.tokenizer(["the quick brown fox"])["input_ids"]
    expected = model.encode(["the quick brown fox"])
    assert expected.shape[1] != 32 or modules is not smaller_vectors
    vectors = embed(open_encoder(tmp_path / "r", "m"), ids)
    assert torch.allclose(torch.tensor(vectors), torch.tensor(expected), atol=1e-4)


def second_pooling(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = modules[1]["type"]
    (folder / "modules.json").write_text(json.dumps(modules))


def no_pooling(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[0], *modules[2:]]))


def another_dimension(folder: Path) -> None:
    edit_json(folder / "2_LayerNorm" / "config.json", dimension=48)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (second_pooling, "modules.json has 'Pooling' at an unsupported position"),
        (no_pooling, "modules.json names no Pooling module after the Transformer"),
        (another_dimension, "2_LayerNorm: dimension is 48, but the preceding vectors have 32"),
    ],
)
def test_dry_run_rejects_an_impossible_sequence(
    tmp_path: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    reason: str,
) -> None:
    folder = saved(tmp_path / "m", tiny_folder, [LayerNorm(32)])
    spoil(folder)
    assert run(folder, tmp_path / "r", "--dry-run") == 1
    assert reason in capsys.readouterr().err
