"""Export the models of the client tests, and write the expected vectors to a file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1", HF_HUB_OFFLINE="1")

import numpy as np
from sentence_transformers import SentenceTransformer

from testing.checkpoints import tiny_checkpoint
from testing.image_checkpoints import clip_checkpoint
from testing.image_references import TwoTowers
from testing.images import data_url, encoded, picture
from testing.minilm import MINILM, minilm_checkpoint
from testing.nemotron_vl_checkpoint import nemotron_vl_checkpoint
from testing.nemotron_vl_reference import NemotronVL
from testing.server import RunningServer
from triton_embed.export.exporter import export
from triton_embed.export.precedence import SpecOverrides
from triton_embed.export.request import ExportRequest

ASYMMETRIC = "tests/asymmetric"
MATRYOSHKA = "tests/matryoshka"
DIMENSIONS = 8
IMAGES = "tests/images"
FUSED = "tests/fused"
PROMPTS = {"query": "query: ", "passage": "passage: "}

QUERY = "Où est la bibliothèque ?"
PASSAGES = [
    "Hello world",
    "東京の人口は約1400万人である。",
    "a",
    "The library is next to the park. 📚",
]
PICTURE = picture()
IMAGE = data_url(encoded(PICTURE))
PAIR = f"{PASSAGES[0]} {IMAGE}"
LONG = "first" + " word" * 300


@dataclass(frozen=True)
class Model:
    """A checkpoint, and the form in which it is served.

    Attributes:
        model_id: The public id.
        checkpoint: The checkpoint's folder.
        dimensions: Value that clients request; ``None``: the model does not offer `dimensions`.
    """

    model_id: str
    checkpoint: Path
    dimensions: int | None = None

    def export(self, repository: Path) -> None:
        """Install the model in `repository`."""
        offered = (self.dimensions,) if self.dimensions else None
        overrides = SpecOverrides(matryoshka=offered)
        export(
            ExportRequest(
                str(self.checkpoint), repository, model_id=self.model_id, overrides=overrides
            )
        )

    def vectors(self) -> dict[str, dict[str, list[float]]]:
        """Return the reference's vector of each text, as a query and as a passage."""
        reference = SentenceTransformer(
            str(self.checkpoint), device="cpu", local_files_only=True, truncate_dim=self.dimensions
        )
        texts = [QUERY, *PASSAGES, LONG]
        sides: dict[str, dict[str, list[float]]] = {}
        for side in PROMPTS:
            prompt = reference.prompts.get(side, "")
            vectors = reference.encode(texts, prompt=prompt, normalize_embeddings=True)
            sides[side] = dict(zip(texts, vectors.tolist(), strict=True))
        return sides


@dataclass(frozen=True)
class ImageModel(Model):
    """A model with a tower for texts and a tower for images."""

    def vectors(self) -> dict[str, dict[str, list[float]]]:
        """Return the reference's vector of each text and of `IMAGE`."""
        reference = TwoTowers(self.checkpoint)
        vectors = {text: reference.text(text).tolist() for text in [QUERY, *PASSAGES]}
        vectors[IMAGE] = reference.image(PICTURE).tolist()
        return dict.fromkeys(PROMPTS, vectors)


@dataclass(frozen=True)
class FusedModel(Model):
    """A model whose language model reads texts and images."""

    def vectors(self) -> dict[str, dict[str, list[float]]]:
        """Return the reference's vector of each passage, of `IMAGE`, and of `PAIR`."""
        reference = NemotronVL(self.checkpoint)
        vectors = {text: reference.passage(text) for text in PASSAGES}
        vectors[IMAGE] = reference.passage("", PICTURE)
        vectors[PAIR] = reference.passage(PASSAGES[0], PICTURE)
        return {"passage": {text: vector.tolist() for text, vector in vectors.items()}}


def models(folder: Path) -> list[Model]:
    """Return the models to serve, after writing their checkpoints to `folder`."""
    minilm = minilm_checkpoint()
    asymmetric = tiny_checkpoint(folder / "asymmetric", minilm, prompts=PROMPTS)
    matryoshka = tiny_checkpoint(folder / "matryoshka", minilm)
    return [
        Model(MINILM, minilm),
        Model(ASYMMETRIC, asymmetric),
        Model(MATRYOSHKA, matryoshka, DIMENSIONS),
        ImageModel(IMAGES, clip_checkpoint(folder / "images")),
        FusedModel(FUSED, nemotron_vl_checkpoint(folder / "fused")),
    ]


def write(file: Path, service: RunningServer, served: list[Model]) -> None:
    """Write the addresses of `service` and the expected vectors, for ``live.py``."""
    vectors = {model.model_id: model.vectors() for model in served}
    sides = [np.array(list(side.values())) for side in vectors[ASYMMETRIC].values()]
    assert np.abs(sides[0] - sides[1]).max(axis=1).min() > 0.01, "input_type has no visible effect"
    facts: dict[str, Any] = {
        "url": service.url,
        "grpc": f"127.0.0.1:{service.grpc_port}",
        "minilm": MINILM,
        "asymmetric": ASYMMETRIC,
        "matryoshka": MATRYOSHKA,
        "dimensions": DIMENSIONS,
        "images": IMAGES,
        "fused": FUSED,
        "image": IMAGE,
        "pair": PAIR,
        "query": QUERY,
        "passages": PASSAGES,
        "long": LONG,
        # Clients that count tokens must not download a tokenizer.
        "tokenizer": str(served[0].checkpoint),
        "vectors": vectors,
    }
    file.write_text(json.dumps(facts), encoding="utf-8")
