"""Search images by text: draw pictures, embed them with a running server, and show the best hits.

The server must have a model for texts and images:

    triton-embed serve openai/clip-vit-base-patch32
    python examples/image_search.py --model openai/clip-vit-base-patch32 --output hits.html

The pictures are drawn here, so that nothing is downloaded. ``--folder`` searches your own images.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import sys
import urllib.request
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

COLORS = ("red", "green", "blue", "yellow", "black", "orange")
SHAPES = ("circle", "square", "triangle", "cross")
QUERIES = ("a red circle", "a blue square", "something green", "a black cross")
BATCH_SIZE = 16
HITS = 6


def draw(color: str, shape: str) -> bytes:
    """Return a PNG file with one shape on white."""
    image = Image.new("RGB", (224, 224), "white")
    canvas = ImageDraw.Draw(image)
    if shape == "circle":
        canvas.ellipse((40, 40, 184, 184), fill=color)
    elif shape == "square":
        canvas.rectangle((40, 40, 184, 184), fill=color)
    elif shape == "triangle":
        canvas.polygon([(112, 40), (184, 184), (40, 184)], fill=color)
    else:
        canvas.line((40, 40, 184, 184), fill=color, width=30)
        canvas.line((184, 40, 40, 184), fill=color, width=30)
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pictures(folder: Path | None) -> dict[str, bytes]:
    """Return image files by name: those in `folder`, or drawn ones."""
    if folder is None:
        return {f"{color} {shape}": draw(color, shape) for color in COLORS for shape in SHAPES}
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".jpeg"))
    return {path.name: path.read_bytes() for path in paths}


def data_url(data: bytes) -> str:
    """Return the form in which an image is sent."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def embed(url: str, model: str, inputs: Sequence[str]) -> NDArray[np.float64]:
    """Return the L2-normalized vectors of texts or data URLs, float64 [n, dimension]."""
    vectors: list[list[float]] = []
    for start in range(0, len(inputs), BATCH_SIZE):
        body = {"model": model, "input": inputs[start : start + BATCH_SIZE]}
        request = urllib.request.Request(
            f"{url}/v1/embeddings",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            vectors += [item["embedding"] for item in json.load(response)["data"]]
    matrix = np.array(vectors)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def page(files: dict[str, bytes], queries: Sequence[str], scores: NDArray[np.float64]) -> str:
    """Return an HTML page with the best hits of each query.

    Args:
        files: Image files by name.
        queries: The texts.
        scores: Cosines, [queries, files].
    """
    names = list(files)
    rows = []
    for query, row in zip(queries, scores, strict=True):
        hits = "".join(
            f'<figure><img src="{data_url(files[names[index]])}" width="120">'
            f"<figcaption>{html.escape(names[index])} {row[index]:.3f}</figcaption></figure>"
            for index in np.argsort(-row)[:HITS]
        )
        rows.append(f'<h2>{html.escape(query)}</h2><div class="hits">{hits}</div>')
    style = "body{font-family:sans-serif}.hits{display:flex;flex-wrap:wrap}figure{margin:8px}"
    title = "<title>Image search</title>"
    return f"<!doctype html><meta charset=utf-8>{title}<style>{style}</style>{''.join(rows)}"


def main(arguments: list[str] | None = None) -> int:
    """Embed, search, and write the page."""
    parser = argparse.ArgumentParser(description="Search images by text.")
    parser.add_argument("--url", default="http://localhost:8000", help="the server")
    parser.add_argument("--model", required=True, help="a model for texts and images")
    parser.add_argument("--folder", type=Path, help="PNG and JPEG files to search")
    parser.add_argument("--query", action="append", help="a text; may be repeated")
    parser.add_argument("--output", type=Path, default=Path("hits.html"), help="the page")
    options = parser.parse_args(arguments)
    files, queries = pictures(options.folder), options.query or list(QUERIES)
    images = embed(options.url, options.model, list(map(data_url, files.values())))
    scores = embed(options.url, options.model, queries) @ images.T
    options.output.write_text(page(files, queries, scores), encoding="utf-8")
    for query, row in zip(queries, scores, strict=True):
        print(f"{query}: {list(files)[int(row.argmax())]}")
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
