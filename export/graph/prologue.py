"""The ONNX text in front of the encoder: from a ragged batch to packed groups of items.

One text for ONNX Runtime, which sorts the items by length and loops over groups of them, and one
for TensorRT, whose loops cannot collect results of different sizes: there all items are one group.
Both clamp lengths and ids that are out of range, so that one request cannot harm another.
"""

from __future__ import annotations

from dataclasses import dataclass

OPSET = 18
IR_VERSION = 10
"""The newest that ONNX Runtime 1.19 reads, which Triton 2.51 brings."""

UNLIMITED = 2**62
"""More of anything than a batch can have, with room to add to it in 64 bits."""


@dataclass(frozen=True)
class EncoderShape:
    """What the prologue must know of an encoder.

    Attributes:
        dimension: Length of its vectors.
        max_tokens: Longest item; longer ones are cut at this length.
        vocab_size: Ids from here on do not exist.
        hidden_size: Width of its layers.
    """

    dimension: int
    max_tokens: int
    vocab_size: int
    hidden_size: int


SIGNATURE = """
<ir_version: {ir_version}, opset_import: ["": {opset}, "com.microsoft": 1, "triton_embed": 1]>
encoder (int32[flat] token_ids, int32[items, 1] length, int32[items, 1] row_width)
  => (float[items, {dimension}] embeddings)
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] zeros = {{0}}, int64[1] all = {{-1}},
 int32[1] no_id = {{0}}, int64 max_tokens = {{{max_tokens}}},
 int64 last_id = {{{last_id}}}{numbers}>
{{
  width_column = Cast <to = 7> (row_width)
  width = Reshape (width_column, all)
  length_column = Cast <to = 7> (length)
  length_flat = Reshape (length_column, all)
  at_most = Min (length_flat, width, max_tokens)
  tokens = Max (at_most, one)
  ids = Concat <axis = 0> (token_ids, no_id)
  {body}
}}
"""

ENCODE = """
  group_column = Unsqueeze ({tokens}, all)
  start_column = Unsqueeze ({start}, all)
  {packed_start}
  {column}
  valid = Less (column, group_column)
  packed_index = Add (packed_start, column)
  pad = Where (valid, packed_index, zero)
  valid_flat = Reshape (valid, all)
  {valid_at}
  unpad = Squeeze (valid_at, zeros)
  position_ids = Mod (unpad, longest)
  source = Add (start_column, column)
  source_flat = Reshape (source, all)
  source_packed = Gather (source_flat, unpad)
  raw_ids = Gather (ids, source_packed)
  wide_ids = Cast <to = 7> (raw_ids)
  low_ids = Min (wide_ids, last_id)
  input_ids = Max (low_ids, zero)
  group_embeddings = triton_embed.Encoder (input_ids, position_ids, pad, unpad, valid)
"""
"""Packs the items of a group, whose rows have {tokens} tokens from {start} on, and embeds them."""

LOOP = """
  row_start = CumSum <exclusive = 1> (width, zero)
  item_count = Shape (tokens)
  sorted_tokens, order = TopK <largest = 0> (tokens, item_count)
  sorted_start = Gather (row_start, order)
  squares = Mul (sorted_tokens, sorted_tokens)
  squares_through = CumSum (squares, zero)
  squares_before = Sub (squares_through, squares)
  unused_order, place = TopK <largest = 0> (order, item_count)
  items = Squeeze (item_count, zeros)
  place_in_order = Range (zero, items, one)
  no_limit = Constant <value = int64 {{9223372036854775807}}> ()
  go = Constant <value = bool {{1}}> ()
  none_size = Constant <value = int64[2] {{0, {dimension}}}> ()
  none = ConstantOfShape <value = float[1] {{0}}> (none_size)
  items_done, sorted_embeddings = Loop (no_limit, go, zero, none) <
    body = group (int64 iteration, bool condition,
                  int64 first, float[done, {dimension}] before)
      => (bool more, int64 end, float[through, {dimension}] after)
    {{
      first_index = Unsqueeze (first, zeros)
      next = Add (first, one)
      next_index = Unsqueeze (next, zeros)
      before_first = Sub (place_in_order, first)
      group_items = Add (before_first, one)
      padded = Mul (group_items, sorted_tokens)
      few_tokens = LessOrEqual (padded, most_tokens)
      padded_scores = Mul (padded, sorted_tokens)
      squares_before_first = Slice (squares_before, first_index, next_index, zeros)
      squares_before_group = ReduceSum <keepdims = 0> (squares_before_first)
      scores = Sub (squares_through, squares_before_group)
      padding = Sub (padded_scores, scores)
      little_padding = LessOrEqual (padding, most_padding)
      small = And (few_tokens, little_padding)
      not_done = GreaterOrEqual (place_in_order, first)
      fits = And (not_done, small)
      fits_number = Cast <to = 7> (fits)
      fitting = ReduceSum <keepdims = 0> (fits_number)
      through_fitting = Add (first, fitting)
      end = Max (through_fitting, next)
      end_index = Unsqueeze (end, zeros)
      group_tokens = Slice (sorted_tokens, first_index, end_index, zeros)
      group_start = Slice (sorted_start, first_index, end_index, zeros)
      {encode}
      after = Concat <axis = 0> (before, group_embeddings)
      more = Less (end, items)
    }}
  >
  embeddings = Gather (sorted_embeddings, place)
"""

ONE_GROUP = """
  width_number = Cast <to = 1> (width)
  row_start_number = CumSum <exclusive = 1> (width_number, zero)
  row_start = Cast <to = 7> (row_start_number)
  {encode}
  embeddings = Identity (group_embeddings)
"""


def sorted_groups(
    limits: EncoderShape, *, most_tokens: int, most_padding: int, multiple: int = 1
) -> str:
    """Return the text of a model that runs the encoder over groups of items of similar length.

    Args:
        limits: See `EncoderShape`.
        most_tokens: Most items × longest of a group; a longer item goes alone.
        most_padding: Most attention scores that a group may waste on padding.
        multiple: A group is padded to a multiple of this length.
    """
    longest = [
        "longest_or_none = ReduceMax <keepdims = 0> (group_tokens)",
        "longest_exact = Max (longest_or_none, one)",
        "longest_over = Add (longest_exact, rounding)",
        "longest_multiples = Div (longest_over, multiple)",
        "longest = Mul (longest_multiples, multiple)",
        "column = Range (zero, longest, one)",
    ]
    if multiple == 1:
        longest[1:5] = ["longest = Max (longest_or_none, one)"]
    encode = ENCODE.format(
        tokens="group_tokens",
        start="group_start",
        packed_start="packed_start = CumSum <exclusive = 1> (group_column, zero)",
        column="\n".join(longest),
        valid_at="valid_at = NonZero (valid_flat)",
    )
    numbers = {"most_tokens": most_tokens, "most_padding": most_padding}
    if multiple > 1:
        numbers |= {"multiple": multiple, "rounding": multiple - 1}
    return _text(limits, LOOP.format(encode=encode, dimension=limits.dimension), numbers)


def one_group(limits: EncoderShape) -> str:
    """Return the text of a model for TensorRT, which runs the encoder once over all items.

    Every operator is used with types that TensorRT documents for it: sums and non-zeros are of
    float32, exact up to 2^24 tokens. TensorRT takes the size of a tensor from other sizes or from
    NonZero alone, so the longest length is counted by NonZero rather than computed.
    """
    column = [
        "longest_or_none = ReduceMax <keepdims = 0> (tokens)",
        "longest = Max (longest_or_none, one)",
        "every_column = Range (zero, max_tokens, one)",
        "reached = Less (every_column, longest)",
        "reached_number = Cast <to = 1> (reached)",
        "reached_at = NonZero (reached_number)",
        "column = Squeeze (reached_at, zeros)",
    ]
    packed_start = [
        "group_number = Cast <to = 1> (group_column)",
        "packed_start_number = CumSum <exclusive = 1> (group_number, zero)",
        "packed_start = Cast <to = 7> (packed_start_number)",
    ]
    valid_at = [
        "valid_number = Cast <to = 1> (valid_flat)",
        "valid_at = NonZero (valid_number)",
    ]
    encode = ENCODE.format(
        tokens="tokens",
        start="row_start",
        packed_start="\n".join(packed_start),
        column="\n".join(column),
        valid_at="\n".join(valid_at),
    )
    return _text(limits, ONE_GROUP.format(encode=encode), {})


def _text(limits: EncoderShape, body: str, numbers: dict[str, int]) -> str:
    return SIGNATURE.format(
        ir_version=IR_VERSION,
        opset=OPSET,
        dimension=limits.dimension,
        max_tokens=limits.max_tokens,
        last_id=limits.vocab_size - 1,
        numbers="".join(f", int64 {name} = {{{value}}}" for name, value in numbers.items()),
        body=body,
    )
