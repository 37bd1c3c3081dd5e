"""Reads and writes config.pbtxt, the configuration of one Triton model."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

FILE = "config.pbtxt"


def read(model: Path) -> pb.ModelConfig:
    """Return the configuration in a model's folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it is malformed.
    """
    text = (model / FILE).read_text(encoding="utf-8")
    try:
        return text_format.Parse(text, pb.ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ValueError(f"{FILE} is malformed: {error}") from error


def write(model: Path, config: pb.ModelConfig) -> None:
    """Write `config` into a model's folder."""
    text = text_format.MessageToString(config)
    (model / FILE).write_text(text, encoding="utf-8", newline="\n")


def parameters(config: pb.ModelConfig) -> dict[str, str]:
    """Return the ``parameters`` of a configuration."""
    return {name: str(value.string_value) for name, value in config.parameters.items()}
