from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testing.stub_repository import write_stub_model
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config
from triton_embed.repository.conflict import find_replaced as find_replaced_by
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel


def spec_of(model_id: str, prompt_query: str = "") -> ModelSpec:
    return ModelSpec(model_id, 64, 30522, 32, prompt_query=prompt_query)


def find_replaced(repository: Path, model_id: str) -> InstalledModel | None:
    return find_replaced_by(repository, spec_of(model_id))


def test_export_into_an_empty_or_missing_repository_replaces_nothing(tmp_path: Path) -> None:
    assert find_replaced(tmp_path, "tiny") is None
    assert find_replaced(tmp_path / "missing", "tiny") is None


def test_export_replaces_the_model_of_its_id_whatever_the_case(stub_repository: Path) -> None:
    write_stub_model(stub_repository, spec_of("Other"))
    replaced = find_replaced(stub_repository, "OTHER")
    assert replaced and "Other" in replaced.folders
    assert find_replaced(stub_repository, "new") is None


def test_export_replaces_a_torn_model(stub_repository: Path) -> None:
    shutil.rmtree(stub_repository / "tiny")
    (stub_repository / "tiny_postprocess" / "config.pbtxt").unlink()
    replaced = find_replaced(stub_repository, "tiny")
    assert replaced and set(replaced.folders) == {path.name for path in stub_repository.iterdir()}


def test_export_replaces_a_model_without_spec_version(stub_repository: Path) -> None:
    for path in stub_repository.iterdir():
        old = config.read(path)
        has_spec = "max_tokens" in old.parameters
        for name in ("spec_version", "role", "pipeline", "exported_at"):
            old.parameters.pop(name)
        if not has_spec:
            old.parameters.clear()
        config.write(path, old)
    shutil.rmtree(stub_repository / "tiny_direct")
    replaced = find_replaced(stub_repository, "tiny")
    assert replaced and replaced.problem and "no spec_version" in replaced.problem
    assert set(replaced.folders) == {path.name for path in stub_repository.iterdir()}


def test_export_does_not_replace_a_model_of_another_id(stub_repository: Path) -> None:
    with pytest.raises(RepositoryError, match="both need the name 'tiny_direct' for Triton"):
        find_replaced(stub_repository, "Tiny-Direct")


@pytest.mark.parametrize("name", ["new", "new_encoder"])
def test_export_does_not_replace_a_user_s_own_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert find_replaced(tmp_path, "new") is None, "the folder is empty"
    (tmp_path / name / "config.pbtxt").write_text('backend: "python"')
    with pytest.raises(RepositoryError, match=f"would replace '{name}' .* not made by"):
        find_replaced(tmp_path, "new")


def test_export_does_not_replace_a_step_of_a_user_s_own_ensemble(tmp_path: Path) -> None:
    for name, step in (("outer", "inner"), ("inner", "new_encoder")):
        (tmp_path / name).mkdir()
        text = f'ensemble_scheduling {{ step {{ model_name: "{step}" }} }}'
        (tmp_path / name / "config.pbtxt").write_text(text)
    (tmp_path / "new_encoder").mkdir()
    (tmp_path / "new_encoder" / "config.pbtxt").write_text('backend: "python"')
    with pytest.raises(RepositoryError, match=r"would replace 'outer' .* not made by"):
        find_replaced(tmp_path, "new")


@pytest.mark.parametrize("name", ["Me/Asym-query", "me/asym-Passage"])
def test_export_of_an_id_that_means_one_side_of_an_asymmetric_model_is_rejected(
    tmp_path: Path, name: str
) -> None:
    asymmetric, other = spec_of("me/asym", prompt_query="q: "), spec_of(name)
    write_stub_model(tmp_path / "first", asymmetric)
    with pytest.raises(
        RepositoryError, match=f"'{name}' cannot be installed together with 'me/asym'"
    ):
        find_replaced_by(tmp_path / "first", other)
    write_stub_model(tmp_path / "second", other)
    with pytest.raises(
        RepositoryError, match=f"'me/asym' cannot be installed together with '{name}'"
    ):
        find_replaced_by(tmp_path / "second", asymmetric)


def test_export_of_an_id_with_a_suffix_is_accepted_beside_other_models(tmp_path: Path) -> None:
    assert find_replaced_by(tmp_path, spec_of("a-query", prompt_query="q: ")) is None
    write_stub_model(tmp_path, spec_of("a"))
    write_stub_model(tmp_path, spec_of("b-query"))
    write_stub_model(tmp_path, spec_of("c-queries"))
    assert find_replaced_by(tmp_path, spec_of("a-query")) is None
    assert find_replaced_by(tmp_path, spec_of("b")) is None
    assert find_replaced_by(tmp_path, spec_of("c", prompt_query="q: ")) is None
