"""The reference of Llama-Nemotron VL: its published recipe in plain PyTorch.

Nothing is shared with the exporter or with the steps. Inputs are embedded one at a time.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, normalize, silu

GRIDS = "11 12 21 31 13 41 14 22 15 51 61 23 16 32"
"""Columns and rows of each grid of up to 6 tiles, in the published order."""


class NemotronVL:
    """Embeds one text, image, or both at a time.

    Args:
        folder: The checkpoint.
        vision_prefix: Beginning of the names of the image tower's weights.
    """

    def __init__(self, folder: Path, vision_prefix: str = "vision_model.vision_model.") -> None:
        config = json.loads((folder / "config.json").read_text())
        self._vision: dict[str, Any] = config["vision_config"]
        self._language: dict[str, Any] = config["llm_config"]
        self._placeholder: int = config["img_context_token_id"]
        self._weights = load_file(folder / "model.safetensors")
        self._vision_prefix = vision_prefix
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def query(self, text: str, max_tokens: int = 100) -> NDArray[np.float32]:
        """Return the vector of a query, float32 [dimension]."""
        return self._embed(self._tokenizer.encode(f"query: {text}").ids[:max_tokens])

    def passage(
        self, text: str = "", image: Image.Image | None = None, max_tokens: int = 200
    ) -> NDArray[np.float32]:
        """Return the vector of a text, an image in RGB, or both, float32 [dimension]."""
        if image is None:
            return self._embed(self._tokenizer.encode(f"passage: {text}").ids[:max_tokens])
        features = torch.cat([self._features(tile) for tile in self.tiles(image)])
        marks = "<img>" + "<IMG_CONTEXT>" * len(features) + "</img>"
        ids = self._tokenizer.encode(f"passage: {marks} {text}").ids[:max_tokens]
        assert ids.count(self._placeholder) == len(features)
        return self._embed(ids, features)

    def count(self, text: str, image: Image.Image) -> int:
        """Return the number of tokens of an image with the text that follows it."""
        tokens = (self._vision["image_size"] // self._vision["patch_size"] // 2) ** 2
        marks = "<img>" + "<IMG_CONTEXT>" * (tokens * len(self.tiles(image))) + "</img>"
        return len(self._tokenizer.encode(f"passage: {marks} {text}").ids)

    def tiles(self, image: Image.Image) -> list[Image.Image]:
        """Return the tiles of an image, and its thumbnail if there are several."""
        size = self._vision["image_size"]
        width, height = image.size
        best, factor = (1, 1), -math.inf
        for columns, rows in ((int(pair[0]), int(pair[1])) for pair in GRIDS.split()):
            area = min(columns * rows * size * size / (width * height), 0.6)
            shape = columns / rows / (width / height)
            if area * min(shape, 1 / shape) > factor:
                best, factor = (columns, rows), area * min(shape, 1 / shape)
        columns, rows = best
        whole = image.resize((columns * size, rows * size), Image.Resampling.BICUBIC)
        boxes = [(x * size, y * size) for y in range(rows) for x in range(columns)]
        tiles = [whole.crop((x, y, x + size, y + size)) for x, y in boxes]
        if len(tiles) > 1:
            tiles.append(image.resize((size, size), Image.Resampling.BICUBIC))
        return tiles

    def _features(self, tile: Image.Image) -> Tensor:
        """Return the features of a tile, [tokens, width]."""
        states = self._vision_states(torch.from_numpy(np.array(tile)) / 127.5 - 1)
        side = math.isqrt(len(states))
        grid = states.reshape(side, side, -1)
        merged = torch.stack(
            [
                torch.cat([grid[y, x], grid[y, x + 1], grid[y + 1, x], grid[y + 1, x + 1]])
                for y in range(0, side, 2)
                for x in range(0, side, 2)
            ]
        )
        hidden = self._norm("mlp1.0", merged, 1e-5)
        return self._linear("mlp1.3", gelu(self._linear("mlp1.1", hidden)))

    def _vision_states(self, pixels: Tensor) -> Tensor:
        """Return the tower's states for pixels [size, size, 3], [patches, hidden]."""
        prefix, patch = self._vision_prefix, self._vision["patch_size"]
        patches = pixels.permute(2, 0, 1).unfold(1, patch, patch).unfold(2, patch, patch)
        rows = patches.permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1)
        weight = self._weights[f"{prefix}embeddings.patch_embedding.weight"].flatten(1)
        states = linear(rows, weight, self._weights[f"{prefix}embeddings.patch_embedding.bias"])
        states = states + self._weights[f"{prefix}embeddings.position_embedding.weight"]
        heads = self._vision["num_attention_heads"]
        for index in range(self._vision["num_hidden_layers"]):
            layer = f"{prefix}encoder.layers.{index}"
            normed = self._norm(f"{layer}.layer_norm1", states, 1e-6)
            query, key, value = (
                _heads(self._linear(f"{layer}.self_attn.{name}_proj", normed), heads)
                for name in "qkv"
            )
            attended = _attend(query, key, value)
            states = states + self._linear(f"{layer}.self_attn.out_proj", attended)
            normed = self._norm(f"{layer}.layer_norm2", states, 1e-6)
            inner = gelu(self._linear(f"{layer}.mlp.fc1", normed), approximate="tanh")
            states = states + self._linear(f"{layer}.mlp.fc2", inner)
        return self._norm(f"{prefix}post_layernorm", states, 1e-6)

    def _embed(self, ids: list[int], features: Tensor | None = None) -> NDArray[np.float32]:
        row = torch.tensor(ids)
        states = self._weights["language_model.embed_tokens.weight"][row]
        if features is not None:
            states[row == self._placeholder] = features
        cos, sin = self._rotation(len(ids))
        heads, key_heads = (
            self._language[name] for name in ("num_attention_heads", "num_key_value_heads")
        )
        for index in range(self._language["num_hidden_layers"]):
            layer = f"language_model.layers.{index}"
            normed = self._root_norm(f"{layer}.input_layernorm", states)
            query = _heads(self._linear(f"{layer}.self_attn.q_proj", normed), heads)
            key = _heads(self._linear(f"{layer}.self_attn.k_proj", normed), key_heads)
            value = _heads(self._linear(f"{layer}.self_attn.v_proj", normed), key_heads)
            key, value = (
                each.repeat_interleave(heads // key_heads, 0)
                for each in (_rotated(key, cos, sin), value)
            )
            attended = _attend(_rotated(query, cos, sin), key, value)
            states = states + self._linear(f"{layer}.self_attn.o_proj", attended)
            normed = self._root_norm(f"{layer}.post_attention_layernorm", states)
            gate = silu(self._linear(f"{layer}.mlp.gate_proj", normed))
            inner = gate * self._linear(f"{layer}.mlp.up_proj", normed)
            states = states + self._linear(f"{layer}.mlp.down_proj", inner)
        states = self._root_norm("language_model.norm", states)
        return np.asarray(normalize(states.mean(0), dim=0))

    def _rotation(self, length: int) -> tuple[Tensor, Tensor]:
        """Return the cosines and sines of Llama 3's scaled rotary embedding, [length, size]."""
        size = self._language["hidden_size"] // self._language["num_attention_heads"]
        scaling = self._language["rope_scaling"]
        original, factor = scaling["original_max_position_embeddings"], scaling["factor"]
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        frequencies = []
        for index in range(0, size, 2):
            frequency = self._language["rope_theta"] ** (-index / size)
            turns = original * frequency / (2 * math.pi)
            smooth = min(max((turns - low) / (high - low), 0.0), 1.0)
            frequencies.append((1 - smooth) * frequency / factor + smooth * frequency)
        angles = torch.arange(length)[:, None] * torch.tensor(frequencies)
        both = torch.cat([angles, angles], 1)
        return both.cos(), both.sin()

    def _linear(self, name: str, states: Tensor) -> Tensor:
        return linear(states, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _norm(self, name: str, states: Tensor, epsilon: float) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return layer_norm(states, weight.shape, weight, bias, epsilon)

    def _root_norm(self, name: str, states: Tensor) -> Tensor:
        scale = torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self._language["rms_norm_eps"])
        return states * scale * self._weights[f"{name}.weight"]


def _heads(states: Tensor, heads: int) -> Tensor:
    """Return states [tokens, width] as [heads, tokens, head size]."""
    return states.unflatten(1, (heads, -1)).transpose(0, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    return (scores.softmax(-1) @ value).transpose(0, 1).flatten(1)


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = states.chunk(2, -1)
    return states * cos + torch.cat([-second, first], -1) * sin
