"""Builds the ONNX model of an image tower."""

from __future__ import annotations

import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.rewriter.ort_fusions.erfgelu import fuse_erfgelu
from onnxscript.rewriter.ort_fusions.rms_normalization import fuse_rms_normalization

from triton_embed.contract import tensors
from triton_embed.export.graph.builder import trace
from triton_embed.export.graph.frame import IR_VERSION
from triton_embed.export.graph.image_attention import define_image_attention
from triton_embed.export.target import Target
from triton_embed.export.towers.any_size import AnySizeTower
from triton_embed.export.towers.vision import VisionTower

EXAMPLE_TILES = 3
"""Tiles that the tower is traced with; torch.export would treat 1 as a constant."""


def vision_to_onnx(tower: VisionTower, target: Target) -> ir.Model:
    """Build the ONNX model of a tower.

    Args:
        tower: The tower for `target`, in evaluation mode.
        target: The model's runtime.

    Returns:
        A model with input ``pixels`` uint8 [tiles, 3, size, size] and output ``embeddings`` float32
        [tiles, dimension] or ``features`` float32 [tiles, tokens, width].
    """
    pixels = torch.zeros((EXAMPLE_TILES, 3, tower.size, tower.size), dtype=torch.uint8)
    model = trace(
        tower,
        (pixels,),
        input_names=[tensors.PIXELS],
        output_names=[tensors.FEATURES if tower.gives_features else tensors.EMBEDDINGS],
        dynamic_shapes=({0: torch.export.Dim.AUTO},),
    )
    if target.runtime.backend == "onnxruntime":
        fuse_erfgelu(model)
        RemoveUnusedNodesPass()(model)
    else:
        _take_shapes_from_floats(model)
    model.ir_version = IR_VERSION
    return model


def _take_shapes_from_floats(model: ir.Model) -> None:
    """Take the number of tiles from the converted pixels: TensorRT has no Shape of bytes."""
    (pixels,) = model.graph.inputs
    users = [use.node for use in pixels.uses()]
    (converted,) = [node.outputs[0] for node in users if node.op_type == "Cast"]
    for node in users:
        if node.op_type == "Shape":
            node.replace_input_with(0, converted)
    model.graph.sort()


def any_size_to_onnx(tower: AnySizeTower, target: Target) -> ir.Model:
    """Build the ONNX model of a tower that takes images of any size.

    Args:
        tower: The tower for `target`, in evaluation mode.
        target: The model's runtime.

    Returns:
        A model with inputs ``pixels`` uint8 [tiles, 3, size, size] and ``tile_position`` int32
        [tiles, 3], and output ``features`` float32 [tiles, 1, hidden].
    """
    pixels = torch.zeros((EXAMPLE_TILES, 3, tower.size, tower.size), dtype=torch.uint8)
    positions = torch.tensor([[0, column, column == 2] for column in range(EXAMPLE_TILES)])
    tiles = {0: torch.export.Dim.AUTO}
    model = trace(
        tower,
        (pixels, positions.to(torch.int32)),
        input_names=[tensors.PIXELS, tensors.TILE_POSITION],
        output_names=[tensors.FEATURES],
        dynamic_shapes=(tiles, tiles),
    )
    if target.runtime.backend == "onnxruntime":
        fuse_erfgelu(model)
        fuse_rms_normalization(model)
        RemoveUnusedNodesPass()(model)
        define_image_attention(model)
    model.ir_version = IR_VERSION
    return model
