"""The batching for TensorRT: all items of a batch are one group.

Every operator is used with types that TensorRT documents for it: CumSum and NonZero take float32,
which counts exactly up to 2^24 tokens or rows of features. TensorRT derives the size of a tensor
from other sizes or from NonZero only, so the longest length is counted by NonZero instead of being
computed.
"""

from __future__ import annotations

from triton_embed.export.graph.frame import EncoderShape, group_text, model_text

_BODY = """
  width_number = Cast <to = 1> (width)
  row_start_number = CumSum <exclusive = 1> (width_number, zero)
  row_start = Cast <to = 7> (row_start_number)
  {features}
  {group}
  embeddings = Identity (group_embeddings)
"""

_FEATURES = """
  feature_rows_number = Cast <to = 1> (feature_rows)
  feature_start_number = CumSum <exclusive = 1> (feature_rows_number, zero)
  feature_start = Cast <to = 7> (feature_start_number)
"""

_PACKED_START = """
  group_number = Cast <to = 1> (group_column)
  packed_start_number = CumSum <exclusive = 1> (group_number, zero)
  packed_start = Cast <to = 7> (packed_start_number)
"""

_COLUMN = """
  longest_or_none = ReduceMax <keepdims = 0> (tokens)
  longest = Max (longest_or_none, one)
  every_column = Range (zero, max_tokens, one)
  reached = Less (every_column, longest)
  reached_number = Cast <to = 1> (reached)
  reached_at = NonZero (reached_number)
  column = Squeeze (reached_at, zeros)
"""

_VALID_AT = """
  valid_number = Cast <to = 1> (valid_flat)
  valid_at = NonZero (valid_number)
"""


def single_batch(shape: EncoderShape) -> str:
    """Return the text of a model that runs the encoder once, over all items."""
    group = group_text(
        tokens="tokens",
        start="row_start",
        packed_start=_PACKED_START,
        column=_COLUMN,
        valid_at=_VALID_AT,
        features=("feature_start", "feature_rows") if shape.feature_size else None,
    )
    features = _FEATURES if shape.feature_size else ""
    return model_text(shape, _BODY.format(group=group, features=features), {})
