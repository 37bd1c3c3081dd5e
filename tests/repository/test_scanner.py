from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

import pytest

from testing.stub_repository import STUB_SPEC, write_stub_model
from triton_embed.contract.pipeline import Role
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.scanner import find, scan

CAPITALS = ModelSpec("Tiny-2", max_tokens=64, vocab_size=30522, dimension=32)


def names(models: list[InstalledModel]) -> list[str]:
    return [model.name for model in models]


def write_config(repository: Path, name: str, text: str) -> None:
    (repository / name).mkdir()
    (repository / name / "config.pbtxt").write_text(text)


def test_exported_model_is_complete(stub_repository: Path) -> None:
    (model,) = scan(stub_repository)
    assert model.name == model.display_name == "tiny"
    assert model.ensembles == ("tiny", "tiny_direct")
    assert model.steps == ("tiny_tokenizer", "tiny_encoder", "tiny_postprocess")
    assert set(model.folders) == {*model.ensembles, *model.steps}
    assert model.spec == STUB_SPEC
    assert model.problem is None
    assert model.version_folder(Role.ENCODE) == stub_repository / "tiny_encoder" / "1"
    assert "tiny_encoder/1/model.onnx" in model.files


def test_alias_belongs_to_its_model(stub_repository: Path) -> None:
    write_stub_model(stub_repository, CAPITALS)
    tiny, model = scan(stub_repository)
    assert names([tiny, model]) == ["tiny", "tiny_2"]
    assert model.ensembles == ("tiny_2", "tiny_2_direct", "Tiny_2")
    assert model.problem is None


def test_user_s_ensembles_are_separate_models(stub_repository: Path) -> None:
    write_config(stub_repository, "pre", 'backend: "python"')
    steps = "".join(f'step {{ model_name: "{name}" }}' for name in ("pre", "tiny_tokenizer"))
    write_config(stub_repository, "user", f"ensemble_scheduling {{ {steps} }}")
    write_config(stub_repository, "single", 'backend: "onnxruntime"')
    single, tiny, user = scan(stub_repository)
    assert names([single, tiny, user]) == ["single", "tiny", "user"]
    assert user.steps == ("pre", "tiny_tokenizer")
    assert user.folders == ("user", "pre")
    assert (user.identity, single.identity) == (None, None)
    assert tiny.folders == (*tiny.ensembles, "tiny_encoder", "tiny_postprocess", "tiny_tokenizer")


def test_user_s_ensemble_has_the_steps_of_its_ensembles(stub_repository: Path) -> None:
    write_config(stub_repository, "pre", 'backend: "python"')
    for ensemble, steps in (("inner", ("pre", "inner")), ("user", ("inner", "tiny_direct"))):
        text = "".join(f'step {{ model_name: "{name}" }}' for name in steps)
        write_config(stub_repository, ensemble, f"ensemble_scheduling {{ {text} }}")
    (user,) = (model for model in scan(stub_repository) if model.name == "user")
    assert user.steps == ("pre", "inner", "tiny_tokenizer", "tiny_encoder", "tiny_direct")
    assert user.folders == ("user", "inner", "pre")
    (stub_repository / "pre" / "config.pbtxt").write_text('backend: "other"')
    assert user not in scan(stub_repository)


def test_change_of_any_step_changes_the_model(own_tiny_repository: Path) -> None:
    (before,) = scan(own_tiny_repository)
    assert scan(own_tiny_repository) == [before]
    (own_tiny_repository / "tiny_tokenizer" / "1" / "tokenizer.json").touch()
    (after,) = scan(own_tiny_repository)
    assert after.changed_steps(before) == ["tiny_tokenizer"]


def test_broken_link_hides_no_other_file(stub_repository: Path) -> None:
    (stub_repository / "tiny_encoder" / ".#config.pbtxt").symlink_to("editor@host.1")
    (before,) = scan(stub_repository)
    assert before.problem is None
    (stub_repository / "tiny_encoder" / "1" / "model.onnx").write_text("changed")
    (after,) = scan(stub_repository)
    assert after.changed_steps(before) == ["tiny_encoder"]


def test_changed_configuration_is_read_again(stub_repository: Path) -> None:
    scan(stub_repository)
    changed = config.read(stub_repository / "tiny")
    changed.parameters["max_tokens"].string_value = "8"
    config.write(stub_repository / "tiny", changed)
    (model,) = scan(stub_repository)
    assert model.spec and model.spec.max_tokens == 8


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tiny", "lacks 'tiny'"),
        ("tiny/config.pbtxt", "lacks 'tiny', which has no config.pbtxt"),
        ("tiny_encoder", "lacks 'tiny_encoder'"),
        ("tiny_encoder/1/model.onnx", "lacks the file 'tiny_encoder/1/model.onnx'"),
    ],
)
def test_torn_model_is_one_model_with_a_problem(
    stub_repository: Path, path: str, problem: str
) -> None:
    target = stub_repository / path
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    (model,) = scan(stub_repository)
    assert model.name == model.display_name == "tiny"
    assert model.problem == (
        f"{problem}: export it again with 'triton-embed export CHECKPOINT --model-id tiny'"
    )
    assert set(model.folders) == {path.name for path in stub_repository.iterdir()}


def test_parts_of_two_exports_are_a_torn_model(stub_repository: Path) -> None:
    for step in ("tiny_tokenizer", "tiny_encoder"):
        changed = config.read(stub_repository / step)
        changed.parameters["exported_at"].string_value = "2026-01-02T00:00:00Z"
        config.write(stub_repository / step, changed)
    (model,) = scan(stub_repository)
    assert model.problem == (
        "has parts of several exports: export it again with "
        "'triton-embed export CHECKPOINT --model-id tiny'"
    )


def test_model_without_its_direct_ensemble_has_no_problem(stub_repository: Path) -> None:
    shutil.rmtree(stub_repository / "tiny_direct")
    (model,) = scan(stub_repository)
    assert model.problem is None


@pytest.mark.parametrize(
    ("version", "problem"),
    [("0", "older triton-embed .* export it again"), ("2", "upgrade triton-embed")],
)
def test_model_of_another_version_has_a_problem(
    stub_repository: Path, version: str, problem: str
) -> None:
    for path in stub_repository.iterdir():
        changed = config.read(path)
        changed.parameters["spec_version"].string_value = version
        config.write(path, changed)
    (model,) = scan(stub_repository)
    assert model.problem and re.search(problem, model.problem)


def test_copied_folder_is_no_part_of_the_model(stub_repository: Path) -> None:
    shutil.copytree(stub_repository / "tiny", stub_repository / "tiny.backup")
    tiny, copy = scan(stub_repository)
    assert tiny.problem is None
    assert tiny.ensembles == ("tiny", "tiny_direct")
    assert copy.problem == "is not accepted by Triton: its config.pbtxt names 'tiny'"


def test_staging_folders_are_skipped(stub_repository: Path) -> None:
    shutil.copytree(stub_repository / "tiny", stub_repository / ".export-x")
    assert names(scan(stub_repository)) == ["tiny"]


def test_unreadable_configuration_hides_no_other_model(stub_repository: Path) -> None:
    write_config(stub_repository, "broken", "name: {")
    broken, tiny = scan(stub_repository)
    assert broken.problem and broken.problem.startswith("cannot be read: config.pbtxt is malformed")
    assert tiny.problem is None


def test_missing_repository_is_an_error_unless_allowed(tmp_path: Path) -> None:
    assert scan(tmp_path / "missing", missing_ok=True) == []
    with pytest.raises(RepositoryError, match="there is no model repository"):
        scan(tmp_path / "missing")


def test_unreadable_repository_is_an_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(RepositoryError, match=f"'{tmp_path}' cannot be read: .* not connected"):
        scan(tmp_path, missing_ok=True)


def test_find_accepts_the_id_and_the_triton_name(stub_repository: Path) -> None:
    write_stub_model(stub_repository, CAPITALS)
    assert find(stub_repository, "TINY-2").name == find(stub_repository, "tiny_2").name == "tiny_2"
    with pytest.raises(
        RepositoryError, match=r"no model 'tinny' .* installed are: 'tiny', 'Tiny-2'"
    ):
        find(stub_repository, "tinny")
