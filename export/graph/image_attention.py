"""The definition of the operator that attends within each of several images, in ONNX.

A loop over the images, because ONNX Runtime's fused kernel takes sequences of one length only.
"""

from __future__ import annotations

import onnx_ir as ir

# A loop's sequence must state its element type, in place of ELEMENT and TYPE.
IMAGE_ATTENTION = """
<ir_version: 10, opset_import: ["": 18]>
unused (float[1] x) => (float[1] y) { y = Identity (x) }

<domain: "triton_embed", opset_import: ["": 18, "com.microsoft": 1]>
ImageAttention <num_heads, scale> (query, key, value, image_end) => (output)
{
  zeros = Constant <value = int64[1] {0}> ()
  all_but_last = Constant <value = int64[1] {-1}> ()
  images = Size (image_end)
  go = Constant <value = bool {1}> ()
  none = SequenceEmpty <dtype = ELEMENT> ()
  ends_before = Slice (image_end, zeros, all_but_last)
  image_start = Concat <axis = 0> (zeros, ends_before)
  attended_images = Loop (images, go, none) <
    body = image (int64 index, bool condition, seq(TYPE[a, b]) before)
      => (bool more, seq(TYPE[c, d]) after)
    {
      place = Unsqueeze (index, zeros)
      start = Gather (image_start, place)
      end = Gather (image_end, place)
      image_query = Slice (query, start, end, zeros)
      image_key = Slice (key, start, end, zeros)
      image_value = Slice (value, start, end, zeros)
      query_item = Unsqueeze (image_query, zeros)
      key_item = Unsqueeze (image_key, zeros)
      value_item = Unsqueeze (image_value, zeros)
      attended_item = com.microsoft.MultiHeadAttention
        <num_heads: int = @num_heads, scale: float = @scale> (query_item, key_item, value_item)
      attended = Squeeze (attended_item, zeros)
      after = SequenceInsert (before, attended)
      more = Identity (condition)
    }
  >
  output = ConcatFromSequence <axis = 0> (attended_images)
}
"""


def define_image_attention(model: ir.Model) -> None:
    """Add the operator's definition to `model`, in place, if it has the operator."""
    calls = [node for node in model.graph if node.op_type == "ImageAttention"]
    if not calls:
        return
    is_half = calls[0].outputs[0].dtype is ir.DataType.FLOAT16
    dtype = ir.DataType.FLOAT16 if is_half else ir.DataType.FLOAT
    text = IMAGE_ATTENTION.replace("ELEMENT", str(dtype.value)).replace("TYPE", dtype.name.lower())
    (function,) = ir.from_onnx_text(text).functions.values()
    model.functions[function.identifier()] = function
    model.opset_imports[function.domain] = 1
    model.opset_imports["com.microsoft"] = 1
