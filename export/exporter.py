"""The whole way from a checkpoint to an installed repository entry."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from contract import names
from contract.card import ModelCard
from contract.options import EmbeddingType
from export import checkpoint as checkpoints
from export import config, graph, parity, reference
from export.checkpoint import Checkpoint
from export.encoder import PackedEncoder
from export.errors import ExportError
from export.families import check_architecture, complete
from export.parity import Parity
from export.precision import PRECISIONS
from export.progress import Advance, Progress
from export.reference import Reference
from export.repository import Repository
from export.texts import corpus


def export(
    source: str,
    folder: Path,
    *,
    model_id: str | None = None,
    max_batch_size: int = 256,
    matryoshka: tuple[int, ...] | None = None,
    precision: str = "fp32",
) -> Parity:
    """Export `source` into the model repository `folder` and return the measured parity.

    An older entry of the same id is replaced. On failure the repository is left as it was.

    Args:
        source: A checkpoint folder or a hub id.
        folder: The model repository.
        model_id: The public id; by default the hub id, or the name of the folder.
        max_batch_size: Most texts of one request to Triton, and of one execution.
        matryoshka: See `ModelCard`.
        precision: Of the transformer, one of `PRECISIONS`.

    Raises:
        ExportError: the checkpoint cannot be exported, or its parity fails.
    """
    PRECISIONS[precision].check_target("cpu")
    progress = Progress(6)
    with progress.step(f"reading {source}"):
        checkpoint = checkpoints.read(checkpoints.locate(source))
        check_architecture(checkpoint.config)
        checkpoint = complete(checkpoint)
    model_id = model_id or (checkpoint.folder.name if Path(source).is_dir() else source)
    texts = corpus()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as advance:
        expected = reference.compute(checkpoint, _prompts(checkpoint), texts, advance)
    with progress.step("loading the weights"):
        encoder = PackedEncoder(checkpoint, "cpu", PRECISIONS[precision])
        card = _card(model_id, checkpoint, encoder, expected, matryoshka)
    repository = Repository(folder)
    _check_name(folder, card)
    with repository.staging() as staging:
        with progress.step("building the packed ONNX encoder") as advance:
            model = _write(staging, card, encoder, expected, max_batch_size, advance)
        with progress.step("comparing it with the reference") as advance:
            measured = parity.measure(model, expected, card.max_tokens, texts, precision, advance)
            measured.check()
            measured.write(model.with_name("parity.json"))
        with progress.step(f"installing '{card.model_id}' in {folder}"):
            repository.install(staging, config.build(card, max_batch_size))
    return measured


def _prompts(checkpoint: Checkpoint) -> list[str]:
    prompts = (checkpoint.prompt_default, checkpoint.prompt_query, checkpoint.prompt_passage)
    return list(dict.fromkeys(prompts))


def _card(
    model_id: str,
    checkpoint: Checkpoint,
    encoder: PackedEncoder,
    expected: Reference,
    matryoshka: tuple[int, ...] | None,
) -> ModelCard:
    if not names.triton_model_name(model_id).strip("_"):
        raise ExportError(f"'{model_id}' is not a model id: it has no Latin letter and no digit")
    if matryoshka and max(matryoshka) > encoder.dimension:
        raise ExportError(
            f"--matryoshka {max(matryoshka)} is more than the model's dimension {encoder.dimension}"
        )
    max_tokens = min(expected.max_tokens, encoder.max_positions)
    if max_tokens >= sys.maxsize:
        raise ExportError(
            "the checkpoint does not say how long a text may be: write max_seq_length into its "
            "sentence_bert_config.json"
        )
    return ModelCard(
        model_id=model_id,
        max_tokens=max_tokens,
        vocab_size=encoder.vocab_size,
        dimension=encoder.dimension,
        matryoshka=matryoshka,
        embedding_types=tuple(EmbeddingType),
        # The largest component seen is mapped to 127; a larger one would be clipped.
        int8_range=max(float(np.abs(vectors).max()) for vectors in expected.vectors.values()),
        prompt_query=checkpoint.prompt_query,
        prompt_passage=checkpoint.prompt_passage,
        prompt_default=checkpoint.prompt_default,
    )


def _check_name(folder: Path, card: ModelCard) -> None:
    """Raise ExportError if another model in `folder` has the Triton name that this one needs."""
    name = names.triton_model_name(card.model_id)
    path = folder / name / "config.pbtxt"
    if not path.is_file():
        return
    installed = config.model_id(path.read_text(encoding="utf-8"))
    if (
        installed is None
        or names.triton_model_name(installed) != name
        or (installed.lower() != card.model_id.lower())
    ):
        raise ExportError(
            f"'{card.model_id}' would replace '{installed or name}' in {folder}: both are "
            f"'{name}' for Triton; choose another --model-id"
        )


def _write(
    staging: Path,
    card: ModelCard,
    encoder: PackedEncoder,
    expected: Reference,
    batch: int,
    advance: Advance,
) -> Path:
    """Write every file of the entry into `staging` and return the path of the ONNX model."""
    ensemble = names.triton_model_name(card.model_id)
    for name, text in config.build(card, batch).items():
        version = staging / name / "1"
        version.mkdir(parents=True)
        version.with_name("config.pbtxt").write_text(text, encoding="utf-8")
    tokenizer = staging / names.step_name(ensemble, names.TOKENIZER) / "1" / "tokenizer.json"
    tokenizer.write_text(expected.tokenizer, encoding="utf-8")
    path = staging / names.step_name(ensemble, names.ENCODER) / "1" / "model.onnx"
    model = graph.to_onnx(encoder, card.max_tokens)
    graph.save(model, path, advance)
    # The comparison loads them a second time.
    graph.free(model, encoder)
    return path
