"""Ray Data: embed a dataset with `map_batches`.

python examples/engines/ray_data.py texts.parquet vectors --model MODEL
"""

from __future__ import annotations

import argparse

import pyarrow as pa
import ray

from triton_embed.client import Client

BATCH_SIZE = 2048
"""Rows of each call: the client cuts them into requests of similar texts."""


class Embedder:
    """An actor; the client opens its connections in the actor's process."""

    def __init__(self, url: str, model: str) -> None:
        self._client = Client(url, model=model, truncate="END")

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Add the column ``embedding``, as a plain Arrow list that every reader understands."""
        vectors = self._client.embed(batch["text"].to_pylist())
        flat = pa.array(vectors.reshape(-1))
        lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        return batch.append_column("embedding", lists)


def embed(source: str, target: str, url: str, model: str, actors: int = 2) -> None:
    """Embed the Parquet files of `source` into the folder `target`."""
    rows = ray.data.read_parquet(source)
    rows.map_batches(
        Embedder,
        fn_constructor_kwargs={"url": url, "model": model},
        batch_size=BATCH_SIZE,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=0.1,
    ).write_parquet(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    embed(options.source, options.target, options.url, options.model)
