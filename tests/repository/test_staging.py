from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from triton_embed.cli import main
from triton_embed.repository.staging import staging, sweep


def test_staging_folder_is_deleted_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staging(tmp_path / "repository") as staged:
        (staged / "model").mkdir()
        raise RuntimeError
    assert not list((tmp_path / "repository").iterdir())


def test_staging_folder_of_a_killed_export_is_deleted_by_the_next(tmp_path: Path) -> None:
    stage = (
        "import sys; from pathlib import Path\n"
        "from triton_embed.repository.staging import staging\n"
        "with staging(Path(sys.argv[1])) as staged: print(staged.name, flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", stage, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        staged = tmp_path / other.stdout.readline().strip()
        with staging(tmp_path):
            assert staged.exists(), "the other export is running"
        other.kill()
    with staging(tmp_path):
        assert not staged.exists()


def test_list_deletes_the_staging_folder_of_a_killed_export(stub_repository: Path) -> None:
    left = stub_repository / ".export-killed"
    (left / "model").mkdir(parents=True)
    with staging(stub_repository) as running:
        left.mkdir(exist_ok=True)
        assert main(["list", "--model-repository", str(stub_repository)]) == 0
        assert not left.exists() and running.exists()


def test_staging_folder_that_is_swept_before_it_is_locked_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[Path] = []

    def sweep_first(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.extend(tmp_path.iterdir())
            sweep(tmp_path)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    with staging(tmp_path) as staged:
        assert staged.exists()
        assert swept and staged not in swept


def test_sweep_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".export-link").symlink_to("elsewhere")
    sweep(tmp_path)
    assert (tmp_path / "elsewhere").exists()
