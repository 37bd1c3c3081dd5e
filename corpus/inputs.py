"""The input files that files, folders and glob patterns stand for."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_embed.corpus.errors import UsageProblem

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".txt": "text",
}
"""Formats by the end of a file's name."""

COMPRESSED = (".gz", ".zst", ".bz2")
"""Ends of the names of compressed files, after that of the format."""

HASH_BLOCK_BYTES = 1 << 20
"""Bytes that are read at a time to hash a file."""


@dataclass(frozen=True)
class InputFile:
    """A file with texts.

    Attributes:
        name: Its path as given on the command line, or as found under a given folder.
        format: A value of `FORMATS`.
        size: Size in bytes.
    """

    name: str
    format: str
    size: int

    def digest(self) -> str:
        """Return the SHA-256 of its content, in hexadecimal.

        Raises:
            UsageProblem: it cannot be read.
        """
        digest = hashlib.sha256()
        try:
            with open(self.name, "rb") as file:
                while block := file.read(HASH_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        return digest.hexdigest()


def find_inputs(arguments: Sequence[str], output: Path) -> list[InputFile]:
    """Return the input files, each once, in a fixed order: that of the arguments, then by name.

    Args:
        arguments: Files, folders and glob patterns. A folder stands for all files in it and below
            whose format is known; names that begin with a dot or an underscore are left out.
        output: The output folder, whose files are not inputs.

    Raises:
        UsageProblem: an argument matches no file, a format is unknown, no file is found, or a
            folder cannot be read.
    """
    names: dict[str, None] = {}
    for argument in arguments:
        try:
            names.update(dict.fromkeys(_expand(argument, output)))
        except OSError as error:
            raise _unreadable(argument, error) from error
    if not names:
        raise UsageProblem(
            f"there is no input file in {', '.join(arguments)}; known formats are "
            f"{', '.join(FORMATS)}, also with {', '.join(COMPRESSED)}"
        )
    return [InputFile(name, _known_format(name), Path(name).stat().st_size) for name in names]


def _unreadable(name: str, error: OSError) -> UsageProblem:
    return UsageProblem(f"the input '{name}' cannot be read: {error.strerror or error}")


def _expand(argument: str, output: Path) -> Iterator[str]:
    path = Path(argument)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            inner = file.relative_to(path).parts
            is_hidden = any(part.startswith((".", "_")) for part in inner)
            is_output = output.resolve() in file.resolve().parents
            if file.is_file() and not is_hidden and not is_output and file_format(file.name):
                yield str(file)
    elif path.is_file():
        yield argument
    else:
        found = sorted(name for name in glob.glob(argument, recursive=True) if Path(name).is_file())
        if not found:
            raise UsageProblem(f"there is no file '{argument}'")
        yield from found


def file_format(name: str) -> str | None:
    """Return the format of a file by its name; ``None``: unknown."""
    lowered = name.lower()
    for end in COMPRESSED:
        lowered = lowered.removesuffix(end)
    return FORMATS.get(Path(lowered).suffix)


def _known_format(name: str) -> str:
    found = file_format(name)
    if found is None:
        raise UsageProblem(
            f"the format of '{name}' is unknown; its name must end in one of {', '.join(FORMATS)}, "
            f"and {', '.join(COMPRESSED)} may follow"
        )
    return found
