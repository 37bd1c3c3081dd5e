"""Installed models can be listed, shown, removed and verified."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import load, numpy_helper, save

from testing.stub_repository import write_stub_model
from triton_embed.cli import main
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.parity.encoder import Encoder


def run(command: str, repository: Path, *arguments: str) -> int:
    return main([command, *arguments, "--model-repository", str(repository)])


def contents(repository: Path) -> set[str]:
    return {path.name for path in repository.iterdir()}


def test_list_shows_every_model_and_the_problems_of_broken_and_foreign_models(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_tiny_repository / "foreign").mkdir()
    (own_tiny_repository / ".export-1").mkdir()
    write_stub_model(own_tiny_repository, ModelSpec("torn", 64, 30522, 32))
    (own_tiny_repository / "torn" / "config.pbtxt").write_text("{")
    assert run("list", own_tiny_repository) == 0
    _, foreign, tiny, torn = capsys.readouterr().out.splitlines()
    assert tiny.split()[:5] == ["tiny", "bert", "32", "64", "fp32"]
    assert foreign.startswith("foreign") and "foreign: it has no config.pbtxt" in foreign
    assert (
        torn.startswith("torn")
        and "broken: it lacks 'torn', which cannot be read: config.pbtxt" in torn
    )


def test_show_prints_the_spec_the_parity_and_the_files(
    tiny_repository: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", tiny_repository, "TINY") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"checkpoint {tiny_folder}" in printed
    assert "'input_type' optional" in printed and "parity max absolute error" in printed
    assert "tiny_encoder/1/model.onnx" in printed
    assert "pooling mean normalized yes" in printed
    assert run("show", tiny_repository, "tiny", "--json") == 0
    assert json.loads(capsys.readouterr().out)["spec"]["dimension"] == "32"


def test_remove_deletes_the_whole_model_and_nothing_else(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_tiny_repository / "foreign").mkdir()
    assert run("remove", own_tiny_repository, "tinny") == 1
    assert "installed are: 'foreign', 'tiny'" in capsys.readouterr().err
    assert run("remove", own_tiny_repository, "foreign") == 1
    assert "'foreign' was not made by" in capsys.readouterr().err
    assert run("remove", own_tiny_repository, "tiny") == 0
    assert contents(own_tiny_repository) == {"foreign"}


def write_config(repository: Path, name: str, text: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(f'name: "{name}" {text}')


def ensemble(*steps: str) -> str:
    return "ensemble_scheduling {" + "".join(f'step {{ model_name: "{s}" }}' for s in steps) + "}"


def test_remove_rejects_foreign_ensembles(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(own_tiny_repository, "pre", 'backend: "python"')
    write_config(own_tiny_repository, "pipeline", ensemble("pre"))
    write_config(own_tiny_repository, "mine", ensemble("tiny_tokenizer", "tiny_encoder"))
    everything = contents(own_tiny_repository)
    assert run("list", own_tiny_repository) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "foreign" in line] == ["mine", "pipeline"]
    for name in ("mine", "pipeline"):
        assert run("remove", own_tiny_repository, name) == 1
        assert f"'{name}' was not made by" in capsys.readouterr().err
    assert contents(own_tiny_repository) == everything
    assert run("remove", own_tiny_repository, "tiny") == 0
    assert contents(own_tiny_repository) == {"mine", "pipeline", "pre"}


def test_export_does_not_replace_a_user_s_own_model(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, "tiny", 'backend: "python"')
    export = ["export", str(tiny_folder), "--model-repository", str(tmp_path)]
    assert main([*export, "--model-id", "tiny"]) == 1
    assert f"would replace 'tiny' in {tmp_path}, which was not made by" in capsys.readouterr().err
    assert contents(tmp_path) == {"tiny"}


def test_export_replaces_the_leftovers_of_a_model(
    own_tiny_repository: Path, tiny_folder: Path
) -> None:
    everything = contents(own_tiny_repository)
    shutil.rmtree(own_tiny_repository / "tiny")
    (own_tiny_repository / "tiny_postprocess" / "config.pbtxt").unlink()
    export = [str(tiny_folder), "--model-repository", str(own_tiny_repository)]
    assert main(["export", *export, "--model-id", "tiny"]) == 0
    assert contents(own_tiny_repository) == everything


def test_verify_prints_the_parity_and_writes_nothing(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in own_tiny_repository.rglob("*")}
    assert run("verify", own_tiny_repository, "tiny") == 0
    assert "'tiny': max absolute error" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in own_tiny_repository.rglob("*")} == before


def test_verify_fails_with_figures_after_a_change_of_weights(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_tiny_repository / "tiny_encoder" / "1" / "model.onnx"
    model = load(path)
    weight = max(model.graph.initializer, key=lambda weight: weight.ByteSize())
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    save(model, path)
    assert run("verify", own_tiny_repository, "tiny") == 1
    assert "verify failed: parity with the reference failed" in capsys.readouterr().err


def test_verify_requires_a_checkpoint_if_the_provenance_is_missing(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_tiny_repository / "tiny_encoder" / "1" / "provenance.json").unlink()
    assert run("verify", own_tiny_repository, "tiny") == 1
    assert "pass CHECKPOINT" in capsys.readouterr().err


def test_verify_detects_batch_dependent_embeddings(
    own_tiny_repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = Encoder.embed

    def disturbed(encoder: Encoder, requests: Sequence[Any]) -> NDArray[np.float32]:
        vectors = embed(encoder, requests)
        return vectors + 0.01 if len(vectors) > 1 else vectors

    monkeypatch.setattr(Encoder, "embed", disturbed)
    assert run("verify", own_tiny_repository, "tiny") == 1
    printed = capsys.readouterr().err
    assert "max absolute error 1.00e-02" in printed
    assert "max batch deviation 1.0e-02" in printed
