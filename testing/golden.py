"""The recorded config.pbtxt files of every family and target, and a command that renews them.

After an intended change of the format, ``python -m testing.golden`` renders all files in
tests/repository/golden again: review the diff like code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract.options import EmbeddingType, Modality
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.target import TARGETS
from triton_embed.repository.rendering import render

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "repository" / "golden"

EXPORTED_AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class GoldenCase:
    """A model and the configurations recorded for it.

    Attributes:
        path: The recorded file: configurations, each under a line ``# NAME``.
        spec: The model's spec.
        max_batch_size: Option of the export.
        target: Option of the export.
    """

    path: Path
    spec: ModelSpec
    max_batch_size: int
    target: str

    def recorded(self) -> dict[str, pb.ModelConfig]:
        """Return the recorded configurations by Triton name, in their order."""
        parts = re.split(r"^# (.*)\n", self.path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return {
            name: text_format.Parse(text, pb.ModelConfig())
            for name, text in zip(parts[1::2], parts[2::2], strict=True)
        }

    def rendered(self) -> dict[str, pb.ModelConfig]:
        """Return the configurations that an export would write now."""
        return render(
            self.spec,
            exported_at=EXPORTED_AT,
            max_batch_size=self.max_batch_size,
            encoder=TARGETS[self.target].runtime,
        )


def cases() -> Iterator[GoldenCase]:
    """Yield every recorded case: its JSON has the fields of the spec and the export's options."""
    for path in sorted(FOLDER.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        fields = values["spec"]
        sizes = fields.pop("matryoshka_dimensions")
        spec = ModelSpec(
            matryoshka_dimensions=None if sizes is None else tuple(sizes),
            embedding_types=tuple(map(EmbeddingType, fields.pop("embedding_types"))),
            modalities=tuple(map(Modality, fields.pop("modalities"))),
            **fields,
        )
        yield GoldenCase(
            path.with_suffix(".pbtxt"), spec, values["max_batch_size"], values["target"]
        )


def main() -> None:
    """Overwrite the recorded files with the configurations rendered now."""
    for case in cases():
        text = "".join(
            f"# {name}\n{text_format.MessageToString(config)}"
            for name, config in case.rendered().items()
        )
        case.path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
