"""Reads and writes config.pbtxt, the configuration of one Triton model."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.repository.layout import CONFIG_FILE


def read(model: Path) -> pb.ModelConfig:
    """Return the configuration in a Triton model's folder.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is malformed.
    """
    text = (model / CONFIG_FILE).read_text(encoding="utf-8")
    try:
        return text_format.Parse(text, pb.ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ValueError(f"{CONFIG_FILE} is malformed: {error}") from error


def write(model: Path, config: pb.ModelConfig) -> None:
    """Write `config` into a Triton model's folder."""
    text = text_format.MessageToString(config)
    (model / CONFIG_FILE).write_text(text, encoding="utf-8", newline="\n")


def parameters(config: pb.ModelConfig) -> dict[str, str]:
    """Return the ``parameters`` of a configuration."""
    return {name: str(value.string_value) for name, value in config.parameters.items()}


def steps(config: pb.ModelConfig) -> tuple[str, ...]:
    """Return the Triton models that an ensemble uses, in order; none for a model that computes."""
    return tuple(dict.fromkeys(step.model_name for step in config.ensemble_scheduling.step))
