from __future__ import annotations

from pathlib import Path

import pytest

from testing.metrics import samples
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.phase_collector import TritonPhaseCollector
from triton_embed.gateway.triton.statistics import Phase


def values(metrics: Metrics) -> dict[str, float]:
    return samples(metrics.render().decode())


@pytest.mark.parametrize("several_workers", [False, True])
def test_phases_of_triton_are_reported_before_the_first_http_request(
    several_workers: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if several_workers:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics = Metrics()
    metrics.register(TritonPhaseCollector(lambda: [Phase("m", "encode", "10.0.0.7:8001", 3, 1.5)]))
    labels = 'address="10.0.0.7:8001",model="m",phase="encode"'
    found = values(metrics)
    assert found[f"triton_embed_triton_phase_duration_seconds_count{{{labels}}}"] == 3
    assert found[f"triton_embed_triton_phase_duration_seconds_sum{{{labels}}}"] == 1.5


def test_inputs_in_flight_fall_after_an_error() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.embedding(3):
        assert values(metrics)["triton_embed_inputs_in_flight"] == 3
        raise ZeroDivisionError
    assert values(metrics)["triton_embed_inputs_in_flight"] == 0


def test_metrics_of_models_are_labeled_with_their_id() -> None:
    metrics = Metrics()
    for model_id, inputs in [("a", 2), ("b", 5), ("a", 1)]:
        model = metrics.of_model(model_id)
        model.inputs.inc(inputs)
        model.tokens.inc(10 * inputs)
        model.inputs_per_request.observe(inputs)
        model.parse_seconds.observe(0.5)
        model.serialize_seconds.observe(0.25)
    found = values(metrics)
    assert found['triton_embed_inputs_total{model="a"}'] == 3
    assert found['triton_embed_inputs_total{model="b"}'] == 5
    assert found['triton_embed_tokens_total{model="a"}'] == 30
    assert found['triton_embed_inputs_per_request_bucket{le="1.0",model="a"}'] == 1
    assert found['triton_embed_inputs_per_request_bucket{le="2.0",model="a"}'] == 2
    phases = "triton_embed_phase_duration_seconds_sum"
    assert found[f'{phases}{{model="a",phase="parse"}}'] == 1
    assert found[f'{phases}{{model="a",phase="serialize"}}'] == 0.5


def test_durations_are_counted_in_buckets() -> None:
    metrics = Metrics()
    for status, seconds in [(200, 0.02), (200, 0.3), (400, 0.02)]:
        metrics.observe_http_request("/r", "GET", status, seconds)
    found = values(metrics)
    buckets = 'triton_embed_http_request_duration_seconds_bucket{le="%s",method="GET",route="/r"}'
    assert found[buckets % "0.01"] == 0
    assert found[buckets % "0.025"] == 2
    assert found[buckets % "0.5"] == 3
    assert found['triton_embed_http_requests_total{method="GET",route="/r",status="200"}'] == 2
