"""Packed attention in standard operators, so that the parity gate runs on machines without a GPU.

ONNX Runtime implements the operator for CUDA only. This decomposition follows the operator's
documentation, not our use of it, so that the gate tests our inputs and everything around it; only
the kernel itself is not tested.
"""

from __future__ import annotations

import onnx_ir as ir

PACKED_ATTENTION = """
<ir_version: 10, opset_import: ["": 18]>
unused (float[1] x) => (float[1] y) { y = Identity (x) }

<domain: "triton_embed", opset_import: ["": 18]>
PackedMultiHeadAttention <num_heads, scale>
  (query, key, value, bias, token_offset, cumulative_sequence_length, attention_bias) => (output)
{
  zero = Constant <value = int64 {0}> ()
  one = Constant <value = int64 {1}> ()
  first = Constant <value = int64[1] {0}> ()
  second = Constant <value = int64[1] {1}> ()
  flat = Constant <value = int64[1] {-1}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  heads_axes = Constant <value = int64[2] {1, 2}> ()
  mask_value = Constant <value = float {-1e9}> ()
  heads = Constant <value_int: int = @num_heads> ()
  factor = Constant <value_float: float = @scale> ()

  offsets = Cast <to = 7> (token_offset)
  tokens = Shape <start = 0, end = 1> (query)
  hidden = Shape <start = 1, end = 2> (query)
  longest = Shape <start = 1, end = 2> (offsets)
  all_offsets = Reshape (offsets, flat)
  place = Slice (all_offsets, first, tokens)
  index = Unsqueeze (place, second)
  padded_tokens = Shape (all_offsets)
  padded_shape = Concat <axis = 0> (padded_tokens, hidden)
  padding = ConstantOfShape <value = float[1] {0}> (padded_shape)
  head_count = Reshape (heads, flat)
  items = Shape <start = 0, end = 1> (offsets)
  split_shape = Concat <axis = 0> (items, longest, head_count, flat)

  query_number = Cast <to = 1> (query)
  query_padded = ScatterND (padding, index, query_number)
  query_split = Reshape (query_padded, split_shape)
  queries = Transpose <perm = [0, 2, 1, 3]> (query_split)
  key_number = Cast <to = 1> (key)
  key_padded = ScatterND (padding, index, key_number)
  key_split = Reshape (key_padded, split_shape)
  keys = Transpose <perm = [0, 2, 3, 1]> (key_split)
  value_number = Cast <to = 1> (value)
  value_padded = ScatterND (padding, index, value_number)
  value_split = Reshape (value_padded, split_shape)
  values = Transpose <perm = [0, 2, 1, 3]> (value_split)

  after = Slice (cumulative_sequence_length, second, end)
  before = Slice (cumulative_sequence_length, first, flat)
  length = Sub (after, before)
  wide_length = Cast <to = 7> (length)
  length_shape = Constant <value = int64[4] {-1, 1, 1, 1}> ()
  length_column = Reshape (wide_length, length_shape)
  longest_number = Squeeze (longest, first)
  column = Range (zero, longest_number, one)
  visible = Less (column, length_column)

  products = MatMul (queries, keys)
  scaled = Mul (products, factor)
  bias_number = Cast <to = 1> (attention_bias)
  biased = Add (scaled, bias_number)
  scores = Where (visible, biased, mask_value)
  weights = Softmax <axis = -1> (scores)
  mixed = MatMul (weights, values)
  mixed_split = Transpose <perm = [0, 2, 1, 3]> (mixed)
  mixed_padded = Reshape (mixed_split, padded_shape)
  mixed_packed = Gather (mixed_padded, place)
  output = CastLike (mixed_packed, query)
}
"""


def decompose_packed_attention(model: ir.Model) -> None:
    """Replace the packed attention nodes of `model` by calls of the decomposition, in place."""
    (function,) = ir.from_onnx_text(PACKED_ATTENTION).functions.values()
    calls = [node for node in model.graph.all_nodes() if node.op_type == function.name]
    model.functions[function.identifier()] = function
    model.opset_imports[function.domain] = 1
    no_bias = ir.Value(name="no_attention_bias", const_value=ir.tensor(0.0))
    for call in calls:
        call.domain = function.domain
        call.resize_inputs(len(function.inputs))
        if call.inputs[-1] is None:
            call.replace_input_with(len(function.inputs) - 1, no_bias)
    if no_bias.uses():
        model.graph.register_initializer(no_bias)
