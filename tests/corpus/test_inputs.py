from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from triton_embed.corpus.errors import UsageProblem
from triton_embed.corpus.inputs import InputFile, file_format, find_inputs


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name in ("b.jsonl.gz", "a.txt", "sub/c.CSV", "x.bin", ".d.txt", "_e/f.txt", "out/g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\n")
    return tmp_path


def names(corpus: Path, *arguments: str) -> list[str]:
    found = find_inputs([str(corpus / each) for each in arguments], corpus / "out")
    return [Path(file.name).relative_to(corpus).as_posix() for file in found]


def test_folder_stands_for_its_files_of_known_formats(corpus: Path) -> None:
    assert names(corpus, ".") == ["a.txt", "b.jsonl.gz", "sub/c.CSV"]


def test_files_are_in_the_order_of_the_arguments_and_each_once(corpus: Path) -> None:
    assert names(corpus, "sub/c.CSV", "*.txt", "a.txt") == ["sub/c.CSV", "a.txt"]
    assert names(corpus, "**/*.CSV") == ["sub/c.CSV"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("none.txt", "there is no file '.*none.txt'"),
        ("*.json", "there is no file"),
        ("x.bin", "the format of '.*x.bin' is unknown; .* .parquet"),
        ("out", "there is no input file in"),
    ],
)
def test_unusable_argument_is_an_error(argument: str, message: str, corpus: Path) -> None:
    with pytest.raises(UsageProblem, match=message):
        names(corpus, argument)


def test_format_follows_from_the_name() -> None:
    assert file_format("a.JSONL.zst") == "jsonl"
    assert file_format("a.gz") is None


def test_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 3_000_000)
    found = InputFile(str(tmp_path / "a.txt"), "text", 3_000_000).digest()
    assert found == hashlib.sha256(b"x" * 3_000_000).hexdigest()
