"""The batching for ONNX Runtime: a loop over groups of items of similar length.

Items are sorted by length. Each iteration takes as many of the next items as the limits of a
`Grouping` allow, at least one, and appends their vectors; at the end the vectors are put back into
the order of the batch.
"""

from __future__ import annotations

from triton_embed.export.graph.frame import EncoderShape, group_text, model_text
from triton_embed.export.target import Grouping

_LOOP = """
  # The items in order of length, and each one's place in that order.
  row_start = CumSum <exclusive = 1> (width, zero)
  item_count = Shape (tokens)
  sorted_tokens, order = TopK <largest = 0> (tokens, item_count)
  sorted_start = Gather (row_start, order)
  {sorted_features}
  unused_order, place = TopK <largest = 0> (order, item_count)
  items = Squeeze (item_count, zeros)
  place_in_order = Range (zero, items, one)
  # An item of n tokens has n² attention scores; running sums give those of any group.
  squares = Mul (sorted_tokens, sorted_tokens)
  squares_through = CumSum (squares, zero)
  squares_before = Sub (squares_through, squares)
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
      # For each item: the padded tokens of a group that starts at first and ends with it.
      before_first = Sub (place_in_order, first)
      group_items = Add (before_first, one)
      padded = Mul (group_items, sorted_tokens)
      few_tokens = LessOrEqual (padded, max_group_tokens)
      # ... and the attention scores that this group would spend on padding.
      padded_scores = Mul (padded, sorted_tokens)
      squares_before_first = Slice (squares_before, first_index, next_index, zeros)
      squares_before_group = ReduceSum <keepdims = 0> (squares_before_first)
      scores = Sub (squares_through, squares_before_group)
      padding = Sub (padded_scores, scores)
      little_padding = LessOrEqual (padding, max_padding)
      small = And (few_tokens, little_padding)
      # The group: all items from first on that fit, at least one.
      not_done = GreaterOrEqual (place_in_order, first)
      fits = And (not_done, small)
      fits_number = Cast <to = 7> (fits)
      fitting = ReduceSum <keepdims = 0> (fits_number)
      through_fitting = Add (first, fitting)
      end = Max (through_fitting, next)
      end_index = Unsqueeze (end, zeros)
      group_tokens = Slice (sorted_tokens, first_index, end_index, zeros)
      group_start = Slice (sorted_start, first_index, end_index, zeros)
      {group_features}
      {group}
      after = Concat <axis = 0> (before, group_embeddings)
      more = Less (end, items)
    }}
  >
  embeddings = Gather (sorted_embeddings, place)
"""

_SORTED_FEATURES = """
  feature_start = CumSum <exclusive = 1> (feature_rows, zero)
  sorted_feature_start = Gather (feature_start, order)
  sorted_feature_rows = Gather (feature_rows, order)
"""

_GROUP_FEATURES = """
      group_feature_start = Slice (sorted_feature_start, first_index, end_index, zeros)
      group_feature_rows = Slice (sorted_feature_rows, first_index, end_index, zeros)
"""

_LONGEST = """
  longest_or_none = ReduceMax <keepdims = 0> (group_tokens)
  longest = Max (longest_or_none, one)
"""

_LONGEST_MULTIPLE = """
  longest_or_none = ReduceMax <keepdims = 0> (group_tokens)
  longest_exact = Max (longest_or_none, one)
  longest_over = Add (longest_exact, rounding)
  longest_multiples = Div (longest_over, multiple)
  longest = Mul (longest_multiples, multiple)
"""


def length_sorted_batches(shape: EncoderShape, grouping: Grouping) -> str:
    """Return the text of a model that runs the encoder over groups of items.

    Args:
        shape: The encoder's sizes.
        grouping: The limits of a group.
    """
    constants = {
        "max_group_tokens": grouping.max_tokens,
        "max_padding": grouping.max_padding(shape.hidden_size),
    }
    longest = _LONGEST
    if grouping.multiple > 1:
        longest = _LONGEST_MULTIPLE
        constants |= {"multiple": grouping.multiple, "rounding": grouping.multiple - 1}
    group = group_text(
        tokens="group_tokens",
        start="group_start",
        packed_start="packed_start = CumSum <exclusive = 1> (group_column, zero)",
        column=f"{longest} column = Range (zero, longest, one)",
        valid_at="valid_at = NonZero (valid_flat)",
        features=("group_feature_start", "group_feature_rows") if shape.feature_size else None,
    )
    loop = _LOOP.format(
        group=group,
        dimension=shape.dimension,
        sorted_features=_SORTED_FEATURES if shape.feature_size else "",
        group_features=_GROUP_FEATURES if shape.feature_size else "",
    )
    return model_text(shape, loop, constants)
