"""Checks of weight files that need no loading: formats, shards and headers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from triton_embed.export.checkpoint.pointers import check_pointer
from triton_embed.export.errors import ExportError

SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.safetensors")
"""Name of one shard of the weights."""

INDEX = "model.safetensors.index.json"

ADAPTER_WEIGHTS = "adapter_model.safetensors"

WRAPPERS = {"_orig_mod.": "torch.compile", "module.": "DistributedDataParallel"}
"""Prefixes of the tensor names in weights that were saved from a wrapped model."""

MAX_HEADER_BYTES = 100_000_000
"""Maximum bytes of the header of a safetensors file, a limit of its format."""

FORMATS = {
    (".bin", ".pt", ".pth", ".ckpt"): (
        "pickled weights are rejected, because loading them can run code; a pull request on the "
        "hub may have converted them: --revision refs/pr/N; otherwise use sentence-transformers' "
        "save_pretrained"
    ),
    (
        ".gguf",
    ): "GGUF weights cannot be exported; export the checkpoint that they were converted from",
    (
        ".onnx",
    ): "ONNX models cannot be exported; export the checkpoint that they were converted from",
    (".h5", ".msgpack"): (
        "weights of TensorFlow and Flax cannot be exported; convert them with transformers 4: "
        "from_pretrained with from_tf=True or from_flax=True, then save_pretrained"
    ),
}
"""Suffixes of weights in other formats, and the reason why they are rejected, with the remedy."""

OTHER_FORMATS = tuple(suffix for suffixes in FORMATS for suffix in suffixes)


def check_weights(folder: str, names: Collection[str], all_paths: Collection[str]) -> None:
    """Check that a folder has all of its weights, in a supported format.

    Args:
        folder: The folder, for messages.
        names: The names of its files, downloaded or not.
        all_paths: All files of the checkpoint.

    Raises:
        ExportError: weights are missing; the message names those in other formats.
    """
    weights = [name for name in names if name.endswith(".safetensors") and name != ADAPTER_WEIGHTS]
    if not weights:
        reasons = [
            reason
            for suffixes, reason in FORMATS.items()
            if any(path.endswith(suffixes) for path in all_paths)
        ]
        hint = f" ({reasons[0]})" if reasons else ""
        raise ExportError(f"'{folder}' has no *.safetensors file{hint}")
    if "model.safetensors" in weights:
        return
    shards = [match for match in map(SHARD.fullmatch, weights) if match]
    expected = {
        f"{shard['name']}-{number:05d}-of-{shard['total']}.safetensors"
        for shard in shards
        for number in range(1, int(shard["total"]) + 1)
    }
    if shards and INDEX not in names:
        expected.add(INDEX)
    if missing := sorted(expected.difference(names)):
        raise ExportError(
            f"'{folder}' lacks {len(missing)} of the {len(expected)} files of its weights, "
            f"'{missing[0]}' first: download it again"
        )


def check_content(path: Path, *, is_transformer: bool) -> None:
    """Check the header of a safetensors file, without loading its tensors.

    Args:
        path: The file.
        is_transformer: Whether the tensors are those of a transformer.

    Raises:
        ExportError: the file is a Git LFS pointer, truncated or malformed, or was saved from a
            wrapped model.
    """
    check_pointer(path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(MAX_HEADER_BYTES, size):
                raise ValueError
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            ends = [tensor["data_offsets"][1] for tensor in header.values()]
            if not all(type(each) is int for each in ends):
                raise ValueError
            end = max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise ExportError(f"'{path}' is not a safetensors file, or is truncated") from None
    if size != 8 + length + end:
        raise ExportError(
            f"'{path}' has {size} bytes instead of {8 + length + end}: download it again"
        )
    for prefix, wrapper in WRAPPERS.items():
        if is_transformer and header and all(name.startswith(prefix) for name in header):
            raise ExportError(
                f"'{path}': the names of all tensors begin with '{prefix}', as if saved from a "
                f"model inside {wrapper}: remove the prefix; docs/models.md has the commands"
            )
