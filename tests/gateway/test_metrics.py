from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.gateway.metrics import Metrics, Phase


@pytest.mark.parametrize("several_workers", [False, True])
def test_what_triton_measured_is_there_before_anything_was_asked_over_http(
    several_workers: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if several_workers:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = Metrics(lambda: [Phase("m", "infer", 3, 1.5)]).text().decode()
    assert 'triton_embed_phase_seconds_count{model="m",phase="infer"} 3.0' in text
    assert 'triton_embed_phase_seconds_sum{model="m",phase="infer"} 1.5' in text
