from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testing.paths import ROOT
from triton_embed.cli import main


def test_serve_has_the_options_of_the_supervisor_and_of_its_gateway(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIM_NUM_TOKENIZERS", "2")
    monkeypatch.delenv("TRITON_EMBED_MODEL_REPOSITORY", raising=False)
    assert main(["serve", "--port", "9", "--api-keys", "secret", "--show-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "port = 9  # flag --port" in lines
    assert "api_keys = (set)  # flag --api-keys" in lines
    assert "tokenizer_instances = 2  # variable NIM_NUM_TOKENIZERS" in lines
    assert "model_repository = model_repository  # default" in lines
    assert not any(line.startswith("triton_address") for line in lines)


def test_model_id_without_a_checkpoint_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--model-id", "mine"]) == 2
    assert "--model-id needs CHECKPOINT" in capsys.readouterr().err


def test_error_is_printed_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "triton_embed", "serve", "--model-repository", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("cannot serve: there is no model in")
    assert len(done.stderr.splitlines()) == 1
