"""The ONNX encoder protects the requests in a batch from each other, and runs fast kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from testing.families import CASES
from testing.family_repository import Families
from testing.onnx_encoder import embed, open_encoder, trace
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.pipelines import ENCODER
from triton_embed.repository.layout import step_file


@pytest.fixture(scope="module")
def session(tiny_repository: Path) -> onnxruntime.InferenceSession:
    return open_encoder(tiny_repository, "tiny")


def test_order_is_kept_whatever_the_lengths(session: onnxruntime.InferenceSession) -> None:
    generator = np.random.default_rng(0)
    rows = [generator.integers(1000, 30000, size).tolist() for size in (9, 2, 64, 1, 33, 2)]
    alone = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(embed(session, rows) - alone).max() < 1e-5


def test_more_tokens_than_one_group_holds_are_embedded_in_several(
    session: onnxruntime.InferenceSession,
) -> None:
    generator = np.random.default_rng(1)
    rows = [generator.integers(1000, 30000, 60).tolist() for _ in range(64)]
    assert np.abs(embed(session, rows)[-1:] - embed(session, rows[-1:])).max() < 1e-5


@pytest.mark.parametrize("length", [-5, 0, 1000])
def test_length_out_of_range_does_not_change_batch_mates(
    session: onnxruntime.InferenceSession, length: int
) -> None:
    rows = [[101, 2000, 102], [101, 3000, 4000, 102], [101, 102]]
    together = embed(session, rows, [3, length, 2])
    assert np.isfinite(together).all()
    assert np.abs(together[0] - embed(session, rows[:1])[0]).max() < 1e-5
    assert np.abs(together[2] - embed(session, rows[2:])[0]).max() < 1e-5


@pytest.mark.parametrize("place", [0, 1, 2])
def test_row_without_tokens_does_not_change_batch_mates(
    session: onnxruntime.InferenceSession, place: int
) -> None:
    rows = [[101, 2000, 102], [101, 102]]
    together = embed(session, [*rows[:place], [], *rows[place:]])
    assert np.isfinite(together).all()
    assert np.abs(np.delete(together, place, 0) - embed(session, rows)).max() < 1e-5
    assert embed(session, [[]]).shape == together[:1].shape


def test_id_outside_the_vocabulary_does_not_change_batch_mates(
    session: onnxruntime.InferenceSession,
) -> None:
    rows = [[101, 2000, 102], [-7, 99999999], [101, 102]]
    together = embed(session, rows)
    assert np.abs(together[0] - embed(session, rows[:1])[0]).max() < 1e-5
    assert np.abs(together[2] - embed(session, rows[2:])[0]).max() < 1e-5


def optimized_operators(path: Path, folder: Path) -> set[str]:
    """Return the operators of the loop's body that ONNX Runtime runs for the model in `path`."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options)
    graph = onnx.load(folder / "optimized.onnx").graph
    (body,) = (item.g for node in graph.node for item in node.attribute if item.HasField("g"))
    return {node.op_type for node in body.node}


def test_activations_and_biases_are_fused(tiny_repository: Path, tmp_path: Path) -> None:
    operators = optimized_operators(step_file(tiny_repository, "tiny", ENCODER), tmp_path)
    assert {"Gelu", "Gemm"} <= operators
    assert not {"Erf", "MatMul"} & operators


@pytest.mark.parametrize("name", CASES)
def test_norms_are_not_fused_with_additions(families: Families, tmp_path: Path, name: str) -> None:
    """On a CPU the fused kernel is far slower."""
    path = step_file(families.exported(name), triton_model_name(name), ENCODER)
    operators = optimized_operators(path, tmp_path)
    assert {"LayerNormalization", "SimplifiedLayerNormalization"} & operators
    assert not {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"} & operators


@pytest.mark.parametrize("name", CASES)
def test_weights_are_in_the_main_graph(families: Families, name: str) -> None:
    """ONNX Runtime would keep those of the loop's body twice."""
    path = step_file(families.exported(name), triton_model_name(name), ENCODER)
    graph = onnx.load(path, load_external_data=False).graph
    (body,) = (item.g for node in graph.node for item in node.attribute if item.HasField("g"))
    assert not body.initializer
    assert sum(weight.name.startswith("encoder.") for weight in graph.initializer) > 20


def test_root_mean_square_norm_is_one_operator(families: Families, tmp_path: Path) -> None:
    name = "mistral-sliding"
    repository = families.exported(name)
    kinds = [item.kind for item in trace(repository, triton_model_name(name), [[5, 6]], tmp_path)]
    assert kinds.count("SimplifiedLayerNormalization") == 5
    assert not {"Pow", "Reciprocal"} & set(kinds)
