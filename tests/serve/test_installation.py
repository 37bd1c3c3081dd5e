from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.serve.backend_directory import assemble
from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import Installation, find


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
    assert set(backends) == {
        "multimodal",
        "onnxruntime",
        "postprocess",
        "python",
        "tokenizer",
    }
    assert backends["onnxruntime"] == tmp_path / "backends" / "onnxruntime"
    assert found.binary == binary and not found.bundled


@pytest.mark.parametrize(
    ("version", "accepted"), [("2.52.0", False), ("2.53.0", True), ("3.0", True)]
)
def test_triton_whose_onnx_runtime_is_wrong_is_rejected_by_name(
    tmp_path: Path, version: str, accepted: bool
) -> None:
    (tmp_path / "libtriton_onnxruntime.so").touch()
    backends = {"onnxruntime": tmp_path}
    server = Installation(Path("/opt/tritonserver"), backends, (), (), bundled=False)
    if accepted:
        server.check_version(version)
    else:
        with pytest.raises(ServeError, match=rf"Triton {version} .* use Triton 2\.53 .*24\.12"):
            server.check_version(version)


def test_triton_without_the_cpp_backend_may_be_older() -> None:
    found = find()
    assert found.bundled and not found.has_onnxruntime
    found.check_version("2.51.0")
