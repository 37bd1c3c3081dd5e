from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testing.paths import ROOT
from triton_embed.cli import main
from triton_embed.runtime import cores


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
    assert main(["serve", "--triton-address", "host:1"]) == 2


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


def test_show_config_prints_the_computed_values_of_each_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(cores, "_quotas", lambda root: iter([2.0]))
    monkeypatch.delenv("TRITON_EMBED_WORKERS", raising=False)
    flags = ["--performance-mode", "throughput", "--triton-grpc-port", "9001"]
    assert main(["serve", *flags, "--show-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "encoder_instances = 2  # computed from performance_mode" in lines
    assert "encoder_threads = 1  # computed from encoder_instances and cores" in lines
    assert "max_queue_delay_microseconds = 1000  # computed from performance_mode" in lines
    (workers,) = (line for line in lines if line.startswith("workers"))
    assert workers.endswith("  # computed from 2 usable cores")
    assert lines[-1].startswith("triton_address = 127.0.0.1:9001  # computed from triton_host")
    assert main(["serve", *flags, "--encoder-threads", "3", "--show-config"]) == 0
    assert "encoder_threads = 3  # flag --encoder-threads" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TRITON_EMBED_WORKERS": "many"}, "TRITON_EMBED_WORKERS=many: must be an integer"),
        ({"TRITON_EMBED_API_KEYS": ""}, "TRITON_EMBED_API_KEYS"),
        (
            {"NIM_SERVER_TLS_CERT_PATH": "none.pem", "NIM_SERVER_TLS_KEY_PATH": "none.pem"},
            "--tls-certificate: cannot read 'none.pem'",
        ),
        ({"TRITON_EMBED_PORT": "tcp://10.96.7.3:80"}, "enableServiceLinks"),
    ],
)
def test_setting_of_the_gateway_is_rejected_before_triton_starts(
    stub_repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", "--model-repository", str(stub_repository)]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
