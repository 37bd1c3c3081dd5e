"""Downloads of a hub id with the real huggingface_hub, from a hub on loopback."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import constants

from testing.hub import COMMIT, Hub
from testing.paths import ROOT
from triton_embed.cli import main

ID = "tests/tiny-embed"
NEEDED = {
    "1_Pooling/config.json",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def hub(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one checkpoint, in more formats than needed, which this process uses."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "tiny-embed"))
    for name in ("README.md", "pytorch_model.bin", "onnx/model.onnx", "onnx/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    with Hub() as running:
        running.repositories[ID] = folder
        template = f"{running.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield running


def run(repository: Path, *flags: str, model: str = ID) -> int:
    return main(["export", model, "--model-repository", str(repository), *flags])


def nothing_in(repository: Path) -> bool:
    return not repository.exists() or not list(repository.iterdir())


def test_hub_id_is_exported_again_without_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        sys.executable,
        "-m",
        "triton_embed",
        "export",
        ID,
        "--model-repository",
        str(tmp_path / "first"),
    ]
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert set(hub.fetched) >= NEEDED
    assert not [path for path in hub.fetched if path.startswith("onnx/") or path.endswith(".bin")]
    origin = json.loads((tmp_path / "first/tests_tiny_embed_encoder/1/provenance.json").read_text())
    assert (origin["checkpoint"], origin["revision"]) == (ID, COMMIT)

    hub.fetched.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run(tmp_path / "second") == 0
    assert not hub.fetched
    # Explicit or not, the commit is the exported one, even if the branch has changed.
    (branch,) = (tmp_path / "home").rglob("refs/main")
    branch.write_text("0" * 40)
    for named in ([], [ID]):
        verify = ["verify", ID, *named, "--model-repository", str(tmp_path / "second")]
        assert main(verify) == 0


def test_dry_run_downloads_no_weights(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (hub.repositories[ID] / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "ask: "}})
    )
    assert run(tmp_path / "repository", "--dry-run") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"checkpoint {ID} at {COMMIT}" in printed
    assert "query prompt 'ask: '" in printed and "'input_type' required" in printed
    assert "size about 4.5 MB" in printed
    assert set(hub.fetched) <= NEEDED - {"model.safetensors", "tokenizer.json"}
    assert not (tmp_path / "repository").exists()


def missing(hub: Hub) -> str:
    return "nobody/nothing"


def gated(hub: Hub) -> str:
    hub.gated.add(ID)
    return ID


def pickled(hub: Hub) -> str:
    (hub.repositories[ID] / "model.safetensors").unlink()
    return ID


def without_tokenizer(hub: Hub) -> str:
    (hub.repositories[ID] / "tokenizer.json").unlink()
    return ID


def gguf_only(hub: Hub) -> str:
    folder = hub.repositories[ID]
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "model.gguf").touch()
    return ID


def missing_shard(hub: Hub) -> str:
    weights = hub.repositories[ID] / "model.safetensors"
    weights.rename(weights.with_name("model-00001-of-00002.safetensors"))
    weights.with_name("model.safetensors.index.json").write_text("{}")
    return ID


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (gguf_only, "GGUF weights cannot be exported; export the checkpoint"),
        (missing_shard, "'model-00002-of-00002.safetensors' first: download it again"),
        (missing, "the hub has no such repository (if it is private: set HF_TOKEN)"),
        (gated, f"'{ID}' is gated: accept its terms at http"),
        (pickled, "pickled weights are rejected"),
        (without_tokenizer, "has no supported tokenizer"),
    ],
)
def test_unavailable_checkpoint_is_rejected_before_weights_are_downloaded(
    hub: Hub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Hub], str],
    reason: str,
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert run(tmp_path / "repository", model=spoil(hub)) == 1
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("export failed")
    ]
    assert reason in line
    assert not [path for path in hub.fetched if path.endswith((".safetensors", ".bin"))]
    assert nothing_in(tmp_path / "repository")


def test_token_opens_a_gated_repository(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(ID)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    assert run(tmp_path / "repository", "--dry-run") == 0


def test_missing_revision_is_named(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "repository", "--revision", "v9") == 1
    assert f"'{ID}' has no revision 'v9'" in capsys.readouterr().err


def test_broken_download_leaves_nothing_behind_and_is_resumed(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The client would retry five times, a second apart.
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cut = lambda path: 0 if path == "model.safetensors" else None
    assert run(tmp_path / "repository") == 1
    assert "downloading it from the hub failed" in capsys.readouterr().err
    assert nothing_in(tmp_path / "repository")

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    cuts = [1_000_000]
    hub.cut = lambda path: cuts.pop() if cuts and path == "model.safetensors" else None
    assert run(tmp_path / "repository") == 0
    assert hub.ranges == ["bytes=1000000-"]


def test_terminal_shows_the_progress_of_the_download(hub: Hub, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    program = (
        "from triton_embed.export.command_context import quiet_libraries\n"
        "from triton_embed.export.checkpoint import reader, source\n"
        "quiet_libraries(); "
        f"there = source.resolve_source({ID!r}); "
        "there.download(reader.read_checkpoint(there.folder, there.files))"
    )
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, "HF_HUB_OFFLINE": "0"},
        stderr=terminal,
    )
    os.close(terminal)
    printed = b""
    with suppress(OSError):
        while chunk := os.read(master, 4096):
            printed += chunk
    os.close(master)
    assert process.wait() == 0
    assert b"100%" in printed, printed.decode()


def test_preset_hub_id_keeps_its_prompts_under_another_name(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories["intfloat/e5-small-v2"] = hub.repositories[ID]
    flags = ("--dry-run", "--model-id", "mine")
    assert run(tmp_path / "repository", *flags, model="intfloat/e5-small-v2") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "query prompt 'query: '" in printed and "passage prompt 'passage: '" in printed


@pytest.mark.parametrize("end", ["", "/tree/main", f"/tree/{COMMIT}"])
def test_url_of_a_model_is_read_as_its_id(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    url = f"https://huggingface.co/{ID}{end}"
    assert run(tmp_path / "repository", "--dry-run", model=url) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"id {ID} " in printed and f"checkpoint {ID} at {COMMIT}" in printed


def test_adapter_on_the_hub_is_rejected_with_its_base(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (hub.repositories[ID] / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "owner/base"})
    )
    assert run(tmp_path / "repository", "--dry-run") == 1
    assert "is a LoRA adapter of 'owner/base'" in capsys.readouterr().err
