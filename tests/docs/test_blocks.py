"""The blocks of README and docs/ run as printed: only ports and folders are those of the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.documents import DOCUMENTS, blocks
from testing.hub import Hub
from testing.ports import free_ports
from testing.server import RunningServer
from testing.snippets import Reader, reader_folder

HUB_IDS = ("BAAI/bge-m3", "intfloat/e5-small-v2")
"""Checkpoints that documents download from the hub; here they are the tiny one."""


@pytest.fixture(scope="module")
def hub(tiny_folder: Path) -> Iterator[Hub]:
    with Hub() as running:
        running.repositories.update(dict.fromkeys(HUB_IDS, tiny_folder))
        yield running


@pytest.fixture
def reader(tmp_path: Path, service: RunningServer, hub: Hub, tiny_folder: Path) -> Reader:
    """A reader whose folder has the checkpoint `my-model` and a repository with MiniLM."""
    folder = reader_folder(tmp_path)
    shutil.copytree(tiny_folder, folder / "my-model")
    shutil.copytree(service.repository, folder / "model_repository", copy_function=os.link)
    http, grpc, metrics, status = free_ports(4)
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "0",
        "TRITON_EMBED_PORT": str(http),
        "TRITON_EMBED_TRITON_GRPC_PORT": str(grpc),
        "TRITON_EMBED_TRITON_METRICS_PORT": str(metrics),
        "TRITON_EMBED_STATUS_PORT": str(status),
    }
    ports = {
        "localhost:8000": f"127.0.0.1:{service.port}",
        "localhost:8001": f"127.0.0.1:{service.grpc_port}",
    }
    return Reader(folder, ports, environment)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_blocks_run_as_printed(path: Path, reader: Reader) -> None:
    for block in blocks(path):
        if not block.not_run and not block.checked_by:
            reader.run(block)
