"""Builds the TensorRT engine of an exported model where that is possible, and says how elsewhere.

An engine works with the version of TensorRT and the kind of GPU that it was built with. Networks
are strongly typed: TensorRT 11 has no others and TensorRT 10 is asked for them, so that the ONNX
model alone decides about precision.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_embed.contract import tensors
from triton_embed.export.errors import ExportError

ENGINE = "model.plan"
SCRIPT = "build.sh"

Profile = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
"""The least, the usual and the largest shape of each input."""


def profile(max_batch_size: int, max_tokens: int) -> Profile:
    """Return the shapes that an engine must take.

    Triton bounds an execution by its number of items alone, so that there may be the ids of as many
    as it allows, each of the greatest length.
    """
    usual = -(-max_batch_size // 4)
    ids = ((1,), (usual * -(-max_tokens // 4),), (max_batch_size * max_tokens,))
    column = ((1, 1), (usual, 1), (max_batch_size, 1))
    return {tensors.TOKEN_IDS: ids, tensors.LENGTH: column, tensors.ROW_WIDTH: column}


def command(shapes: Profile) -> str:
    """Return the command that builds an engine for `shapes` in the folder of the ONNX model.

    ``--stronglyTyped`` is for TensorRT 10; 11 accepts it and ignores it.
    """
    # A server that watches the repository must not see half an engine.
    part = f"{ENGINE}.part"
    ranges = [
        f"--{kind}Shapes=" + ",".join(f"{name}:{_text(item[at])}" for name, item in shapes.items())
        for at, kind in enumerate(("min", "opt", "max"))
    ]
    flags = ["--onnx=model.onnx", f"--saveEngine={part}", "--stronglyTyped", "--skipInference"]
    return f"{shlex.join(['trtexec', *flags, *ranges])} && mv {part} {ENGINE}"


def build(model: Path, shapes: Profile) -> Path | None:
    """Build the engine of the ONNX file `model` beside it.

    Beside it stands in any case a script that does so, for other GPUs and versions of TensorRT.

    Returns:
        The script's path if no engine was built, because there is no TensorRT or no GPU.

    Raises:
        ExportError: TensorRT refuses the model.
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
        # What the Python binding makes of a CUDA that cannot be initialised.
        return script
    # TensorRT 11 accepts the flag and ignores it.
    strongly_typed = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(strongly_typed))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model)):
        raise ExportError(f"TensorRT cannot read the model: {parser.get_error(0)}")
    engine = builder.build_serialized_network(network, _config(builder, shapes))
    if engine is None:
        raise ExportError("TensorRT cannot build the engine; its messages say why")
    model.with_name(ENGINE).write_bytes(engine)
    return None


def _config(builder: Any, shapes: Profile) -> Any:
    optimization = builder.create_optimization_profile()
    for name, (least, usual, largest) in shapes.items():
        optimization.set_shape(name, least, usual, largest)
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
        f"{command(shapes)}\n"
    )
    path.chmod(0o755)
    return path


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
