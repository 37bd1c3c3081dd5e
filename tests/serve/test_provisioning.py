from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from testing.waiting import eventually
from triton_embed.contract.pipelines import ENCODER
from triton_embed.repository import config, layout
from triton_embed.repository.provenance import Provenance
from triton_embed.serve import provisioning
from triton_embed.serve.errors import ServeError
from triton_embed.serve.provisioning import provision

Exports = list[list[str]]


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Exports:
    """The arguments of each export, which does nothing."""
    arguments: Exports = []

    def run_export(given: Sequence[str]) -> int:
        arguments.append(list(given))
        return 0

    monkeypatch.setattr(provisioning, "run_export", run_export)
    return arguments


def write_provenance(repository: Path, checkpoint: str) -> None:
    encoder = layout.version_folder(repository, ENCODER.triton_name("tiny"))
    Provenance(checkpoint, None, "bert", target="cuda", precision="fp16").write(encoder)


def set_version(repository: Path, version: str) -> None:
    """Change all models to exports of another version of triton-embed."""
    for path in repository.glob(f"*/{layout.CONFIG_FILE}"):
        changed = config.read(path.parent)
        changed.parameters["spec_version"].string_value = version
        config.write(path.parent, changed)


@pytest.mark.parametrize(
    ("checkpoint", "model_id", "expected"),
    [
        ("owner/other", None, "owner/other"),
        ("owner/other", "mine", "mine"),
        ("{folder}", None, "folder"),
    ],
)
def test_missing_model_is_exported(
    checkpoint: str,
    model_id: str | None,
    expected: str,
    stub_repository: Path,
    tmp_path: Path,
    exports: Exports,
) -> None:
    (tmp_path / "folder").mkdir()
    checkpoint = checkpoint.format(folder=tmp_path / "folder")
    provision(checkpoint, model_id, stub_repository)
    options = ["--model-repository", str(stub_repository), "--model-id", expected]
    assert exports == [[*options, "--", checkpoint]]


@pytest.mark.parametrize(("checkpoint", "noted"), [("owner/tiny", False), ("/models/tiny", True)])
def test_installed_model_is_left_alone_with_a_note_if_it_is_of_another_checkpoint(
    checkpoint: str,
    noted: bool,
    stub_repository: Path,
    exports: Exports,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_provenance(stub_repository, checkpoint)
    provision("owner/tiny", "Tiny", stub_repository)
    assert not exports
    assert ("NOTE: 'tiny' is already installed" in caplog.text) is noted


@pytest.mark.parametrize("version", ["0", "99"])
def test_model_of_another_version_is_exported_again_for_its_target(
    version: str, stub_repository: Path, exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    write_provenance(stub_repository, "owner/tiny")
    set_version(stub_repository, version)
    with caplog.at_level(logging.INFO):
        provision("owner/tiny", "tiny", stub_repository)
    (arguments,) = exports
    assert arguments[-6:] == ["--target", "cuda", "--precision", "fp16", "--", "owner/tiny"]
    assert f"spec_version {version}" in caplog.text


def test_incomplete_model_is_exported_again(stub_repository: Path, exports: Exports) -> None:
    (layout.version_folder(stub_repository, "tiny_tokenizer") / "tokenizer.json").unlink()
    provision("owner/tiny", "tiny", stub_repository)
    assert len(exports) == 1


@pytest.mark.parametrize("checkpoint", ["./nothing", "~nobody-at-all/x"])
def test_failed_export_is_an_error(tmp_path: Path, checkpoint: str) -> None:
    with pytest.raises(ServeError, match=r"export of .* failed \(exit status 1\)"):
        provision(checkpoint, None, tmp_path / "repository")


def test_signal_ends_the_export_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    started = tmp_path / "started"
    children: list[subprocess.Popen[bytes]] = []
    popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def start(command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        children.append(popen([sys.executable, "-c", code, str(started)]))
        return children[0]

    monkeypatch.setattr(subprocess, "Popen", start)

    def end() -> None:
        eventually(started.exists, message="the child runs")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(SystemExit) as ended:
        provisioning.run_export(["checkpoint"])
    thread.join()
    assert ended.value.code == 128 + signal.SIGTERM
    assert children[0].returncode == -signal.SIGTERM
