"""The whole way from a checkpoint to an installed repository entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contract import names
from contract.card import ModelCard
from export import config, entry, graph, parity, reference, tensorrt
from export import plan as plans
from export.encoder import PackedEncoder
from export.parity import Parity
from export.progress import Progress
from export.reference import Reference
from export.repository import Repository
from export.rules import Rules
from export.target import TARGETS, Target
from export.texts import corpus

if TYPE_CHECKING:
    from typing_extensions import Unpack


def export(
    checkpoint: str,
    folder: Path,
    *,
    model_id: str | None = None,
    revision: str | None = None,
    max_batch_size: int | None = None,
    target: str = "cpu",
    **flags: Unpack[Rules],
) -> Parity:
    """Export `checkpoint` into the model repository `folder` and return the measured parity.

    An older entry of the same id is replaced. On failure the repository is left as it was.

    Args:
        checkpoint: A folder or a hub id.
        folder: The model repository.
        model_id: The public id; by default the hub id, or the name of the folder.
        revision: A branch, tag or commit of the hub.
        max_batch_size: Most texts of one request to Triton, and of one execution; by default
            what suits the target.
        target: What to export for, one of `TARGETS`.
        flags: What goes before the checkpoint's own files, see `Rules`.

    Raises:
        ExportError: the checkpoint cannot be exported, or its parity fails.
    """
    purpose = TARGETS[target]
    progress = Progress(6 + (purpose.backend == "tensorrt"))
    with progress.step(f"reading {checkpoint}", talks=not Path(checkpoint).is_dir()):
        plan = plans.make(checkpoint, model_id=model_id, revision=revision, flags=flags)
        entry.replaced(folder, plan.card.model_id)
        plan.source.download(plan.checkpoint)
    texts = corpus()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers"):
        expected = reference.compute(plan.checkpoint, plan.prompts, texts, plan.card.max_tokens)
    with progress.step("loading the weights"):
        encoder = PackedEncoder(plan.checkpoint, target)
    card = replace(plan.card, int8_range=_int8_range(expected))
    batch = max_batch_size or purpose.batch(card.max_tokens)
    repository = Repository(folder)
    with repository.staging() as staging:
        with progress.step("building the packed ONNX encoder"):
            model = _write(staging, card, encoder, expected, batch, purpose)
        with progress.step("comparing it with the reference"):
            measured = parity.measure(model, expected, card.max_tokens, texts, purpose, batch)
            measured.check()
            measured.write(model.with_name("parity.json"))
            plan.origin(flags).write(model.parent)
        if purpose.backend == "tensorrt":
            installed = folder / model.parent.relative_to(staging)
            _build_engine(model, installed, tensorrt.profile(batch, card.max_tokens), progress)
        with progress.step(f"installing '{card.model_id}' in {folder}"):
            repository.install(staging, config.build(card, batch, purpose))
    if measured.caveat:
        progress.note(f"the parity was {measured.caveat}")
    return measured


def _build_engine(
    model: Path, installed: Path, shapes: tensorrt.Profile, progress: Progress
) -> None:
    """Build the engine of `model`, or note how to do that in the folder `installed`."""
    with progress.step("building the TensorRT engine where there is a GPU"):
        script = tensorrt.build(model, shapes)
    if script:
        progress.note(
            "no engine was built, and Triton cannot load the model before "
            f"{installed / script.name} has run where there are TensorRT and a GPU. "
            f"Its command is: {tensorrt.command(shapes)}"
        )


def _int8_range(expected: Reference) -> float:
    # The largest component seen is mapped to 127; a larger one would be clipped.
    return max(float(np.abs(vectors).max()) for vectors in expected.vectors.values())


def _write(
    staging: Path,
    card: ModelCard,
    encoder: PackedEncoder,
    expected: Reference,
    batch: int,
    target: Target,
) -> Path:
    """Write every file of the entry into `staging` and return the path of the ONNX model."""
    ensemble = names.triton_model_name(card.model_id)
    for name, text in config.build(card, batch, target).items():
        version = staging / name / "1"
        version.mkdir(parents=True)
        version.with_name("config.pbtxt").write_text(text, encoding="utf-8")
    tokenizer = staging / names.step_name(ensemble, names.TOKENIZER) / "1" / "tokenizer.json"
    tokenizer.write_text(expected.tokenizer, encoding="utf-8")
    model = staging / names.step_name(ensemble, names.ENCODER) / "1" / "model.onnx"
    graph.save(graph.to_onnx(encoder, card.max_tokens, target), model)
    return model
