"""Builds the TensorRT engine of an exported model, or writes a script that does.

An engine works only with the version of TensorRT and the type of GPU that it was built with.
Networks are strongly typed, which TensorRT 10 supports and TensorRT 11 requires, so that only the
ONNX model determines the precision.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triton_embed.contract import tensors
from triton_embed.contract.pipeline import Tensor
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.errors import ExportError

ENGINE = "model.plan"
SCRIPT = "build.sh"

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Profile = Mapping[str, Shapes]
"""Minimum, optimal and maximum shape of each input."""


def profile(max_batch_size: int, max_tokens: int, feature_size: int = 0) -> Profile:
    """Return the shapes that an engine must accept.

    Triton limits only the number of items of an execution, so the maximum is `max_batch_size` items
    of `max_tokens` each. The optimum is an estimate: a quarter of the items, of a quarter of the
    length.

    Args:
        max_batch_size: Maximum items of an execution.
        max_tokens: Maximum tokens of an item, and therefore rows of features.
        feature_size: Length of a row of features; 0: the encoder takes texts only.
    """
    items = -(-max_batch_size // 4)
    ids = ((1,), (items * -(-max_tokens // 4),), (max_batch_size * max_tokens,))
    column = ((1, 1), (items, 1), (max_batch_size, 1))
    shapes: dict[str, Shapes] = {
        tensors.TOKEN_IDS: ids,
        tensors.LENGTH: column,
        tensors.ROW_WIDTH: column,
    }
    if feature_size:
        # Every item has one row at least.
        low, optimal, high = ((count * feature_size,) for (count,) in ids)
        shapes[tensors.FEATURES] = low, optimal, high
        shapes[tensors.FEATURE_SHAPE] = (1, 2), (items, 2), (max_batch_size, 2)
    return shapes


def vision_profile(spec: ModelSpec, inputs: Sequence[Tensor]) -> Profile:
    """Return the shapes that the engine of an image tower must accept.

    Args:
        spec: The model's spec.
        inputs: The inputs of the step, whose items are tiles.
    """
    largest = spec.max_batch_tiles
    shapes: dict[str, Shapes] = {}
    for tensor in inputs:
        item = tensor.shape(spec)
        shapes[tensor.name] = (1, *item), (-(-largest // 4), *item), (largest, *item)
    return shapes


def command(shapes: Profile) -> str:
    """Return the shell command that builds an engine in the folder of the ONNX model.

    TensorRT 10 needs ``--stronglyTyped``; 11 accepts and ignores it.
    """
    # A server that polls the repository must not see an incomplete engine.
    partial = f"{ENGINE}.part"
    ranges = [
        f"--{kind}Shapes=" + ",".join(f"{name}:{_text(item[at])}" for name, item in shapes.items())
        for at, kind in enumerate(("min", "opt", "max"))
    ]
    flags = ["--onnx=model.onnx", f"--saveEngine={partial}", "--stronglyTyped", "--skipInference"]
    return f"{shlex.join(['trtexec', *flags, *ranges])} && mv {partial} {ENGINE}"


def build(model: Path, shapes: Profile) -> Path | None:
    """Build the engine of an ONNX file next to it, if TensorRT and a GPU are available.

    A script that does the same is always written next to it, for other GPUs and versions.

    Args:
        model: The ONNX file.
        shapes: The shapes that the engine must accept.

    Returns:
        The script's path if no engine was built.

    Raises:
        ExportError: TensorRT rejects the model.
    """
    script = _write_script(model.parent, shapes)
    try:
        tensorrt: Any = importlib.import_module("tensorrt")
    except ImportError:
        return script
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    try:
        builder = tensorrt.Builder(logger)
    except TypeError:
        # TensorRT's binding raises it if CUDA cannot be initialized.
        return script
    # TensorRT 11 accepts the flag and ignores it.
    strongly_typed = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(strongly_typed))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model)):
        raise ExportError(f"TensorRT cannot read the model: {parser.get_error(0)}")
    engine = builder.build_serialized_network(network, _config(builder, shapes))
    if engine is None:
        raise ExportError("TensorRT cannot build the engine; see its messages above")
    model.with_name(ENGINE).write_bytes(engine)
    return None


def _config(builder: Any, shapes: Profile) -> Any:
    optimization = builder.create_optimization_profile()
    for name, (min_shape, opt_shape, max_shape) in shapes.items():
        optimization.set_shape(name, min_shape, opt_shape, max_shape)
    config = builder.create_builder_config()
    config.add_optimization_profile(optimization)
    return config


def _write_script(folder: Path, shapes: Profile) -> Path:
    path = folder / SCRIPT
    path.write_text(
        "#!/bin/sh\n"
        "# Builds the engine of this model, with the TensorRT and on the GPU that will run it.\n"
        "set -eu\n"
        'cd "$(dirname "$0")"\n'
        f"{command(shapes)}\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
