"""A model repository without weights: what the supervisor and the scanner read, and no more."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract import naming
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.target import TARGETS
from triton_embed.repository import rendering

STUB_SPEC = ModelSpec("tiny", max_tokens=64, vocab_size=30522, dimension=32)
"""The spec of `testing.fixtures`' model ``tiny``."""


def write_stub_model(repository: Path, spec: ModelSpec = STUB_SPEC) -> None:
    """Install a model with true configurations, and with empty files in place of weights."""
    files = {naming.TOKENIZER: "tokenizer.json", naming.ENCODER: "model.onnx"}
    for name, text in rendering.build(spec, 256, TARGETS["cpu"]).items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        version.with_name("config.pbtxt").write_text(text, encoding="utf-8")
        for step, file in files.items():
            if name.endswith(f"_{step}"):
                (version / file).touch()
