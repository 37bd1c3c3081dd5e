"""The ONNX text around an encoder: the inputs, and the packing of one group of items.

ONNX Runtime runs a loop over groups (`length_sorted`), TensorRT one group (`single_batch`). Both
clamp lengths and ids that are out of range, so that one request cannot harm another.

The text is ONNX's own textual syntax, see https://onnx.ai/onnx/repo-docs/Syntax.html. Where two
frames differ, a template has a hole in braces; doubled braces are braces of the syntax.
"""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.contract import tensors

OPSET = 18
IR_VERSION = 10
"""The newest that ONNX Runtime 1.19 reads, which Triton 2.51 contains."""

DOMAIN = "triton_embed"
"""Domain of the ``Encoder`` node that `builder` replaces by the exported encoder."""


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of an encoder.

    Attributes:
        dimension: Length of its vectors.
        max_tokens: Maximum tokens of an item; longer ones are truncated.
        vocab_size: Rows of its token table; ids lie in ``[0, vocab_size)``.
        pools_prompt: Whether it pools the tokens of the prompt, too. If not, the one's complement
            of an id stands for a token that is not pooled.
        hidden_size: Width of its layers.
        feature_size: Length of the rows of features that replace the embeddings of image tokens;
            0: it takes texts only.
    """

    dimension: int
    max_tokens: int
    vocab_size: int
    hidden_size: int
    pools_prompt: bool = True
    feature_size: int = 0

    @property
    def first_id(self) -> int:
        """The lowest id."""
        return 0 if self.pools_prompt else -self.vocab_size


_MODEL = """
<ir_version: {ir_version}, opset_import: ["": {opset}, "com.microsoft": 1, "{domain}": 1]>
encoder (int32[flat] {token_ids}, int32[items, 1] {length}, int32[items, 1] {row_width}{inputs})
  => (float[items, {dimension}] {embeddings})
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] zeros = {{0}}, int64[1] all = {{-1}},
 int32[1] no_id = {{0}}, int64 max_tokens = {{{max_tokens}}},
 int64 first_id = {{{first_id}}}, int64 last_id = {{{last_id}}}{constants}>
{{
  # The tokens of each item: its length, at least 1 and at most its row's width and max_tokens.
  width_column = Cast <to = 7> ({row_width})
  width = Reshape (width_column, all)
  length_column = Cast <to = 7> ({length})
  length_flat = Reshape (length_column, all)
  at_most = Min (length_flat, width, max_tokens)
  tokens = Max (at_most, one)
  # One more id, for an item whose row has no width and therefore no id of its own.
  ids = Concat <axis = 0> ({token_ids}, no_id)
  {features}
  {body}
}}
"""

_FEATURES = """
  # The rows of features of all items, and the number of those of each item.
  table_shape = Constant <value = int64[2] {{-1, {feature_size}}}> ()
  feature_table = Reshape ({features}, table_shape)
  wide_feature_shape = Cast <to = 7> ({feature_shape})
  feature_rows = Gather <axis = 1> (wide_feature_shape, zero)
"""

_GROUP = """
  # Packing of the group's items, see export.packing.Packing.
  group_column = Unsqueeze ({tokens}, all)
  start_column = Unsqueeze ({start}, all)
  {packed_start}
  {column}
  valid = Less (column, group_column)
  packed_index = Add (packed_start, column)
  gather_index = Where (valid, packed_index, zero)
  valid_flat = Reshape (valid, all)
  {valid_at}
  token_index = Squeeze (valid_at, zeros)
  position_ids = Mod (token_index, longest)
  # The ids of the packed tokens, clamped to the token table.
  source = Add (start_column, column)
  source_flat = Reshape (source, all)
  source_packed = Gather (source_flat, token_index)
  raw_ids = Gather (ids, source_packed)
  wide_ids = Cast <to = 7> (raw_ids)
  low_ids = Min (wide_ids, last_id)
  input_ids = Max (low_ids, first_id)
  group_embeddings = {domain}.Encoder
    (input_ids, position_ids, gather_index, token_index, valid{features})
"""


def model_text(shape: EncoderShape, body: str, constants: dict[str, int]) -> str:
    """Return the text of a whole model.

    Args:
        shape: The encoder's sizes.
        body: Statements that compute ``embeddings`` from ``ids``, ``width`` and ``tokens``, and,
            if the encoder takes features, from ``feature_table`` and ``feature_rows``.
        constants: Further int64 scalars that `body` uses, by name.
    """
    inputs = features = ""
    if shape.feature_size:
        inputs = f", float[values] {tensors.FEATURES}, int32[items, 2] {tensors.FEATURE_SHAPE}"
        features = _FEATURES.format(
            features=tensors.FEATURES,
            feature_shape=tensors.FEATURE_SHAPE,
            feature_size=shape.feature_size,
        )
    return _MODEL.format(
        inputs=inputs,
        features=features,
        ir_version=IR_VERSION,
        opset=OPSET,
        domain=DOMAIN,
        token_ids=tensors.TOKEN_IDS,
        length=tensors.LENGTH,
        row_width=tensors.ROW_WIDTH,
        embeddings=tensors.EMBEDDINGS,
        dimension=shape.dimension,
        max_tokens=shape.max_tokens,
        first_id=shape.first_id,
        last_id=shape.vocab_size - 1,
        constants="".join(f", int64 {name} = {{{value}}}" for name, value in constants.items()),
        body=body,
    )


def group_text(
    *,
    tokens: str,
    start: str,
    packed_start: str,
    column: str,
    valid_at: str,
    features: tuple[str, str] | None = None,
) -> str:
    """Return statements that compute ``group_embeddings``, float32 [group items, dimension].

    Args:
        tokens: Name of the lengths of the group's items, int64 [group items].
        start: Name of the index in ``ids`` of each item's first id, int64 [group items].
        packed_start: Statements that compute ``packed_start``, the packed index of each item's
            first token, int64 [group items, 1].
        column: Statements that compute ``longest``, the length of the longest item, and
            ``column``, the numbers from 0 up to it, int64 [longest].
        valid_at: Statements that compute ``valid_at``, the flat index of each valid position,
            int64 [1, tokens].
        features: If the encoder takes features, names of the index in ``feature_table`` of each
            item's first row, and of the number of its rows, int64 [group items].
    """
    return _GROUP.format(
        domain=DOMAIN,
        tokens=tokens,
        start=start,
        packed_start=packed_start,
        column=column,
        valid_at=valid_at,
        features="".join(f", {name}" for name in ("feature_table", *features)) if features else "",
    )
