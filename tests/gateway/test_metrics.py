from __future__ import annotations

from pathlib import Path

import pytest

from testing.metrics import samples
from triton_embed.gateway.metrics import Metrics, Phases
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


def test_inputs_are_gauges_in_one_unit() -> None:
    metrics = Metrics()
    metrics.set_inputs_limit(10)
    metrics.set_inputs(in_flight=3, waiting=1)
    found = values(metrics)
    names = ("inputs_waiting", "inputs_in_flight", "inputs_limit")
    assert [found[f"triton_embed_{name}"] for name in names] == [1, 3, 10]


def test_metrics_of_models_are_labeled_with_their_id() -> None:
    metrics = Metrics()
    for model_id, inputs in [("a", 2), ("b", 5), ("a", 1)]:
        model = metrics.of_model(model_id)
        model.inputs.inc(inputs)
        model.tokens.inc(10 * inputs)
        model.inputs_per_request.observe(inputs)
        model.phases.parse.observe(0.5)
        model.phases.serialize.observe(0.25)
        metrics.observe_inference(model_id, queue_seconds=0.0625, inference_seconds=2.0)
    found = values(metrics)
    assert found['triton_embed_inputs_total{model="a"}'] == 3
    assert found['triton_embed_inputs_total{model="b"}'] == 5
    assert found['triton_embed_tokens_total{model="a"}'] == 30
    assert found['triton_embed_inputs_per_request_bucket{le="1.0",model="a"}'] == 1
    assert found['triton_embed_inputs_per_request_bucket{le="2.0",model="a"}'] == 2
    phases = "triton_embed_phase_duration_seconds_sum"
    expected = {"parse": 1.0, "queue": 0.125, "inference": 4.0, "serialize": 0.5}
    assert expected == {
        phase: found[f'{phases}{{model="a",phase="{phase}"}}'] for phase in expected
    }


def test_durations_are_counted_in_buckets() -> None:
    metrics = Metrics()
    for status, seconds in [(200, 0.02), (200, 0.3), (503, 0.002)]:
        metrics.observe_http_request("/r", "GET", status, seconds)
    found = values(metrics)
    labels = 'method="GET",route="/r",status="%s"'
    buckets = f'triton_embed_http_request_duration_seconds_bucket{{le="%s",{labels}}}'
    # Fast rejections do not hide slow responses.
    assert found[buckets % ("0.0025", "200")] == 0
    assert found[buckets % ("0.0025", "503")] == 1
    assert found[buckets % ("0.025", "200")] == 1
    assert found[buckets % ("0.5", "200")] == 2
    assert found[f"triton_embed_http_requests_total{{{labels % '200'}}}"] == 2


def test_series_start_with_0() -> None:
    metrics = Metrics()
    metrics.expect_http_requests("/r", "GET", [200, 503])
    metrics.of_model("a")
    found = values(metrics)
    for name in (
        'http_requests_total{method="GET",route="/r",status="503"}',
        'http_request_duration_seconds_count{method="GET",route="/r",status="200"}',
        'requests_rejected_total{reason="overloaded"}',
        'tokens_total{model="a"}',
        'inputs_per_request_count{model="a"}',
        *(f'phase_duration_seconds_count{{model="a",phase="{phase}"}}' for phase in Phases._fields),
    ):
        assert found[f"triton_embed_{name}"] == 0


def test_no_series_has_the_time_of_its_creation() -> None:
    metrics = Metrics()
    metrics.observe_http_request("/r", "GET", 200, 0.1)
    metrics.of_model("a")
    assert "_created" not in metrics.render().decode()
