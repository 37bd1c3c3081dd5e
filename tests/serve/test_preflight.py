from __future__ import annotations

import os
import platform
import sys
import sysconfig
from pathlib import Path

import pytest

from triton_embed.serve import preflight
from triton_embed.serve.errors import ServeError


def test_missing_packages_of_the_gateway_are_reported_with_their_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServeError, match=r"triton-embed\[gateway\]"):
        preflight.check_gateway_packages()


def test_empty_repository_is_rejected_with_the_command_that_fills_it(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match=r"no model in .* triton-embed export .* docker compose"):
        preflight.check_repository(tmp_path)


def test_empty_repository_is_accepted_if_the_server_waits(tmp_path: Path) -> None:
    preflight.check_repository(tmp_path, may_be_empty=True)


def test_unreadable_model_is_rejected_with_the_command_that_opens_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = tmp_path / "model"
    closed.mkdir()
    (tmp_path / ".export-x").mkdir()
    open_paths = (tmp_path, os.F_OK), (tmp_path, os.R_OK | os.X_OK)
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) in open_paths)
    with pytest.raises(ServeError, match=rf"no permission for '{closed}'; run: chmod -R a\+rX"):
        preflight.check_repository(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK)
    with pytest.raises(ServeError, match=rf"no permission for '{tmp_path}'"):
        preflight.check_repository(tmp_path)


def test_too_little_space_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    preflight.check_space(tmp_path, 1, "")
    with pytest.raises(ServeError, match="raise --shm-size"):
        preflight.check_space(tmp_path, 1 << 60, "in a container, raise --shm-size")


def test_missing_libpython_is_rejected_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    preflight.check_libpython()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "version_info", _Version(3, 99))
    with pytest.raises(ServeError, match=r"apt-get install libpython3\.99"):
        preflight.check_libpython()


class _Version:
    def __init__(self, major: int, minor: int) -> None:
        self.major, self.minor = major, minor


def test_old_glibc_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    preflight.check_glibc()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    with pytest.raises(ServeError, match=r"needs glibc 2\.35 .* this machine has glibc 2\.31"):
        preflight.check_glibc()
