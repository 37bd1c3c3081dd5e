from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.triton.statistics import Phase


@pytest.mark.parametrize("several_workers", [False, True])
def test_what_triton_measured_is_there_before_anything_was_asked_over_http(
    several_workers: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if several_workers:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = Metrics(lambda: [Phase("m", "encode", "10.0.0.7:8001", 3, 1.5)]).text().decode()
    labels = 'address="10.0.0.7:8001",model="m",phase="encode"'
    assert f"triton_embed_triton_phase_duration_seconds_count{{{labels}}} 3.0" in text
    assert f"triton_embed_triton_phase_duration_seconds_sum{{{labels}}} 1.5" in text
