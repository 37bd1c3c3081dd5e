"""Requests and rates of the benchmark of images."""

from __future__ import annotations

import json

import pytest

from benchmarks.image_rates import ROUNDS, bodies, print_rates
from triton_embed.contract.image_file import ImageFile
from triton_embed.contract.image_spec import ImageSpec, Resize


def test_bodies_have_every_image_once() -> None:
    requests = [json.loads(body) for body in bodies("m", ["a", "b", "c"], 2, input_type="passage")]
    assert [request["input"] for request in requests] == [["a", "b"], ["c"]]
    assert requests[0]["input_type"] == "passage"


def test_every_system_runs_once_per_round_after_its_warm_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs: list[str] = []
    systems = {name: lambda name=name: runs.append(name) for name in ("one", "other")}
    print_rates(systems, [("one", "other")], 8)
    assert runs[:6] == ["one", "other", "one", "other", "other", "one"]
    assert {runs.count(name) for name in systems} == {1 + ROUNDS}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["one", "other", "one / other"]


@pytest.mark.torch
def test_mixed_and_equal_tile_counts_have_the_same_sum() -> None:
    from benchmarks.fused_images import EQUAL, GRIDS, MIXED, SIZE

    spec = ImageSpec(SIZE, Resize.TILES, max_tiles=6, thumbnail=True)
    counts = {
        name: [
            spec.tiles(ImageFile("jpeg", columns * SIZE, rows * SIZE, 1)) for columns, rows in grids
        ]
        for name, grids in GRIDS.items()
    }
    assert sum(counts[MIXED]) == sum(counts[EQUAL])
    assert len(set(counts[MIXED])) == len(counts[MIXED])
    assert len(set(counts[EQUAL])) == 1
