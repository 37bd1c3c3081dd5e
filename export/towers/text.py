"""The text encoder to be exported: a transformer on packed tokens, pooling, head."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from triton_embed.export.checkpoint.model import Checkpoint, DenseConfig
from triton_embed.export.families.family import Family
from triton_embed.export.families.registry import family_of
from triton_embed.export.packing import Packing, pack
from triton_embed.export.precision import FP32, Precision
from triton_embed.export.towers.attention import executable, register
from triton_embed.export.towers.calibration import Observer
from triton_embed.export.towers.head import ONE_TOKEN_POOLINGS, POOLINGS, head_module
from triton_embed.export.towers.quantization import quantize
from triton_embed.export.towers.weights import load_transformer


class PackedEncoder(nn.Module):
    """Packed sequences to one vector per item.

    Attributes:
        dimension: Length of the vectors.
        hidden_size: Width of the transformer's layers.
        vocab_size: Rows of the token table.
        pools_prompt: Whether the tokens of the prompt are pooled, too. If not, they come as the
            one's complement of their ids.
        pools_one_token: Whether the vector of an item depends on one of its final states only.
        placeholder: Id of the token whose embedding a row of features replaces; ``None``: the
            encoder takes texts only.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        target: str,
        precision: Precision = FP32,
        placeholder: int | None = None,
        calibration: Sequence[Sequence[int]] = (),
    ) -> None:
        """Load the weights.

        Args:
            checkpoint: The checkpoint, whose weights are on disk.
            target: The key of a lowering in `attention.LOWERINGS`.
            precision: The transformer's precision.
            placeholder: See the attribute.
            calibration: Token ids of typical texts, to which a quantized transformer adapts.

        Raises:
            ExportError: weights are corrupt, incomplete, of another shape or of another model.
        """
        super().__init__()
        family = family_of(checkpoint.config)
        dtype: torch.dtype = getattr(torch, precision.dtype)
        self.transformer = load_transformer(checkpoint, family, register(target), dtype)
        self.head = nn.Sequential(*_projection(family, self.transformer))
        self.head.extend(map(head_module, checkpoint.head))
        config = self.transformer.config
        self._padding_id = family.padding_id(checkpoint.config) if family.padding_id else None
        self._token_types = family.token_types
        self._poolings = [POOLINGS[mode] for mode in checkpoint.pooling_modes]
        self.placeholder = placeholder
        self.pools_prompt = checkpoint.pools_prompt
        self.pools_one_token = self.pools_prompt and checkpoint.pooling_modes in ONE_TOKEN_POOLINGS
        self.vocab_size: int = config.vocab_size
        self.hidden_size: int = config.hidden_size
        sizes = [item.out_features for item in checkpoint.head if isinstance(item, DenseConfig)]
        self.dimension = (
            sizes[-1] if sizes else family.vector_size(checkpoint.config) * len(self._poolings)
        )
        if precision.quantized:
            observer = Observer()
            with executable(target):
                observer.observe(self.transformer, lambda: self._run_each(calibration))
            quantize(self.transformer, observer.inputs)

    def _run_each(self, texts: Sequence[Sequence[int]]) -> None:
        """Embed each text alone, without features."""
        for ids in texts:
            packing = pack([len(ids)])
            features = (
                (torch.zeros(1, self.hidden_size), torch.tensor([0]), torch.tensor([1]))
                if self.placeholder is not None
                else ()
            )
            self(
                torch.tensor(ids),
                torch.arange(len(ids)),
                packing.gather_index,
                packing.token_index,
                packing.valid,
                *features,
            )

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        gather_index: Tensor,
        token_index: Tensor,
        valid: Tensor,
        feature_table: Tensor | None = None,
        feature_start: Tensor | None = None,
        feature_rows: Tensor | None = None,
    ) -> Tensor:
        """Embed the items of a batch.

        Args:
            input_ids: int64 [tokens].
            position_ids: int64 [tokens], each item counting from 0.
            gather_index: See `Packing`.
            token_index: See `Packing`.
            valid: See `Packing`.
            feature_table: float32 [rows, hidden]: the features of all items, if there is a
                `placeholder`.
            feature_start: int64 [items]: the first row of each item.
            feature_rows: int64 [items]: the number of its rows. An item without rows has the
                embeddings of its tokens.

        Returns:
            float32 [items, dimension].
        """
        packing = Packing(gather_index, token_index, valid)
        if not self.pools_prompt:
            pooled = packing.to_padded((input_ids >= 0)[:, None]).squeeze(-1) & valid
            packing = replace(packing, pooled=pooled)
            input_ids = torch.where(input_ids < 0, -1 - input_ids, input_ids)
        if self._padding_id is not None:
            position_ids = _after_padding_id(input_ids, position_ids, self._padding_id)
        inputs = {"position_ids": position_ids}
        if self.placeholder is None:
            inputs["input_ids"] = input_ids
        else:
            assert feature_table is not None
            assert feature_start is not None
            assert feature_rows is not None
            is_image = torch.eq(input_ids, self.placeholder)
            row = _feature_row(is_image, packing, feature_start, feature_rows)
            embeddings = self.transformer.get_input_embeddings()(input_ids)
            has_row = is_image & (row >= 0)
            row = torch.where(has_row, row, 0)
            features = torch.index_select(feature_table, 0, row).to(embeddings.dtype)
            inputs["inputs_embeds"] = torch.where(has_row[:, None], features, embeddings)
        if self._token_types:
            # A single type for all tokens, so that its vector is a constant of the graph.
            inputs["token_type_ids"] = torch.zeros((), dtype=torch.int64)
        states = self.transformer(
            **{name: values[None] for name, values in inputs.items()}, packing=packing
        ).last_hidden_state.squeeze(0)
        states = states.to(torch.float32)
        vectors = torch.cat([pool(states, packing) for pool in self._poolings], dim=-1)
        result: Tensor = self.head(vectors)
        return result


def _projection(family: Family, transformer: nn.Module) -> list[nn.Module]:
    """Return the projection of a text tower in float32, if it has one."""
    return [deepcopy(family.projection(transformer)).float()] if family.projection else []


def _feature_row(is_image: Tensor, packing: Packing, start: Tensor, rows: Tensor) -> Tensor:
    """Return the row of the table of features for each token, int64 [tokens].

    The image tokens of an item take its rows in order. Other tokens have any valid row, and surplus
    image tokens the last one of their item, so that no item can read the rows of another. Tokens of
    an item without rows have -1.
    """
    # TensorRT has no CumSum of int64; float32 counts exactly up to 2^24 tokens.
    counted = packing.to_padded(is_image[:, None]).squeeze(-1).to(torch.float32)
    place = (counted.cumsum(1) - counted).to(torch.int64)
    row = start[:, None] + torch.minimum(place, rows[:, None] - 1)
    row = torch.where(rows[:, None] > 0, row, -1)
    return packing.to_packed(row[:, :, None]).squeeze(-1)


def _after_padding_id(input_ids: Tensor, position_ids: Tensor, padding_id: int) -> Tensor:
    """Return positions that begin after `padding_id` and skip tokens of that id, int64 [tokens]."""
    # TensorRT has no CumSum of int64; float32 counts exactly up to 2^24 tokens.
    counted = (input_ids != padding_id).to(torch.float32)
    through = counted.cumsum(0)
    first = torch.arange(input_ids.shape[0]) - position_ids
    before = torch.index_select(through - counted, 0, first)
    return ((through - before) * counted).to(torch.int64) + padding_id
