from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triton_embed.repository.staging import staging

LONG_AGO = (0, 0)


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
        os.utime(staged, LONG_AGO)
        with staging(tmp_path):
            assert staged.exists(), "the other export is running"
        other.kill()
    os.utime(staged)
    with staging(tmp_path):
        assert staged.exists(), "a young folder may not have its lock yet"
    os.utime(staged, LONG_AGO)
    with staging(tmp_path):
        assert not staged.exists()
