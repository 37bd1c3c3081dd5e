from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.embedding_api import EmbeddingApi
from triton_embed.corpus import offline
from triton_embed.corpus.errors import ServerGone

Start = Callable[[str], None]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Replaces the server by a Python program."""

    def replace(program: str) -> None:
        command = [sys.executable, "-c", program]
        monkeypatch.setattr(offline, "ending_with_this_process", lambda _: command)

    return replace


def serve(repository: Path) -> str:
    with offline.serving(repository, "a/m") as url:
        return url


def test_server_that_never_serves_the_model_is_an_error(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("import time; time.sleep(600)")
    clock = [0.0]

    def unloaded(url: str) -> bool:
        clock.append(offline.MAX_START_SECONDS + 1)
        return False

    monkeypatch.setattr(offline, "_is_decided", unloaded)
    monkeypatch.setattr("time.monotonic", lambda: clock[-1])
    with pytest.raises(ServerGone, match="has not loaded the model in 900 s"):
        serve(tmp_path)


def test_server_that_ends_is_an_error_with_its_log(start: Start, tmp_path: Path) -> None:
    start("print('no model'); raise SystemExit(1)")
    with pytest.raises(ServerGone, match="ended before it was ready:\nno model"):
        serve(tmp_path)


@pytest.mark.parametrize(("status", "is_decided"), [(200, True), (404, True), (503, False)])
def test_model_that_is_loading_is_waited_for(
    status: int, is_decided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddingApi, "reply", lambda *_: (status, {}, {}))
    with EmbeddingApi().listening() as url:
        assert offline._is_decided(f"{url}/v1/models/a/m") is is_decided


def test_server_that_does_not_listen_is_waited_for() -> None:
    assert not offline._is_decided("http://127.0.0.1:1/v1/models/m")
