"""The reference of a model with a tower for texts and one for images: transformers' own class."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoImageProcessor, AutoModel
from transformers.image_transforms import convert_to_rgb

from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.parity.reference import Reference
from triton_embed.export.progress import ProgressCallback, no_progress

Vectors = NDArray[np.float32]


def compute(
    checkpoint: Checkpoint,
    tokenizer: str,
    spec: ModelSpec,
    texts: Sequence[str],
    images: Sequence[bytes],
    on_progress: ProgressCallback = no_progress,
) -> Reference:
    """Embed texts and images one by one.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        tokenizer: Its tokenizer in the format of tokenizer.json.
        spec: The model's spec.
        texts: Texts; longer ones than the model's limit are truncated.
        images: Image files.
        on_progress: Called after each text and image.

    Raises:
        ExportError: transformers cannot load the checkpoint or embed with it.
    """
    rows = _tokenize(tokenizer, texts, spec)
    total = len(rows) + len(images)
    vectors: list[Vectors] = []
    try:
        model, process = _load(checkpoint)
        with torch.no_grad():
            for row in rows:
                ids = torch.tensor([spec.padded(row)])
                vectors.append(_vector(model.get_text_features(input_ids=ids), checkpoint))
                on_progress(len(vectors), total, "inputs")
            for data in images:
                pixels = process(convert_to_rgb(Image.open(BytesIO(data))), return_tensors="pt")
                vectors.append(_vector(model.get_image_features(**pixels), checkpoint))
                on_progress(len(vectors), total, "inputs")
    except Exception as error:
        raise ExportError(
            f"transformers cannot embed with the checkpoint: {one_line(error)}"
        ) from error
    return Reference(
        {"": rows}, {"": np.stack(vectors[: len(rows)])}, np.stack(vectors[len(rows) :])
    )


def _load(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Return the model and the image processor."""
    arguments: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    model = AutoModel.from_pretrained(
        checkpoint.transformer, dtype=torch.float32, use_safetensors=True, **arguments
    )
    return model.eval(), AutoImageProcessor.from_pretrained(
        checkpoint.transformer, backend="pil", **arguments
    )


def _tokenize(content: str, texts: Sequence[str], spec: ModelSpec) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec.max_tokens)
    return [item.ids for item in tokenizer.encode_batch(list(texts))]


def _vector(features: Any, checkpoint: Checkpoint) -> Vectors:
    vector = features.pooler_output[0]
    if checkpoint.is_normalized:
        vector = torch.nn.functional.normalize(vector, dim=-1)
    return np.asarray(vector)
