"""The reference of a model with two towers: transformers' own class and image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoImageProcessor, AutoModel


class TwoTowers:
    """Embeds one text or image at a time.

    Args:
        folder: The checkpoint.
        padding_id: Token with which texts are padded; ``None``: they are not.
        normalize: Whether vectors are L2-normalized.
    """

    def __init__(self, folder: Path, padding_id: int | None = None, normalize: bool = True) -> None:
        self._model: Any = AutoModel.from_pretrained(folder).eval()
        self._process: Any = AutoImageProcessor.from_pretrained(folder, backend="pil")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._padding_id = padding_id
        self._normalize = normalize
        self._max_tokens = self._model.config.text_config.max_position_embeddings
        self._tokenizer.enable_truncation(self._max_tokens)

    def text(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a text, float32 [dimension]."""
        ids = self._tokenizer.encode(text).ids
        if self._padding_id is not None:
            ids += [self._padding_id] * (self._max_tokens - len(ids))
        with torch.no_grad():
            return self._vector(self._model.get_text_features(input_ids=torch.tensor([ids])))

    def image(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the vector of an image in RGB, float32 [dimension]."""
        with torch.no_grad():
            return self._vector(
                self._model.get_image_features(**self._process(image, return_tensors="pt"))
            )

    def _vector(self, features: Any) -> NDArray[np.float32]:
        vector = features.pooler_output[0]
        return np.asarray(
            torch.nn.functional.normalize(vector, dim=-1) if self._normalize else vector
        )
