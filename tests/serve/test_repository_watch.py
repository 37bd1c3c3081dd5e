from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from triton_embed.serve.errors import ServeError
from triton_embed.serve.repository_watch import RepositoryWatch


def empty(folder: Path) -> None:
    for part in folder.iterdir():
        shutil.rmtree(part)


def test_repository_whose_models_were_removed_is_empty(stub_repository: Path) -> None:
    watch = RepositoryWatch(stub_repository)
    assert list(watch.scan()) == ["tiny"]
    empty(stub_repository)
    assert not watch.scan()


def test_empty_repository_has_not_disappeared(tmp_path: Path) -> None:
    watch = RepositoryWatch(tmp_path / "later")
    assert not watch.scan()


@pytest.mark.parametrize("mount_point", [False, True])
def test_repository_that_has_disappeared_is_not_an_empty_one(
    stub_repository: Path, mount_point: bool
) -> None:
    watch = RepositoryWatch(stub_repository)
    watch.scan()
    away = stub_repository.rename(stub_repository.with_name("away"))
    if mount_point:
        stub_repository.mkdir()
    with pytest.raises(ServeError, match=r"repository' has disappeared; loaded models stay"):
        watch.scan()
    if mount_point:
        stub_repository.rmdir()
    away.rename(stub_repository)
    assert list(watch.scan()) == ["tiny"]


def test_repository_may_be_replaced_by_another_with_models(stub_repository: Path) -> None:
    watch = RepositoryWatch(stub_repository)
    watch.scan()
    away = stub_repository.rename(stub_repository.with_name("away"))
    shutil.copytree(away, stub_repository)
    assert list(watch.scan()) == ["tiny"]
    empty(stub_repository)
    assert not watch.scan()
