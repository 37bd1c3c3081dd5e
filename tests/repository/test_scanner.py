from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from triton_embed.repository.scanner import scan
from triton_embed.serve.errors import ServeError


def test_an_ensemble_is_one_entry_with_its_steps_first(tiny_repository: Path) -> None:
    entries = scan(tiny_repository)
    assert list(entries) == ["tiny"]
    assert entries["tiny"].steps == ("tiny_tokenizer", "tiny_encoder", "tiny_postprocess")
    assert entries["tiny"].ensembles == ("tiny", "tiny_direct")


def test_an_alias_belongs_to_the_model_it_stands_for(own_tiny_repository: Path) -> None:
    shutil.copytree(own_tiny_repository / "tiny", own_tiny_repository / "Tiny")
    entries = scan(own_tiny_repository)
    assert list(entries) == ["tiny"]
    assert entries["tiny"].ensembles == ("tiny", "tiny_direct", "Tiny")


def test_a_change_of_any_step_changes_the_entry(own_tiny_repository: Path) -> None:
    before = scan(own_tiny_repository)["tiny"]
    assert scan(own_tiny_repository)["tiny"] == before
    (own_tiny_repository / "tiny_tokenizer" / "1" / "tokenizer.json").touch()
    assert scan(own_tiny_repository)["tiny"] != before


def test_a_repository_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "glob", fail)
    with pytest.raises(ServeError, match=f"'{tmp_path}' cannot be read: .* not connected"):
        scan(tmp_path)


def test_exports_at_work_and_unreadable_configurations_hide_nothing(
    own_tiny_repository: Path,
) -> None:
    shutil.copytree(own_tiny_repository / "tiny", own_tiny_repository / ".export-x")
    (own_tiny_repository / "broken").mkdir()
    (own_tiny_repository / "broken" / "config.pbtxt").write_text("name: {")
    assert set(scan(own_tiny_repository)) == {"tiny", "broken"}
