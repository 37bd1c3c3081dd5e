"""Writes a packed encoder as the ONNX model that Triton's onnxruntime backend serves.

The model takes what a ragged Triton batch consists of: the padded rows of all requests end to
end, the real length of each item and the width of the row it came in. In the graph the items are
sorted by length and the encoder runs over groups, without padding; on CPU several small groups are
faster than one large one. Attention alone sees a group padded to its longest item, so a group ends
before the padding would cost more than another group does.

The graph protects neighbours: a length or an id out of range in one request must not fail, or
change, the others in its batch, so both are clamped.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx_ir as ir
import torch

from export.encoder import PackedEncoder
from export.packing import pack
from export.progress import Advance, silent

OPSET = 18
IR_VERSION = 10
"""The newest that ONNX Runtime 1.19 reads, which Triton 2.51 brings."""

GROUP_TOKENS = 1024
"""Items × longest of what the encoder sees at a time; a longer item goes alone. 1024 was fastest
with MiniLM on 2 cores."""

PADDING_SCORES = 16
"""Attention scores that a group may waste on padding, for each element of the hidden size.

Another group costs about as much as 16 tokens. With MiniLM on 2 cores that is what 16 × 384 wasted
scores cost, and a wasted score weighs the less against a token the wider the layers are.
"""

LARGEST_FILE = 200_000_000
"""Bytes of weights that go into the ONNX file itself.

More lie beside it, are written one by one, and are mapped into memory when the model is loaded. In
the file, a protobuf message of at most 2 GiB, they would be held several times over.
"""

BYTES_IN_FLIGHT = 64_000_000
"""Of weights that are written at a time."""

LOOP = """
<ir_version: {ir_version}, opset_import: ["": {opset}, "com.microsoft": 1, "triton_embed": 1]>
encoder (int32[flat] token_ids, int32[items, 1] length, int32[items, 1] row_width)
  => (float[items, {dimension}] embeddings)
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] zeros = {{0}}, int64[1] all = {{-1}},
 int64 max_tokens = {{{max_tokens}}}, int64 last_id = {{{last_id}}},
 int64 most_tokens = {{{most_tokens}}}, int64 most_padding = {{{most_padding}}}>
{{
  width_column = Cast <to = 7> (row_width)
  width = Reshape (width_column, all)
  length_column = Cast <to = 7> (length)
  length_flat = Reshape (length_column, all)
  at_most = Min (length_flat, width, max_tokens)
  at_least = Min (width, one)
  tokens = Max (at_most, at_least)
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
      group_column = Unsqueeze (group_tokens, all)
      start_column = Unsqueeze (group_start, all)
      packed_start = CumSum <exclusive = 1> (group_column, zero)
      longest_or_none = ReduceMax <keepdims = 0> (group_tokens)
      longest = Max (longest_or_none, one)
      column = Range (zero, longest, one)
      valid = Less (column, group_column)
      packed_index = Add (packed_start, column)
      pad = Where (valid, packed_index, zero)
      valid_flat = Reshape (valid, all)
      valid_at = NonZero (valid_flat)
      unpad = Squeeze (valid_at, zeros)
      position_ids = Mod (unpad, longest)
      source = Add (start_column, column)
      source_flat = Reshape (source, all)
      source_packed = Gather (source_flat, unpad)
      raw_ids = Gather (token_ids, source_packed)
      wide_ids = Cast <to = 7> (raw_ids)
      low_ids = Min (wide_ids, last_id)
      input_ids = Max (low_ids, zero)
      group_embeddings = triton_embed.Encoder (input_ids, position_ids, pad, unpad, valid)
      after = Concat <axis = 0> (before, group_embeddings)
      more = Less (end, items)
    }}
  >
  embeddings = Gather (sorted_embeddings, place)
}}
"""


def to_onnx(encoder: PackedEncoder, max_tokens: int) -> ir.Model:
    """Return the ONNX model of `encoder`.

    Args:
        encoder: The encoder, in evaluation mode.
        max_tokens: Longest item; longer ones are cut at this length.

    Returns:
        A model with inputs ``token_ids`` int32 [flat], ``length`` int32 [items, 1] and
        ``row_width`` int32 [items, 1], and output ``embeddings`` float32 [items, dimension].
    """
    text = LOOP.format(
        ir_version=IR_VERSION,
        opset=OPSET,
        dimension=encoder.dimension,
        max_tokens=max_tokens,
        last_id=encoder.vocab_size - 1,
        most_tokens=GROUP_TOKENS,
        most_padding=PADDING_SCORES * encoder.transformer.config.hidden_size,
    )
    model = ir.from_onnx_text(text)
    _inline(_export(encoder), model)
    return model


def save(model: ir.Model, path: Path, advance: Advance = silent) -> None:
    """Write `model` to one file, or its weights beside it where they are too large for that."""

    def tell(tensor: object, info: ir.external_data.CallbackInfo) -> None:
        advance(info.index + 1, info.total, "weights")

    values = (value for graph in model.graphs() for value in graph.initializers.values())
    size = sum(value.const_value.nbytes for value in values if value.const_value is not None)
    if size <= LARGEST_FILE:
        ir.save(model, path)
    else:
        data = f"{path.name}.data"
        ir.save(model, path, external_data=data, max_in_flight_bytes=BYTES_IN_FLIGHT, callback=tell)


def free(model: ir.Model, encoder: PackedEncoder) -> None:
    """Let go of the weights of both, which then are of no more use.

    It would not do to forget the two: the rules of ONNX Script's optimizer keep the last graph
    that they saw.
    """
    for graph in model.graphs():
        for value in graph.initializers.values():
            value.const_value = None
    for weight in (*encoder.parameters(), *encoder.buffers()):
        weight.data = torch.empty(0)


def _export(encoder: PackedEncoder) -> ir.Model:
    """Return `encoder` alone in ONNX, its five inputs of dynamic shape."""
    packing = pack([5, 9, 3])
    tokens = int(packing.lengths.sum())
    position_ids = torch.cat([torch.arange(length) for length in packing.lengths.tolist()])
    inputs = (torch.arange(tokens), position_ids, packing.pad, packing.unpad, packing.valid)
    dynamic = torch.export.Dim.AUTO
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            inputs,
            input_names=["input_ids", "position_ids", "pad", "unpad", "valid"],
            dynamic_shapes=tuple(dict.fromkeys(range(item.dim()), dynamic) for item in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model


def _inline(encoder: ir.Model, model: ir.Model) -> None:
    """Put the nodes of `encoder` in the place of the ``triton_embed.Encoder`` node of `model`."""
    call = next(node for node in model.graph.all_nodes() if node.domain == "triton_embed")
    body = call.graph
    assert isinstance(body, ir.Graph)
    nodes = list(encoder.graph)
    weights = list(encoder.graph.initializers.values())
    for value in (*weights, *(output for node in nodes for output in node.outputs)):
        value.name = f"encoder.{value.name}"
    arguments = [value for value in call.inputs if value is not None]
    ir.convenience.replace_all_uses_with(encoder.graph.inputs, arguments)
    (result,) = encoder.graph.outputs
    encoder.graph.outputs.clear()
    encoder.graph.initializers.clear()
    encoder.graph.remove(nodes)
    body.insert_before(call, nodes)
    for weight in weights:
        body.register_initializer(weight)
    ir.convenience.replace_all_uses_with(call.outputs, [result])
    body.remove(call, safe=True)
    del model.opset_imports["triton_embed"]
