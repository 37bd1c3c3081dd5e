from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testing.checkpoints import write_json
from triton_embed.contract.image_spec import ImageSpec, Resample, Resize
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor, read_preprocessor
from triton_embed.export.errors import ExportError
from triton_embed.export.families.clip import FAMILY as CLIP
from triton_embed.export.families.siglip import FAMILY as SIGLIP

CLIP_FILE = {
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "resample": 3,
}
SIGLIP2_FILE = {
    "size": {"height": 384, "width": 384},
    "do_convert_rgb": None,
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def read(folder: Path, family: Any, patch_size: int = 32) -> Preprocessor:
    config = {"vision_config": {"patch_size": patch_size}}
    return read_preprocessor(Checkpoint(folder, folder, config), family.vision)


def test_clip_is_cropped(tmp_path: Path) -> None:
    write_json(tmp_path / "preprocessor_config.json", CLIP_FILE)
    spec = ImageSpec(224, Resize.CROP, shortest_edge=224, tokens_per_tile=49)
    assert read(tmp_path, CLIP).spec == spec


def test_old_file_with_plain_sizes_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "preprocessor_config.json", {**CLIP_FILE, "size": 336, "crop_size": 336})
    assert read(tmp_path, CLIP, 14).spec.tokens_per_tile == 576


def test_siglip2_is_stretched_with_the_filter_of_its_file(tmp_path: Path) -> None:
    write_json(tmp_path / "preprocessor_config.json", SIGLIP2_FILE)
    preprocessor = read(tmp_path, SIGLIP, 16)
    assert preprocessor.spec == ImageSpec(
        384, Resize.STRETCH, Resample.BILINEAR, tokens_per_tile=576
    )
    assert preprocessor.mean == (0.5, 0.5, 0.5)


def test_settings_of_a_newer_transformers_are_read(tmp_path: Path) -> None:
    write_json(tmp_path / "processor_config.json", {"image_processor": SIGLIP2_FILE})
    assert read(tmp_path, SIGLIP).spec.size == 384


def test_omitted_values_are_those_of_the_family(tmp_path: Path) -> None:
    write_json(tmp_path / "preprocessor_config.json", {})
    assert read(tmp_path, CLIP).mean == (0.48145466, 0.4578275, 0.40821073)
    assert read(tmp_path, SIGLIP).spec.resize is Resize.STRETCH


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"shortest_edge": 224, "longest_edge": 512, "height": 3}},
        {"size": "large"},
        {"size": 0},
        {"crop_size": 1_000_000},
        {"resample": 0},
        {"image_mean": [0.5]},
        {"image_std": [0.5, 0.5, 0]},
        {"image_mean": "half"},
    ],
)
def test_unsupported_preprocessing_is_rejected_by_file(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    write_json(tmp_path / "preprocessor_config.json", {**CLIP_FILE, **changes})
    with pytest.raises(ExportError, match=r"preprocessor_config\.json describes an unsupported"):
        read(tmp_path, CLIP)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no preprocessor_config\.json"):
        read(tmp_path, CLIP)
