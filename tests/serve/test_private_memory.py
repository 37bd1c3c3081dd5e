from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from triton_embed.serve.private_memory import with_private_memory

CREATE = """
import os, sys
with open(sys.argv[1], "w") as file:
    os.fchmod(file.fileno(), 0o644)
"""


def test_file_stays_private_although_the_program_opens_it(tmp_path: Path) -> None:
    file = tmp_path / "segment"
    program = [sys.executable, "-c", CREATE, str(file)]
    subprocess.run(with_private_memory(program), check=True)
    assert file.stat().st_mode & 0o777 == 0o600
    subprocess.run(program, check=True)
    assert file.stat().st_mode & 0o777 == 0o644
