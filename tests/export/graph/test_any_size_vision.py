"""The ONNX tower of images of any size: equal to transformers', whatever shares an execution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from transformers import Mistral3Config, Mistral3Model

from triton_embed.contract.fitting import fit_grid, tile_positions
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.families.networks.mistral3 import Mistral3Vision
from triton_embed.export.graph.vision import any_size_to_onnx
from triton_embed.export.target import TARGETS
from triton_embed.export.towers.any_size import AnySizeTower
from triton_embed.export.towers.image_attention import register

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
SIZE = 16
SIZES = ((48, 32), (16, 16), (32, 80), (16, 112), (32, 32))
"""Width and height of each image, in pixels."""

Images = list[NDArray[np.uint8]]


def new_model() -> Mistral3Model:
    torch.manual_seed(0)
    config = Mistral3Config(
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "patch_size": 8,
            "hidden_act": "silu",
        },
        text_config={
            "model_type": "mistral",
            "vocab_size": 20,
            "pad_token_id": 0,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
        },
    )
    model = Mistral3Model(config).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, mean=1.0 if weight.dim() == 1 else 0.0, std=0.2)
    return model


@pytest.fixture(scope="module")
def images() -> Images:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (3, h, w), dtype=np.uint8) for w, h in SIZES]


@pytest.fixture(scope="module")
def expected(images: Images) -> list[NDArray[np.float32]]:
    """transformers' features of each image, float32 [tiles, hidden]."""
    largest = np.zeros((len(images), 3, 112, 48), np.float32)
    for place, image in enumerate(images):
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (MEAN, STD))
        normalized = (image / 255 - mean) / std
        largest[place, :, : image.shape[1], : image.shape[2]] = normalized
    sizes = torch.tensor([image.shape[1:] for image in images])
    with torch.no_grad():
        output = new_model().get_image_features(torch.from_numpy(largest), image_sizes=sizes)
    return [np.asarray(each) for each in output.pooler_output]


@pytest.fixture(scope="module", params=["cpu", "tensorrt"])
def model(request: pytest.FixtureRequest) -> ir.Model:
    model = new_model()
    model.vision_tower.config._attn_implementation = register(request.param)
    preprocessor = Preprocessor(ImageSpec(SIZE, Resize.FIT), MEAN, STD)
    tower = AnySizeTower(Mistral3Vision(model), preprocessor, torch.float32).eval()
    return any_size_to_onnx(tower, TARGETS[request.param])


@pytest.fixture(scope="module")
def session(model: ir.Model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())


def run(
    session: onnxruntime.InferenceSession, images: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    pixels, positions = zip(*map(tiles_of, images), strict=True)
    return infer(session, np.concatenate(pixels), np.concatenate(positions))


def tiles_of(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    grid = fit_grid(image.shape[2], image.shape[1], SIZE, 1024)
    tiles = image.reshape(3, grid.rows, SIZE, grid.columns, SIZE).transpose(1, 3, 0, 2, 4)
    return tiles.reshape(-1, 3, SIZE, SIZE), np.array(tile_positions(grid), np.int32)


def infer(
    session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8], positions: NDArray[np.int32]
) -> NDArray[np.float32]:
    feed = {"pixels": pixels, "tile_position": positions}
    features: NDArray[np.float32] = session.run(["features"], feed)[0]
    assert features.shape == (len(pixels), 1, 32)
    return features[:, 0]


def test_images_of_several_sizes_in_one_execution_equal_transformers(
    session: onnxruntime.InferenceSession, images: Images, expected: list[NDArray[np.float32]]
) -> None:
    assert np.abs(run(session, images) - np.concatenate(expected)).max() < 1e-4


def test_image_alone_equals_transformers(
    session: onnxruntime.InferenceSession, images: Images, expected: list[NDArray[np.float32]]
) -> None:
    for image, features in zip(images, expected, strict=True):
        assert np.abs(run(session, [image]) - features).max() < 1e-4


@pytest.mark.parametrize(
    "positions",
    [
        [(1, 0, 0), (1, 1, 0)],
        [(0, 0, 0), (0, 0, 0)],
        [(0, 1, 1), (0, 2, 1)],
        [(-5, 2**30, 7), (2**31 - 1, -(2**31), 0)],
    ],
)
def test_malformed_positions_do_not_change_batch_mates(
    session: onnxruntime.InferenceSession,
    images: Images,
    expected: list[NDArray[np.float32]],
    positions: list[tuple[int, int, int]],
) -> None:
    before, after = tiles_of(images[0]), tiles_of(images[2])
    malformed = before[0][: len(positions)]
    features = infer(
        session,
        np.concatenate([before[0], malformed, after[0]]),
        np.concatenate([before[1], np.array(positions, np.int32), after[1]]),
    )
    assert np.isfinite(features).all()
    assert np.abs(features[: len(before[0])] - expected[0]).max() < 1e-4
    assert np.abs(features[-len(after[0]) :] - expected[2]).max() < 1e-4


def test_kernels_are_those_of_the_target(model: ir.Model) -> None:
    kinds = [node.op_type for node in model.graph]
    if "com.microsoft" in model.opset_imports:
        assert kinds.count("ImageAttention") == 2
        assert kinds.count("SimplifiedLayerNormalization") == 6
        assert not {"Pow", "Erf", "Softmax"} & set(kinds)
    else:
        assert kinds.count("Softmax") == 2
