from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.serve.backend_directory import assemble
from triton_embed.serve.installation import find


def test_backends_of_a_triton_on_the_path_take_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "bin" / "tritonserver"
    for backend in ("onnxruntime", "python"):
        (tmp_path / "backends" / backend).mkdir(parents=True)
    binary.parent.mkdir()
    binary.touch(0o755)
    monkeypatch.setenv("PATH", str(binary.parent))
    found = find()
    (tmp_path / "assembled").mkdir()
    assemble(found, tmp_path / "assembled")
    backends = {path.name: path.resolve() for path in (tmp_path / "assembled").iterdir()}
    assert set(backends) == {"onnxruntime", "python", "tokenizer", "postprocess"}
    assert backends["onnxruntime"] == tmp_path / "backends" / "onnxruntime"
    assert found.binary == binary and not found.bundled
