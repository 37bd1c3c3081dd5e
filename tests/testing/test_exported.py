from __future__ import annotations

from pathlib import Path

import pytest

from testing import exported, time_limit
from testing.exported import ExportedCheckpoints


class Checkpoints(ExportedCheckpoints):
    """Checkpoints without files."""

    def write(self, name: str, folder: Path) -> None:
        folder.mkdir()

    def flags(self, name: str) -> tuple[str, ...]:
        return ("--matryoshka", "any")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Exports, and restarts of the time limit, in their order."""
    events = []

    def export(arguments: list[str]) -> int:
        command, checkpoint, *flags, _, repository = arguments
        assert (command, flags) == ("export", ["--matryoshka", "any"])
        (Path(repository) / Path(checkpoint).name).mkdir(parents=True)
        events.append(Path(checkpoint).name)
        return 0

    monkeypatch.setattr(exported, "main", export)
    monkeypatch.setattr(time_limit, "restart", lambda: events.append("restart"))
    return events


def test_each_export_has_the_whole_time_limit(tmp_path: Path, events: list[str]) -> None:
    checkpoints = Checkpoints(tmp_path / "exports")
    for name in ("a", "b"):
        assert checkpoints.exported(name) == tmp_path / "exports" / "repository"
    assert events == ["a", "restart", "b", "restart"]


def test_checkpoint_is_exported_once_for_all_processes(tmp_path: Path, events: list[str]) -> None:
    for _ in range(2):
        Checkpoints(tmp_path / "exports").exported("a")
    assert events.count("a") == 1
