"""A model repository without weights, with the files that supervisor and scanner read."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract import naming
from triton_embed.contract.pipelines import TEXT
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.target import TARGETS
from triton_embed.repository import config, layout, rendering

STUB_SPEC = ModelSpec("tiny", max_tokens=64, vocab_size=30522, dimension=32)
"""The spec of `testing.fixtures`' model ``tiny``."""


def write_stub_model(repository: Path, spec: ModelSpec = STUB_SPEC) -> None:
    """Install a model with real configurations, and with empty files in place of weights."""
    model = naming.triton_model_name(spec.model_id)
    rendered = rendering.render(
        spec,
        exported_at="2026-01-01T00:00:00Z",
        max_batch_size=256,
        encoder=TARGETS["cpu"].runtime,
    )
    for name, content in rendered.items():
        layout.version_folder(repository, name).mkdir(parents=True)
        config.write(repository / name, content)
    for step in TEXT.steps:
        for file in step.files:
            (layout.version_folder(repository, step.triton_name(model)) / file).touch()
