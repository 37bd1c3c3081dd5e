"""The encoder of a fused model gives each item the features of its own image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from testing.nemotron_vl_checkpoint import LANGUAGE, nemotron_vl_checkpoint
from triton_embed.export.checkpoint.files import file_sizes
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.graph import storage
from triton_embed.export.graph.builder import to_onnx
from triton_embed.export.parity.feed import Features, Row, ragged_batch
from triton_embed.export.target import TARGETS
from triton_embed.export.towers.text import PackedEncoder

PLACEHOLDER = 602
WIDTH: int = LANGUAGE["hidden_size"]
TEXT = [0, 300, 301, 302]
NO_IMAGE = np.zeros((1, WIDTH), np.float32)


@pytest.fixture(scope="module", params=["cpu", "tensorrt"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> onnxruntime.InferenceSession:
    folder = tmp_path_factory.mktemp("fused")
    checkpoint = nemotron_vl_checkpoint(folder / "checkpoint")
    target = TARGETS[request.param]
    encoder = PackedEncoder(
        read_checkpoint(checkpoint, file_sizes(checkpoint)), target.name, placeholder=PLACEHOLDER
    ).eval()
    path = folder / "model.onnx"
    storage.save(to_onnx(encoder, 64, target), path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def embed(
    session: onnxruntime.InferenceSession, rows: Sequence[Row], features: Sequence[Features]
) -> NDArray[np.float32]:
    feed = ragged_batch([[row] for row in rows], features)
    vectors: NDArray[np.float32] = session.run(["embeddings"], feed)[0]
    return vectors


def image(rows: int, seed: int) -> tuple[list[int], Features]:
    """Return the ids and the features of an image."""
    features = np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)
    return [0, 300, *[PLACEHOLDER] * rows, 301], features


def test_items_have_the_features_of_their_own_image(session: onnxruntime.InferenceSession) -> None:
    items = [image(3, 0), (TEXT, NO_IMAGE), image(7, 1), image(1, 2), (TEXT[:2], NO_IMAGE)]
    rows, features = zip(*items, strict=True)
    alone = [embed(session, [row], [each])[0] for row, each in items]
    assert np.abs(embed(session, rows, features) - alone).max() < 1e-5
    other = embed(session, [image(3, 9)[0]], [image(3, 9)[1]])[0]
    assert np.abs(other - alone[0]).max() > 0.01


def test_features_do_not_change_texts(session: onnxruntime.InferenceSession) -> None:
    surplus = np.ones((5, WIDTH), np.float32)
    vectors = [embed(session, [TEXT], [each]) for each in (NO_IMAGE, surplus)]
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-6


def test_surplus_placeholders_do_not_change_batch_mates(
    session: onnxruntime.InferenceSession,
) -> None:
    row, features = image(3, 0)
    hostile = [0, *[PLACEHOLDER] * 20]
    batch = embed(session, [row, hostile, TEXT, hostile], [features, NO_IMAGE, NO_IMAGE, features])
    assert np.isfinite(batch).all()
    assert np.abs(batch[0] - embed(session, [row], [features])[0]).max() < 1e-5
    assert np.abs(batch[2] - embed(session, [TEXT], [NO_IMAGE])[0]).max() < 1e-5
    # The rows of a neighbor are out of reach.
    assert np.abs(batch[1] - embed(session, [hostile], [NO_IMAGE])[0]).max() < 1e-5


def test_item_without_rows_does_not_reach_those_of_its_neighbors(
    session: onnxruntime.InferenceSession,
) -> None:
    hostile = [0, *[PLACEHOLDER] * 3]
    no_rows = np.zeros((0, WIDTH), np.float32)
    batches = []
    for seed in (0, 9):
        row, features = image(3, seed)
        rows = [hostile, row, hostile, row]
        batch = embed(session, rows, [no_rows, features, no_rows, features])
        assert np.abs(batch[1::2] - embed(session, [row], [features])).max() < 1e-5
        batches.append(batch[::2])
    assert np.abs(batches[0] - batches[1]).max() < 1e-6
