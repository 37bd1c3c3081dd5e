from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.serve.backend_directory import assemble, shell_safe_path
from triton_embed.serve.installation import Installation


def test_python_backend_is_copied_and_others_are_linked(tmp_path: Path) -> None:
    library = tmp_path / "libtriton_python.so"
    library.touch()
    folder = tmp_path / "assembled"
    folder.mkdir()
    backends = {"tokenizer": tmp_path}
    assemble(Installation(Path("tritonserver"), backends, (library,), (), bundled=True), folder)
    assert (folder / "tokenizer").resolve() == tmp_path
    assert not (folder / "python" / library.name).is_symlink()


@pytest.mark.parametrize(("name", "linked"), [("models", False), ("it's (my) models", True)])
def test_path_that_a_shell_would_interpret_is_linked(
    tmp_path: Path, name: str, linked: bool
) -> None:
    repository = tmp_path / name
    repository.mkdir()
    folder = tmp_path / "assembled"
    folder.mkdir()
    path = shell_safe_path(repository, folder)
    assert path == (folder / "model_repository" if linked else repository)
    assert path.resolve() == repository
