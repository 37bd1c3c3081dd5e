from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.contract.pipelines import DUAL
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config
from triton_embed.repository.rendering import StepRuntime, render
from triton_embed.runtime import cores
from triton_embed.serve.overrides import MAX_ROUTER_INSTANCES, Overrides
from triton_embed.serve.settings import Settings


def overridden(repository: Path, model: str, overrides: Overrides) -> dict[str, object] | None:
    text = overrides.overridden_config(config.read(repository / model))
    return json.loads(text) if text else None


def test_throughput_mode_shares_the_cores_among_encoder_instances() -> None:
    settings = Settings(performance_mode="throughput")
    overrides = Overrides.from_settings(settings, cores=8)
    assert (overrides.encoder_instances, overrides.encoder_threads) == (4, 2)
    assert overrides.max_queue_delay_microseconds == 1000
    explicit = Settings(
        performance_mode="throughput", encoder_instances=3, max_queue_delay_microseconds=0
    )
    overrides = Overrides.from_settings(explicit, cores=2)
    assert (overrides.encoder_instances, overrides.encoder_threads) == (3, 1)
    assert overrides.max_queue_delay_microseconds == 0


def test_encoder_threads_are_set_without_instances(stub_repository: Path) -> None:
    overrides = Overrides.from_settings(Settings(encoder_threads=3), cores=8)
    encoder = overridden(stub_repository, "tiny_encoder", overrides)
    assert encoder and encoder["parameters"]["intra_op_thread_count"] == {"string_value": "3"}  # type: ignore[index]


def test_cpu_quota_limits_the_threads_of_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_quotas", lambda root: iter([2.0]))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert Overrides.from_settings(Settings()).encoder_threads == 2
    throughput = Overrides.from_settings(Settings(performance_mode="throughput"))
    assert (throughput.encoder_instances, throughput.encoder_threads) == (2, 1)
    monkeypatch.setattr(cores, "_quotas", lambda root: iter([]))
    assert Overrides.from_settings(Settings()).encoder_threads is None


def test_default_settings_override_nothing(stub_repository: Path) -> None:
    overrides = Overrides.from_settings(Settings(), cores=2)
    assert overrides == Overrides()
    for model in ("tiny", "tiny_tokenizer", "tiny_encoder", "tiny_postprocess"):
        assert overridden(stub_repository, model, overrides) is None


def test_overrides_apply_to_the_steps_that_they_name(stub_repository: Path) -> None:
    overrides = Overrides(tokenizer_instances=2, encoder_instances=3, encoder_threads=1)
    assert overridden(stub_repository, "tiny", overrides) is None
    tokenizer = overridden(stub_repository, "tiny_tokenizer", overrides)
    encoder = overridden(stub_repository, "tiny_encoder", overrides)
    assert tokenizer and tokenizer["instance_group"][0]["count"] == 2  # type: ignore[index]
    assert encoder and encoder["instance_group"][0]["count"] == 3  # type: ignore[index]
    assert encoder["parameters"]["intra_op_thread_count"] == {"string_value": "1"}  # type: ignore[index]


def test_number_of_instances_applies_to_a_configuration_that_has_none(
    stub_repository: Path,
) -> None:
    for step in ("tiny_tokenizer", "tiny_encoder"):
        edited = config.read(stub_repository / step)
        edited.ClearField("instance_group")
        config.write(stub_repository / step, edited)
        overrides = Overrides(tokenizer_instances=2, encoder_instances=2, encoder_threads=1)
        changed = overridden(stub_repository, step, overrides)
        assert changed and changed["instance_group"] == [{"count": 2}]


def test_further_served_names_are_aliases_of_the_entry(stub_repository: Path) -> None:
    overrides = Overrides.from_settings(Settings(served_model_name=("Public", "Other")))
    entry = overridden(stub_repository, "tiny", overrides)
    step = overridden(stub_repository, "tiny_tokenizer", overrides)
    assert entry and entry["parameters"]["model_id"] == {"string_value": "Public"}  # type: ignore[index]
    assert entry["parameters"]["aliases"] == {"string_value": "Other"}  # type: ignore[index]
    assert step and "aliases" not in step["parameters"]  # type: ignore[operator]


def test_overrides_do_not_change_a_user_s_own_model(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.pbtxt").write_text('backend: "onnxruntime" max_batch_size: 8')
    overrides = Overrides(max_batch_size=4, served_model_names=("public",), encoder_instances=2)
    assert overridden(tmp_path, "own", overrides) is None


def test_rejected_inputs_are_parameters_of_the_spec(stub_repository: Path) -> None:
    settings = Settings(token_arrays=False, reject_embedded_images=True)
    overrides = Overrides.from_settings(settings)
    for model in ("tiny", "tiny_tokenizer"):
        changed = overridden(stub_repository, model, overrides)
        assert changed
        parameters = changed["parameters"]
        assert parameters["accepts_token_ids"] == {"string_value": "false"}  # type: ignore[index]
        assert parameters["rejects_embedded_images"] == {"string_value": "true"}  # type: ignore[index]


def test_overrides_apply_to_the_steps_of_image_models(tmp_path: Path) -> None:
    image = ImageSpec(32, Resize.STRETCH)
    spec = ModelSpec("m", max_tokens=8, vocab_size=9, dimension=2, image=image)
    for name, rendered in render(
        spec, exported_at="", max_batch_size=8, encoder=StepRuntime("onnxruntime"), pipeline=DUAL
    ).items():
        (tmp_path / name).mkdir()
        config.write(tmp_path / name, rendered)
    settings = Settings(max_batch_size=4, encoder_instances=2, encoder_threads=3)
    overrides = Overrides.from_settings(settings, cores=64)
    vision = overridden(tmp_path, "m_vision", overrides)
    router = overridden(tmp_path, "m_router", overrides)
    assert vision and vision["instance_group"][0]["count"] == 2  # type: ignore[index]
    assert vision["parameters"]["intra_op_thread_count"] == {"string_value": "3"}  # type: ignore[index]
    # Its items are tiles, not inputs.
    assert vision["max_batch_size"] == spec.max_batch_tiles
    assert router and router["instance_group"][0]["count"] == MAX_ROUTER_INSTANCES  # type: ignore[index]
    assert router["max_batch_size"] == 4
