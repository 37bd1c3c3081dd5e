"""Phases from Triton's statistics."""

from __future__ import annotations

import pytest
from tritonclient.grpc import service_pb2

from triton_embed.contract.pipeline import Role
from triton_embed.gateway.triton.model import LoadedModel
from triton_embed.gateway.triton.statistics import has_restarted, phases

ROLES = {"m": "entry", "m_tokenizer": "tokenize", "m_encoder": "encode", "m_last": "postprocess"}
MODELS = [LoadedModel(name, "m", Role(role), "", 4, None) for name, role in ROLES.items()]


def statistics_of(name: str, factor: int, count: int = 9) -> service_pb2.ModelStatistics:
    """Return statistics with 1 to 4 seconds, times `factor`, in each kind of duration."""
    item = service_pb2.ModelStatistics(name=name, inference_count=count)
    kinds = ("queue", "compute_input", "compute_infer", "compute_output")
    for seconds, kind in enumerate(kinds, 1):
        duration = getattr(item.inference_stats, kind)
        duration.count = count
        duration.ns = factor * seconds * 10**9
    item.inference_stats.success.count = count
    return item


def test_phases_are_the_queues_and_each_step() -> None:
    factors = {"m": 1000, "m_tokenizer": 1, "m_encoder": 10, "m_last": 100}
    statistics = {name: statistics_of(name, factor) for name, factor in factors.items()}
    statistics["m_tokenizer"].inference_stats.queue.count = 11
    found = list(phases("10.0.0.7:8001", MODELS, statistics))
    assert {(phase.model, phase.address) for phase in found} == {("m", "10.0.0.7:8001")}
    assert [(phase.name, phase.count, phase.seconds) for phase in found] == [
        ("queue", 11, 111.0),
        ("tokenize", 9, 9.0),
        ("encode", 9, 90.0),
        ("postprocess", 9, 900.0),
    ]


def test_phases_of_models_are_separate() -> None:
    models = [*MODELS, LoadedModel("n_encoder", "n", Role.ENCODE, "", 4, None)]
    statistics = {model.name: statistics_of(model.name, 1) for model in models}
    assert [phase.name for phase in phases("a", models, statistics) if phase.model == "n"] == [
        "queue",
        "encode",
    ]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"m": 9, "n": 5}, {}, True),
        ({"m": 9, "n": 5}, {"m": 1}, True),
        ({"m": 9, "n": 5}, {"m": 1, "n": 6}, False),
        ({"m": 9, "n": 0}, {"m": 2, "n": 0}, True),
        ({"m": 9}, {"m": 9}, False),
        ({"m": 0}, {"m": 0}, False),
        ({"m": 9}, {"other": 1}, False),
    ],
)
def test_triton_has_restarted_if_every_used_model_counts_from_zero(
    before: dict[str, int], now: dict[str, int], expected: bool
) -> None:
    def all_of(counts: dict[str, int]) -> dict[str, service_pb2.ModelStatistics]:
        return {name: statistics_of(name, 1, count) for name, count in counts.items()}

    assert has_restarted(all_of(before), all_of(now)) is expected
