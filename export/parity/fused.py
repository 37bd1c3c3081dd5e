"""The reference of a model whose language model reads images: transformers' classes, unpacked.

Only the loading of weights is shared with the exported graphs, and nothing with the steps: inputs
are embedded one by one, their text is the string that the checkpoint's processor makes, and it is
tokenized as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer

from triton_embed.contract.image_spec import Resize
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.checkpoint.tokenizer import CheckpointTokenizer
from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.families.registry import family_of
from triton_embed.export.parity.images import parity_pairs
from triton_embed.export.parity.reference import Reference
from triton_embed.export.progress import ProgressCallback, no_progress
from triton_embed.export.towers.head import head_module
from triton_embed.export.towers.weights import load_tower, load_transformer

Vectors = NDArray[np.float32]


def compute(
    checkpoint: Checkpoint,
    preprocessor: Preprocessor,
    tokenizer: CheckpointTokenizer,
    spec: ModelSpec,
    prompts: Sequence[str],
    texts: Sequence[str],
    on_progress: ProgressCallback = no_progress,
) -> Reference:
    """Embed texts for each prompt, and the parity images with their texts.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        preprocessor: Its preprocessing of images.
        tokenizer: Its tokenizer.
        spec: The model's spec.
        prompts: Prompts, each of which is put before every text.
        texts: Texts; longer ones than the model's limit are truncated.
        on_progress: Called after each input.

    Raises:
        ExportError: the weights cannot be loaded, or transformers cannot embed with them.
    """
    model = _Model(checkpoint, preprocessor, tokenizer, spec)
    pairs = parity_pairs(preprocessor.spec)
    total = len(prompts) * len(texts) + len(pairs)
    done = 0

    def embed(function: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal done
        result = function(*arguments)
        done += 1
        on_progress(done, total, "inputs")
        return result

    try:
        with torch.no_grad():
            token_ids = {
                prompt: [model.tokenize(prompt + each) for each in texts] for prompt in prompts
            }
            vectors = {
                prompt: np.stack([embed(model.embed, row) for row in rows])
                for prompt, rows in token_ids.items()
            }
            images = np.stack([embed(model.embed_image, *pair) for pair in pairs])
    except Exception as error:
        raise ExportError(
            f"transformers cannot embed with the checkpoint: {one_line(error)}"
        ) from error
    return Reference(token_ids, vectors, images)


class _Model:
    """Both towers, and everything around them."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        preprocessor: Preprocessor,
        tokenizer: CheckpointTokenizer,
        spec: ModelSpec,
    ) -> None:
        family = family_of(checkpoint.config)
        assert family.vision and family.vision.markers and tokenizer.whole and spec.image_tokens
        self._outputs = family.vision.outputs
        self._markers = family.vision.markers
        self._placeholder = spec.image_tokens.placeholder
        self._tower = load_tower(checkpoint, family, "sdpa", torch.float32)
        self._language = load_transformer(checkpoint, family, "sdpa", torch.float32)
        self._pooling = Pooling(self._language.config.hidden_size, checkpoint.pooling_modes)
        self._head = torch.nn.Sequential(*map(head_module, checkpoint.head))
        self._tokenizer = Tokenizer.from_str(tokenizer.whole)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec.max_tokens)
        self._preprocessor = preprocessor
        self._prompt = spec.prompt_passage
        self._separator = spec.image_tokens.separator

    def tokenize(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def embed(self, ids: Sequence[int], features: torch.Tensor | None = None) -> Vectors:
        """Return the vector of token ids, of which placeholders stand for `features` [rows, H]."""
        row = torch.tensor([ids])
        states = self._language.get_input_embeddings()(row)
        if features is not None:
            states = states.clone()
            states[0, row[0] == self._placeholder] = features
        states = self._language(inputs_embeds=states).last_hidden_state
        pooled = self._pooling({"token_embeddings": states, "attention_mask": torch.ones_like(row)})
        return np.asarray(self._head(pooled["sentence_embedding"])[0])

    def embed_image(self, data: bytes, text: str) -> Vectors:
        """Return the vector of an image file with the text that follows it."""
        pixels = self._pixels(Image.open(BytesIO(data)).convert("RGB"))
        features = self._outputs(self._tower, pixels)
        markers = self._markers
        row = markers.placeholder * features.shape[1]
        image = markers.between.join([row] * features.shape[0])
        ids = self.tokenize(
            f"{self._prompt}{markers.before}{image}{markers.after}{self._separator}{text}"
        )
        return self.embed(ids, features.flatten(0, 1))

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        """Return the normalized tiles of an image, float32 [tiles, 3, size, size].

        For models for images of any size: the whole image, float32 [1, 3, height, width].
        """
        spec = self._preprocessor.spec
        columns, rows = spec.grid(*image.size)
        whole = image.resize((columns * spec.size, rows * spec.size), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.asarray(whole).copy()).permute(2, 0, 1)
        if spec.resize is Resize.FIT:
            return self._normalized(pixels[None])
        tiles = pixels.unfold(1, spec.size, spec.size).unfold(2, spec.size, spec.size)
        tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
        if spec.thumbnail and len(tiles) > 1:
            small = image.resize((spec.size, spec.size), Image.Resampling.BICUBIC)
            thumbnail = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)
            tiles = torch.cat([tiles, thumbnail[None]])
        return self._normalized(tiles)

    def _normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        mean, std = (
            torch.tensor(each)[:, None, None]
            for each in (self._preprocessor.mean, self._preprocessor.std)
        )
        return (pixels / 255 - mean) / std
