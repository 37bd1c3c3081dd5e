"""Command line: ``python -m triton_embed.export CHECKPOINT``, and its subcommands."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_embed.contract.options import EmbeddingType
from triton_embed.export import commands
from triton_embed.export.checkpoint.pooling import POOLING_MODES
from triton_embed.export.errors import ExportError
from triton_embed.repository.errors import RepositoryError
from triton_embed.runtime.settings import integer

if TYPE_CHECKING:
    from triton_embed.export.precedence import SpecOverrides
    from triton_embed.export.request import ExportRequest

RULES = (
    "prompt_query",
    "prompt_passage",
    "prompt_default",
    "requires_input_type",
    "max_tokens",
    "matryoshka",
    "embedding_types",
    "pooling",
)
"""Flags that decide about the model spec; the keys of `export.rules.SpecOverrides`."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a program."""


_positive = integer(1)


def _matryoshka(text: str) -> tuple[int, ...] | None:
    if text == "none":
        return None
    return () if text == "any" else tuple(map(_positive, text.split(",")))


def _some_of(text: str, choices: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if unknown := set(chosen).difference(choices):
        raise argparse.ArgumentTypeError(f"'{unknown.pop()}' is not one of {', '.join(choices)}")
    return chosen


def _embedding_types(text: str) -> tuple[EmbeddingType, ...]:
    known = [kind.value for kind in EmbeddingType]
    return tuple(map(EmbeddingType, _some_of(text.lower(), known)))


def _pooling(text: str) -> tuple[str, ...]:
    return _some_of(text, POOLING_MODES)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m triton_embed.export",
        description="Export a Hugging Face checkpoint into a Triton model repository.",
        epilog=f"Subcommands: {', '.join(commands.NAMES)}; see "
        "'python -m triton_embed.export list --help'. A folder of such a name is "
        "reached as ./list.",
    )
    parser.add_argument("checkpoint", help="a sentence-transformers folder, or a hub id")
    parser.add_argument(
        "--model-repository", type=Path, required=True, help="the folder that Triton serves"
    )
    parser.add_argument("--model-id", help="public id (default: hub id, or the folder's name)")
    parser.add_argument(
        "--max-batch-size",
        type=_positive,
        help="most texts of one Triton request and of one execution (default: 256; for tensorrt "
        "fewer if texts may be long)",
    )
    parser.add_argument(
        "--target",
        choices=("cpu", "cuda", "tensorrt"),
        default="cpu",
        help="what runs the encoder: ONNX Runtime on a CPU or an NVIDIA GPU, or TensorRT "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "bf16", "int8"),
        help="of the transformer's weights; pooling and normalisation are always float32 "
        "(default: fp32 for a CPU, else fp16)",
    )
    parser.add_argument("--revision", help="branch, tag or commit of the hub (default: main)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be exported; download no weights and write nothing",
    )
    _add_rules(parser)
    return parser.parse_args(arguments)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    rules = parser.add_argument_group(
        "model spec",
        "By default as the checkpoint's files say, or for some well-known ids as their publishers.",
        argument_default=argparse.SUPPRESS,
    )
    rules.add_argument("--prompt-query", metavar="TEXT", help="put before every query")
    rules.add_argument("--prompt-passage", metavar="TEXT", help="put before every passage")
    rules.add_argument(
        "--prompt-default", metavar="TEXT", help="put before a text whose type is not said"
    )
    types = rules.add_mutually_exclusive_group()
    types.add_argument(
        "--asymmetric",
        dest="requires_input_type",
        action="store_true",
        help="clients must say query or passage (default: if the prompts of the two differ)",
    )
    types.add_argument(
        "--symmetric",
        dest="requires_input_type",
        action="store_false",
        default=argparse.SUPPRESS,
        help="clients need not say query or passage",
    )
    rules.add_argument(
        "--max-tokens", type=_positive, metavar="N", help="longest text, prompt included"
    )
    rules.add_argument(
        "--matryoshka",
        type=_matryoshka,
        metavar="none|any|N,N,...",
        help="the values of 'dimensions' that the model was trained for",
    )
    rules.add_argument(
        "--embedding-types",
        type=_embedding_types,
        metavar="TYPE,...",
        help=f"what clients may ask for (default: {', '.join(EmbeddingType)})",
    )
    rules.add_argument(
        "--pooling",
        type=_pooling,
        metavar="MODE,...",
        help="for a checkpoint without modules.json (default: as its family, else mean)",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run an export or a subcommand and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _quiet_libraries()
    command = next((name for name in arguments[:1] if name in commands.NAMES), None)
    options = commands.parse(arguments) if command else parse(arguments)
    try:
        return commands.run(options) if command else _export(options)
    except (ExportError, RepositoryError, OSError) as error:
        print(f"export{f' {command}' if command else ''} failed: {error}", file=sys.stderr)
        return 1


def _export(options: argparse.Namespace) -> int:
    flags: Any = {name: value for name, value in vars(options).items() if name in RULES}
    if options.dry_run:
        return _dry_run(options, flags)
    print("loading PyTorch, transformers and sentence-transformers …", file=sys.stderr, flush=True)
    from triton_embed.export.exporter import export

    parity = export(_request(options, flags))
    print(f"Exported: {parity}.")
    return 0


def _request(options: argparse.Namespace, overrides: SpecOverrides) -> ExportRequest:
    from triton_embed.export.request import ExportRequest

    return ExportRequest(
        checkpoint=options.checkpoint,
        model_repository=options.model_repository,
        model_id=options.model_id,
        revision=options.revision,
        target=options.target,
        precision=options.precision,
        max_batch_size=options.max_batch_size,
        overrides=overrides,
    )


def _dry_run(options: argparse.Namespace, flags: SpecOverrides) -> int:
    from triton_embed.export import plan_view
    from triton_embed.export.planner import plan

    print(plan_view.details(plan(_request(options, flags))))
    return 0


def _quiet_libraries() -> None:
    """Keep the libraries' bars and warnings out of the progress report, and them from phoning."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")


def _end_cleanly(number: int, _: object) -> None:
    # Another one would interrupt the cleaning up.
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    # Half an entry would stay in the repository otherwise, where nobody sees it.
    for ending in ENDINGS:
        if signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, _end_cleanly)
    sys.exit(main())
