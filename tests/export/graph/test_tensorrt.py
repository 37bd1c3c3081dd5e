"""An export for TensorRT uses documented operators, and builds an engine or writes a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from testing.family_repository import Families
from testing.image_checkpoints import clip_checkpoint, siglip_checkpoint
from testing.nemotron_vl_checkpoint import nemotron_vl_checkpoint
from testing.onnx_encoder import embed, open_encoder
from triton_embed.cli import main
from triton_embed.export.errors import ExportError
from triton_embed.export.graph import tensorrt
from triton_embed.export.target import TARGETS
from triton_embed.repository.config import read as read_config

DOCUMENTED = json.loads(Path(__file__).with_name("tensorrt_operators.json").read_text())
TYPES = {
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.FLOAT16: "FP16",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.BOOL: "BOOL",
}
AXES = {"CumSum": 1, "Pad": 3, "ReduceMax": 1, "ReduceSum": 1, "Slice": 3, "Squeeze": 1}
"""Index of the input that must be constant, by operator; for reductions it is 1."""


def undocumented(path: Path) -> list[str]:
    """Return the uses in the ONNX model in `path` that TensorRT's table of operators lacks."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    types |= {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types |= {value.name: value.data_type for value in graph.initializer}
    constants = {value.name for value in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    problems = []
    for node in graph.node:
        if node.domain or node.op_type not in DOCUMENTED["operators"]:
            problems.append(f"{node.domain}:{node.op_type}")
            continue
        # The first input of Where is its condition.
        values = node.input[1:2] if node.op_type == "Where" else node.input[:1]
        for name in values:
            if TYPES[types[name]] not in DOCUMENTED["operators"][node.op_type]:
                problems.append(f"{node.op_type} of {TYPES[types[name]]}")
        at = 1 if node.op_type.startswith(("Reduce", "Unsqueeze")) else AXES.get(node.op_type)
        if at and len(node.input) > at and node.input[at] and node.input[at] not in constants:
            problems.append(f"{node.op_type} with axes that are not constant")
    least, most = DOCUMENTED["opsets"]
    problems += [
        f"opset {item.version}"
        for item in model.opset_import
        if not item.domain and not least <= item.version <= most
    ]
    return problems


@pytest.mark.parametrize("name", ["embedding-gemma", "mistral-sliding", "mpnet"])
def test_graph_in_operators_of_tensorrt_equals_the_reference(
    tmp_path: Path, families: Families, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    flags = ["--model-id", "m", "--target", "tensorrt", "--precision", "fp32"]
    folder = families.checkpoint(name)
    assert (
        main(["export", str(folder), "--model-repository", str(tmp_path / "repository"), *flags])
        == 0
    )
    encoder = tmp_path / "repository" / "m_encoder"
    assert undocumented(encoder / "1" / "model.onnx") == []

    config = read_config(encoder)
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    printed = capsys.readouterr().err
    assert f"until {encoder}/1/build.sh has run" in printed
    assert "trtexec --onnx=model.onnx" in printed
    report = json.loads((encoder / "1" / "parity.json").read_text())
    assert report["max_absolute_error"] < 1e-4
    assert "the TensorRT engine was not run" in report["caveat"]

    session = open_encoder(tmp_path / "repository", "m")
    rows = [[101, 2000, 102], [-7, 99999999], [101, 3000, 4000, 102], [101, 102]]
    together = embed(session, rows, [3, 2, -5, 2])
    assert np.abs(together[0] - embed(session, rows[:1])[0]).max() < 1e-5
    assert np.abs(together[3] - embed(session, rows[3:])[0]).max() < 1e-5


@pytest.mark.parametrize("write", [clip_checkpoint, siglip_checkpoint])
def test_image_tower_is_exported_in_operators_of_tensorrt(
    tmp_path: Path, write: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "repository"
    flags = ["--model-repository", str(repository), "--model-id", "m", "--target", "tensorrt"]
    flags += ["--precision", "fp32"]
    assert main(["export", str(write(tmp_path / "checkpoint")), *flags]) == 0
    folder = repository / "m_vision"
    assert undocumented(folder / "1" / "model.onnx") == []
    config = read_config(folder)
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    script = folder / "1" / "build.sh"
    assert "--maxShapes=pixels:32x3x64x64" in script.read_text()
    assert str(script) in capsys.readouterr().err


def test_engine_has_room_for_the_largest_batch_of_triton() -> None:
    shapes = tensorrt.profile(max_batch_size=64, max_tokens=512)
    assert [item[2] for item in shapes.values()] == [(64 * 512,), (64, 1), (64, 1)]
    assert tensorrt.command(shapes) == (
        "trtexec --onnx=model.onnx --saveEngine=model.plan.part --stronglyTyped --skipInference "
        "--minShapes=token_ids:1,length:1x1,row_width:1x1 "
        "--optShapes=token_ids:2048,length:16x1,row_width:16x1 "
        "--maxShapes=token_ids:32768,length:64x1,row_width:64x1 "
        "&& mv model.plan.part model.plan"
    )


def test_engine_of_a_fused_model_has_room_for_an_image_of_the_maximum_length() -> None:
    shapes = tensorrt.profile(max_batch_size=4, max_tokens=512, feature_size=32)
    assert shapes["features"] == ((32,), (128 * 32,), (4 * 512 * 32,))
    assert shapes["feature_shape"] == ((1, 2), (1, 2), (4, 2))


def test_fused_graph_uses_operators_of_tensorrt(tmp_path: Path) -> None:
    checkpoint = nemotron_vl_checkpoint(tmp_path / "nemotron")
    flags = ["--model-id", "m", "--target", "tensorrt", "--precision", "fp32"]
    repository = tmp_path / "repository"
    assert main(["export", str(checkpoint), "--model-repository", str(repository), *flags]) == 0
    encoder = repository / "m_encoder" / "1"
    assert undocumented(encoder / "model.onnx") == []
    assert json.loads((encoder / "parity.json").read_text())["max_absolute_error"] < 1e-4
    assert "features:" in (encoder / "build.sh").read_text()


@pytest.mark.parametrize(("max_tokens", "items"), [(256, 256), (1024, 64), (8192, 1)])
def test_engine_accepts_fewer_texts_of_greater_length(max_tokens: int, items: int) -> None:
    assert TARGETS["tensorrt"].default_batch_size(max_tokens) == items


def test_script_builds_the_engine_with_trtexec(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    script = tensorrt.build(folder / "model.onnx", tensorrt.profile(8, 32))
    assert script is not None
    trtexec = tmp_path / "bin" / "trtexec"
    trtexec.parent.mkdir()
    trtexec.write_text('#!/bin/sh\necho "$@" > model.plan.part\n')
    trtexec.chmod(0o755)
    path = f"{trtexec.parent}:{os.environ['PATH']}"
    subprocess.run([script], check=True, cwd="/", env={"PATH": path})
    assert "--stronglyTyped" in (folder / "model.plan").read_text()
    trtexec.write_text("#!/bin/sh\nexit 3\n")
    assert subprocess.run([script], cwd="/", env={"PATH": path}).returncode == 3


class FakeTensorRT(SimpleNamespace):
    """The used part of the Python interface that TensorRT 10 and 11 share."""

    class Builder:
        profile: dict[str, tuple[Any, ...]]

        def __init__(self, logger: object) -> None:
            self.profile = {}

        def create_network(self, flags: int) -> int:
            return flags

        def create_optimization_profile(self) -> SimpleNamespace:
            return SimpleNamespace(
                set_shape=lambda name, *sizes: self.profile.update({name: sizes})
            )

        def create_builder_config(self) -> SimpleNamespace:
            return SimpleNamespace(add_optimization_profile=lambda profile: None)

        def build_serialized_network(self, network: int, config: object) -> bytes | None:
            return json.dumps([network, self.profile]).encode()


def fake(
    *, reads: bool = True, builder: Callable[[object], object] = FakeTensorRT.Builder
) -> FakeTensorRT:
    return FakeTensorRT(
        Logger=type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None}),
        Builder=builder,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=4),
        OnnxParser=lambda network, logger: SimpleNamespace(
            parse_from_file=lambda path: reads, get_error=lambda index: "node 3: no importer"
        ),
    )


def test_engine_is_built_with_tensorrt_and_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake())
    assert tensorrt.build(tmp_path / "model.onnx", tensorrt.profile(8, 32)) is None
    flags, shapes = json.loads((tmp_path / "model.plan").read_bytes())
    assert flags == 1 << 4
    assert shapes["token_ids"] == [[1], [16], [256]]
    assert (tmp_path / "build.sh").exists()


def test_export_ends_with_the_reason_that_tensorrt_rejects_a_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake(reads=False))
    with pytest.raises(ExportError, match="node 3: no importer"):
        tensorrt.build(tmp_path / "model.onnx", tensorrt.profile(8, 32))


def test_script_alone_is_written_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_gpu(logger: object) -> object:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setitem(sys.modules, "tensorrt", fake(builder=no_gpu))
    script = tensorrt.build(tmp_path / "model.onnx", tensorrt.profile(8, 32))
    assert script == tmp_path / "build.sh"
    assert not (tmp_path / "model.plan").exists()
