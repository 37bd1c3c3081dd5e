"""Command line: ``python -m export CHECKPOINT --model-repository DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _matryoshka(text: str) -> tuple[int, ...]:
    return () if text == "any" else tuple(map(_positive, text.split(",")))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Export a Hugging Face checkpoint into a Triton model repository.",
    )
    parser.add_argument("checkpoint", help="a sentence-transformers folder, or a hub id")
    parser.add_argument(
        "--model-repository", type=Path, required=True, help="the folder that Triton serves"
    )
    parser.add_argument("--model-id", help="public id (default: hub id, or the folder's name)")
    parser.add_argument(
        "--max-batch-size",
        type=_positive,
        default=256,
        help="most texts of one Triton request and of one execution (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "bf16", "int8"),
        default="fp32",
        help="of the transformer's weights; pooling and normalisation are always float32 "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--matryoshka",
        type=_matryoshka,
        metavar="any|N,N,...",
        help="the values of 'dimensions' that the model was trained for (default: none)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run an export and return the exit status."""
    options = parse(arguments)
    _quiet_libraries()
    print("loading PyTorch, transformers and sentence-transformers …", file=sys.stderr, flush=True)
    from export.errors import ExportError
    from export.exporter import export

    try:
        parity = export(
            options.checkpoint,
            options.model_repository,
            model_id=options.model_id,
            max_batch_size=options.max_batch_size,
            matryoshka=options.matryoshka,
            precision=options.precision,
        )
    except (ExportError, OSError) as error:
        print(f"export failed: {error}", file=sys.stderr)
        return 1
    print(
        f"Exported: max absolute error {parity.max_absolute_error:.1e}, min cosine "
        f"{parity.min_cosine:.7f} over {parity.texts} vectors."
    )
    return 0


def _quiet_libraries() -> None:
    """Keep the libraries' bars and warnings out of the progress report, and them from phoning."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")


if __name__ == "__main__":
    sys.exit(main())
