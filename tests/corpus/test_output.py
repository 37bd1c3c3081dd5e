from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from triton_embed.corpus.output import MANIFEST, RECORDS, REJECTS, OutputFolder

EXPECTED = {"version": 1, "inputs": []}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[OutputFolder]:
    folder = OutputFolder(tmp_path / "a" / "out", ".parquet")
    yield folder
    folder.close()


def test_manifest_is_on_the_disk_before_it_has_its_name(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, link = os.fsync, os.link

    def synced(file: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{file}")).suffix)
        fsync(file)

    def linked(*paths: Any) -> None:
        calls.append("link")
        link(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    folder.open(EXPECTED)
    assert calls == [".tmp", "link", ""]


def test_manifest_needs_no_links(folder: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*paths: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    folder.open(EXPECTED)
    folder.close()
    assert sorted(path.name for path in folder.path.iterdir()) == [MANIFEST, RECORDS, REJECTS]


def test_empty_folders_that_are_missing_are_created_again(folder: OutputFolder) -> None:
    folder.open(EXPECTED)
    folder.close()
    for name in (RECORDS, REJECTS):
        (folder.path / name).rmdir()
    folder.open(EXPECTED)
    assert (folder.path / RECORDS).is_dir() and (folder.path / REJECTS).is_dir()
