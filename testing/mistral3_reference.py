"""The reference of Mistral 3: transformers' own model, image processor and chat template.

Nothing is shared with the exporter or with the steps. Inputs are embedded one at a time, and their
text is tokenized as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import Mistral3Model, PreTrainedTokenizerFast
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from testing.mistral3_checkpoint import LONGEST_EDGE, MARKERS, MAX_TOKENS, SIZE


class Mistral3:
    """Embeds one text, image, or both at a time.

    Args:
        folder: The checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._model: Any = Mistral3Model.from_pretrained(folder).eval()
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        # As PixtralProcessor calls it, which needs torchvision.
        self._process = PixtralImageProcessorPil(
            size={"longest_edge": LONGEST_EDGE}, patch_size=SIZE
        )

    def query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a query, float32 [dimension]."""
        return self._embed(self._ids("query: ", text))

    def passage(self, text: str = "", image: Image.Image | None = None) -> NDArray[np.float32]:
        """Return the vector of a text, an image in RGB, or both, float32 [dimension]."""
        if image is None:
            return self._embed(self._ids("passage: ", text))
        pixels = self._pixels(image)
        return self._embed(self._ids("passage: ", text, pixels.shape[2:]), pixels)

    def count(self, text: str, image: Image.Image) -> int:
        """Return the number of tokens of an image with the text that follows it."""
        return len(self._ids("passage: ", text, self._pixels(image).shape[2:]))

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        pixels: torch.Tensor = self._process(image, return_tensors="pt")["pixel_values"]
        return pixels

    def _ids(self, prompt: str, text: str, size: tuple[int, ...] | None = None) -> list[int]:
        """Return the token ids of an input, with an image of `size` if there is one."""
        content = [{"type": "text", "text": text}]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": prompt}]},
            {"role": "user", "content": [{"type": "image"}, *content] if size else content},
        ]
        rendered = self._tokenizer.apply_chat_template(messages, tokenize=False)
        if size:
            rows, columns = size[0] // SIZE, size[1] // SIZE
            mark, row_end, image_end = MARKERS
            image = row_end.join([mark * columns] * rows) + image_end
            rendered = rendered.replace(mark, image, 1)
        ids: list[int] = self._tokenizer(rendered, add_special_tokens=False)["input_ids"]
        return ids[:MAX_TOKENS]

    def _embed(self, ids: list[int], pixels: torch.Tensor | None = None) -> NDArray[np.float32]:
        row = torch.tensor([ids])
        states = self._model.language_model.embed_tokens(row)
        with torch.no_grad():
            if pixels is not None:
                sizes = [tuple(pixels.shape[2:])]
                image = self._model.vision_tower(pixels, image_sizes=sizes).last_hidden_state
                features = self._model.multi_modal_projector(image[0], sizes)
                mask = (row == self._model.config.image_token_id)[..., None]
                states = states.masked_scatter(mask, features)
            states = self._model.language_model(inputs_embeds=states).last_hidden_state
            return np.asarray(torch.nn.functional.normalize(states[0].mean(0), dim=0))
