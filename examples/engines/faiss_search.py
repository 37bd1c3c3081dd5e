"""FAISS: search the vectors of a corpus, which ``triton-embed embed`` wrote.

triton-embed embed texts.jsonl --output vectors --model MODEL
python examples/engines/faiss_search.py vectors --model MODEL "a question" "another one"
"""

from __future__ import annotations

import argparse
import glob
from collections.abc import Sequence

import faiss
import numpy as np
import pyarrow.parquet as pq

from triton_embed.client import Client


class Index:
    """The vectors of an output folder of ``embed``, in memory.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: str) -> None:
        self.ids: list[object] = []
        parts = sorted(glob.glob(f"{folder}/part-*.parquet"))
        for number, part in enumerate(parts):
            table = pq.read_table(part, columns=["id", "embedding"])
            column = table["embedding"].combine_chunks()
            # No copy: the values of a fixed_size_list are one array.
            rows = column.flatten().to_numpy().reshape(len(column), -1)
            if number == 0:
                self._index = faiss.IndexFlatIP(rows.shape[1])
            self._index.add(np.ascontiguousarray(rows))
            self.ids += table["id"].to_pylist()

    def search(self, vectors: np.ndarray, hits: int) -> list[list[object]]:
        """Return the ids of the best hits of each vector, the best first."""
        _, found = self._index.search(vectors, hits)
        return [[self.ids[position] for position in row] for row in found]


def main(folder: str, url: str, model: str, queries: Sequence[str], hits: int = 3) -> None:
    """Print the ids of the best hits of each query."""
    with Client(url, model=model, truncate="END") as client:
        found = Index(folder).search(client.embed(queries), hits)
    for query, ids in zip(queries, found, strict=True):
        print(f"{query}: {', '.join(map(str, ids))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("queries", nargs="+")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    main(options.folder, options.url, options.model, options.queries)
