"""Compares how well each element type of the vectors retrieves, on real text."""

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

from benchmarks import docstrings, server

TEXTS_PER_REQUEST = 256

DEPTH = 10
"""How many passages a search returns."""

DTYPES = {"float": "<f4", "int8": "i1", "uint8": "u1", "binary": "i1", "ubinary": "u1"}
"""What the base64 of each ``embedding_type`` holds."""

INT8_LOSS = 0.005
"""Part of float's nDCG that int8 may lose."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """How one kind of vector did.

    Attributes:
        name: What was asked for.
        size: Bytes of one vector.
        ndcg: Mean nDCG@10.
        recall: Mean recall@10: the part of the queries whose passage was among the first ten.
    """

    name: str
    size: int
    ndcg: float
    recall: float


def embed(http: httpx.Client, texts: Sequence[str], options: dict[str, Any]) -> NDArray[Any]:
    """Return the server's vectors for `texts`, in the element type that `options` ask for."""
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
        answer = http.post("/v1/embeddings", json=body)
        if answer.status_code != 200:
            raise SystemExit(f"{options} was answered {answer.status_code}: {answer.text}")
        for item in answer.json()["data"]:
            rows.append(np.frombuffer(base64.b64decode(item["embedding"]), dtype))
    return np.stack(rows)


def comparable(vectors: NDArray[Any], embedding_type: str) -> Vectors:
    """Return floats whose dot products order passages as the type's own measure does.

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


def ranks(queries: Vectors, passages: Vectors) -> NDArray[np.int64]:
    """Return how many passages come before the right one, for each query.

    The right passage of query i is passage i. Equal scores keep the order of the passages.
    """
    found = []
    for index, query in enumerate(queries):
        scores = passages @ query
        better = np.count_nonzero(scores > scores[index])
        found.append(better + np.count_nonzero(scores[:index] == scores[index]))
    return np.array(found)


def gains(before: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the nDCG of each query whose one right passage comes after so many others."""
    return np.where(before < DEPTH, 1 / np.log2(before + 2), 0)


def evaluate(
    http: httpx.Client, pairs: Sequence[docstrings.Pair], name: str, options: dict[str, Any]
) -> Row:
    """Embed all pairs with `options` and search every query among all passages."""
    print(f"embedding for {name} ...", file=sys.stderr, flush=True)
    kind = options.get("embedding_type", "float")
    queries = embed(http, [pair.query for pair in pairs], {"input_type": "query", **options})
    passages = embed(http, [pair.passage for pair in pairs], {"input_type": "passage", **options})
    before = ranks(comparable(queries, kind), comparable(passages, kind))
    found = (before < DEPTH).mean()
    return Row(name, passages[0].nbytes, float(gains(before).mean()), float(found))


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
    """Return `rows` as a Markdown table; the first is what the others are compared with."""
    lines = [
        f"| type | bytes per vector | nDCG@{DEPTH} | of float | recall@{DEPTH} |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        share = row.ndcg / rows[0].ndcg
        lines.append(
            f"| {row.name} | {row.size} | {row.ndcg:.4f} | {share:.2%} | {row.recall:.4f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table and return 0 if int8 is close enough to float."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    server.add_flags(parser)
    parser.add_argument(
        "--pairs", type=int, default=1500, help="most queries and passages (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    pairs = docstrings.pairs(options.pairs)
    with server.running(options.url) as target:
        rows = compare(target.url, pairs)
    print(f"{len(pairs)} queries, {len(pairs)} passages; {server.conditions()}\n")
    print(table(rows))
    ndcg = {row.name: row.ndcg for row in rows}
    loss = 1 - ndcg["int8"] / ndcg["float"]
    verdict = "ok" if loss <= INT8_LOSS else "FAILED"
    print(f"\nint8 loses {loss:.2%} of float's nDCG@{DEPTH}, at most {INT8_LOSS:.1%}: {verdict}")
    return 0 if loss <= INT8_LOSS else 1


if __name__ == "__main__":
    sys.exit(main())
