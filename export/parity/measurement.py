"""Runs an exported model on the parity texts and measures its deviation from the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import ne
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.prompt_marks import PromptMarks
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.options import ExportOptions
from triton_embed.export.parity import metrics
from triton_embed.export.parity.encoder import Encoder
from triton_embed.export.parity.gate import Parity
from triton_embed.export.parity.metrics import Vectors
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.session import open_session
from triton_embed.export.progress import ProgressCallback, no_progress


@dataclass(frozen=True)
class ServedModel:
    """The files of a model that Triton serves, or will serve.

    Attributes:
        encoder: The ONNX file.
        tokenizer: The content of tokenizer.json.
        spec: The model's spec.
        vision: The ONNX file of the image tower; ``None``: the model takes texts only.
    """

    encoder: Path
    tokenizer: str
    spec: ModelSpec
    vision: Path | None = None


def measure(
    model: ServedModel,
    reference: Reference,
    texts: Sequence[str],
    options: ExportOptions,
    on_progress: ProgressCallback = no_progress,
) -> Parity:
    """Compare a model with the reference: its tokens, and each text alone and in ragged batches.

    Args:
        model: The files to measure.
        reference: The expected tokens and vectors of `texts` for each prompt.
        texts: The parity texts.
        options: Target, precision and batch size of the export.
        on_progress: Called after each text.
    """
    session, caveat = open_session(model.encoder, options.target)
    encoder = Encoder(session, model.spec)
    tokenizer = _tokenizer(model)
    marks = PromptMarks(tokenizer)
    total = 2 * len(texts) * len(reference.vectors)
    errors, cosines, deviations, searches = [], [], [], []
    differences = 0
    for index, (prompt, expected) in enumerate(reference.vectors.items()):
        rows = [item.ids for item in tokenizer.encode_batch([prompt + text for text in texts])]
        differences += sum(map(ne, rows, reference.token_ids[prompt]))
        if not model.spec.pools_prompt:
            rows = [marks.mark_text(row, prompt) for row in rows]
        rows = list(map(model.spec.padded, rows))
        done = 2 * len(texts) * index
        singles = []
        for row in rows:
            singles.append(encoder.embed([[row]]))
            on_progress(done + len(singles), total, "texts")
        alone = np.concatenate(singles)
        batched = encoder.embed_in_batches(rows, options.max_batch_size)
        for vectors in (alone, batched):
            errors.append(metrics.max_absolute_error(vectors, expected))
            cosines.append(metrics.min_cosine(vectors, expected))
        deviations.append(metrics.batch_deviation(alone, batched))
        searches.append(metrics.retrieval(batched, expected))
    if model.vision and reference.images is not None:
        alone, batched = _embed_images(model.vision, encoder, tokenizer, model.spec, options)
        for vectors in (alone, batched):
            errors.append(metrics.max_absolute_error(vectors, reference.images))
            cosines.append(metrics.min_cosine(vectors, reference.images))
        deviations.append(metrics.batch_deviation(alone, batched))
        total += 2 * len(reference.images)
    # NumPy's minimum and maximum keep a NaN, which then misses every threshold.
    return Parity(
        max_absolute_error=float(np.max(errors)),
        min_cosine=float(np.min(cosines)),
        retrieval=float(np.mean(searches)),
        max_batch_deviation=float(np.max(deviations)),
        token_differences=differences,
        texts=total,
        target=options.target.name,
        precision=options.precision.name,
        caveat=caveat,
    )


def _embed_images(
    path: Path, encoder: Encoder, tokenizer: Tokenizer, spec: ModelSpec, options: ExportOptions
) -> tuple[Vectors, Vectors]:
    """Return the vectors of the parity images, each alone and in one batch."""
    # Pillow is needed for images only.
    from triton_embed.export.parity import image_measurement

    vision, _ = open_session(path, options.target)
    if spec.image_tokens:
        return image_measurement.embed_pairs(vision, encoder, tokenizer, spec)
    return image_measurement.embed_images(vision, spec)


def _tokenizer(model: ServedModel) -> Tokenizer:
    tokenizer = Tokenizer.from_str(model.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.spec.max_tokens)
    return tokenizer
