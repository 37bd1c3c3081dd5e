"""Compare the retrieval quality of the vectors' element types on real text."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score, top_k_accuracy_score

from benchmarks import docstrings, server

TEXTS_PER_REQUEST = 256

SEARCH_DEPTH = 10
"""Results of one search that count: the k of nDCG@k, as in MTEB's main metric for retrieval."""

DTYPES = {"float": "<f4", "int8": "i1", "uint8": "u1", "binary": "i1", "ubinary": "u1"}
"""The dtype of the base64 of each ``embedding_type``. Defined independently of the
server, so that the benchmark detects a change of the format."""

MAX_INT8_LOSS = 0.005
"""Maximum share of float's nDCG that int8 may lose; above it, the benchmark fails."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Quality:
    """The quality of searches whose results are ordered by the vectors.

    Attributes:
        ndcg: Mean nDCG@10.
        recall: Mean recall@10: the share of queries whose passage is among the first ten.
    """

    ndcg: float
    recall: float


@dataclass(frozen=True)
class Row:
    """The results of one kind of vector.

    Attributes:
        name: The requested options.
        size: Bytes of one vector.
        quality: The quality of its searches.
    """

    name: str
    size: int
    quality: Quality


def embed(http: httpx.Client, texts: Sequence[str], options: dict[str, Any]) -> NDArray[Any]:
    """Return the server's vectors for `texts`, in the element type of `options`."""
    dtype = DTYPES[options.get("embedding_type", "float")]
    rows: list[NDArray[Any]] = []
    for start in range(0, len(texts), TEXTS_PER_REQUEST):
        body = {
            "model": server.MODEL_ID,
            "input": texts[start : start + TEXTS_PER_REQUEST],
            "encoding_format": "base64",
            "truncate": "END",
            **options,
        }
        response = http.post("/v1/embeddings", json=body)
        if response.status_code != 200:
            raise SystemExit(f"{options}: status {response.status_code}: {response.text}")
        for item in response.json()["data"]:
            rows.append(np.frombuffer(base64.b64decode(item["embedding"]), dtype))
    return np.stack(rows)


def comparable(vectors: NDArray[Any], embedding_type: str) -> Vectors:
    """Return floats whose dot products order passages like the type's own measure.

    int8 and uint8 are compared by dot product, which is exact in float32 at this length. Bits are
    compared by Hamming distance, which falls as the dot product of their signs rises.
    """
    match embedding_type:
        case "uint8":
            return vectors.astype(np.float32) - 128
        case "binary":
            return _signs((vectors.astype(np.int16) + 128).astype(np.uint8))
        case "ubinary":
            return _signs(vectors)
    return vectors.astype(np.float32)


def _signs(packed: NDArray[np.uint8]) -> Vectors:
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def quality(queries: Vectors, passages: Vectors) -> Quality:
    """Return the quality of searching every query among all passages, by dot product.

    The only right passage of query i is passage i.
    """
    scores = queries @ passages.T
    indices = np.arange(len(queries))
    return Quality(
        ndcg=float(ndcg_score(np.eye(len(queries)), scores, k=SEARCH_DEPTH)),
        recall=float(top_k_accuracy_score(indices, scores, k=SEARCH_DEPTH, labels=indices)),
    )


def evaluate(
    http: httpx.Client, pairs: Sequence[docstrings.Pair], name: str, options: dict[str, Any]
) -> Row:
    """Embed all pairs with `options` and search every query among all passages."""
    print(f"embedding for {name} ...", file=sys.stderr, flush=True)
    kind = options.get("embedding_type", "float")
    queries = embed(http, [pair.query for pair in pairs], {"input_type": "query", **options})
    passages = embed(http, [pair.passage for pair in pairs], {"input_type": "passage", **options})
    found = quality(comparable(queries, kind), comparable(passages, kind))
    return Row(name, passages[0].nbytes, found)


def compare(url: str, pairs: Sequence[docstrings.Pair]) -> list[Row]:
    """Return a row for float, for half its dimensions, and for each other type."""
    with httpx.Client(base_url=url, timeout=300) as http:
        full = evaluate(http, pairs, "float", {})
        half = full.size // np.dtype(DTYPES["float"]).itemsize // 2
        rows = [full, evaluate(http, pairs, f"float, dimensions={half}", {"dimensions": half})]
        for kind in list(DTYPES)[1:]:
            rows.append(evaluate(http, pairs, kind, {"embedding_type": kind}))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return `rows` as a Markdown table; the first is the baseline."""
    lines = [
        f"| type | bytes per vector | nDCG@{SEARCH_DEPTH} | of float | recall@{SEARCH_DEPTH} |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        ndcg, recall = row.quality.ndcg, row.quality.recall
        share = ndcg / rows[0].quality.ndcg
        lines.append(f"| {row.name} | {row.size} | {ndcg:.4f} | {share:.2%} | {recall:.4f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and return 0 if int8 is close enough to float."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    server.add_flags(parser)
    parser.add_argument(
        "--pairs",
        type=int,
        default=1500,
        help="maximum queries and passages (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    pairs = docstrings.pairs(options.pairs)
    with server.running(options.url) as target:
        rows = compare(target.url, pairs)
    print(f"{len(pairs)} queries, {len(pairs)} passages; {server.conditions()}\n")
    print(table(rows))
    ndcg = {row.name: row.quality.ndcg for row in rows}
    loss = 1 - ndcg["int8"] / ndcg["float"]
    verdict = "ok" if loss <= MAX_INT8_LOSS else "FAILED"
    limit = f"at most {MAX_INT8_LOSS:.1%}"
    print(f"\nint8 loses {loss:.2%} of float's nDCG@{SEARCH_DEPTH}, {limit}: {verdict}")
    return 0 if loss <= MAX_INT8_LOSS else 1


if __name__ == "__main__":
    sys.exit(main())
