"""The files in docs/deployment.md: the unit starts a valid command, nginx accepts its file."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from testing.documents import blocks
from testing.paths import ROOT
from triton_embed.runtime.common_settings import CommonSettings

PAGE = ROOT / "docs" / "deployment.md"


def file_of(language: str) -> str:
    (block,) = [block for block in blocks(PAGE) if block.language == language]
    return block.text


@pytest.fixture
def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(file_of("ini"))
    return parser["Service"]


def default(name: str) -> float:
    (field,) = [field for field in fields(CommonSettings) if field.name == name]
    return float(field.default)  # type: ignore[arg-type]


def test_unit_starts_a_command_with_valid_options(unit: configparser.SectionProxy) -> None:
    program, *arguments = unit["ExecStart"].split()
    assert program.endswith("/bin/triton-embed")
    command = [sys.executable, "-m", "triton_embed", *arguments, "--show-config"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "/var/lib/triton-embed/model_repository" in shown.stdout


def test_unit_stops_after_the_requests_in_progress(unit: configparser.SectionProxy) -> None:
    assert float(unit["TimeoutStopSec"]) > 2 * default("drain_seconds")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "triton-embed.service"
    installed = "/opt/triton-embed/current/bin/triton-embed"
    path.write_text(file_of("ini").replace(installed, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
    )
    assert "triton-embed.service" not in done.stderr, done.stderr


@pytest.mark.skipif(
    not shutil.which("nginx") or not shutil.which("openssl"), reason="needs nginx and openssl"
)
def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -out embed.pem -keyout embed.key"
    )
    subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    text = file_of("nginx").replace("/etc/ssl/", f"{tmp_path}/")
    if nginx_version() < (1, 25, 1):
        text = text.replace("    http2 on;\n", "").replace("443 ssl;", "443 ssl http2;")
    path = tmp_path / "nginx.conf"
    path.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}}}\n")
    done = subprocess.run(
        ["nginx", "-t", "-c", path, "-p", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def nginx_version() -> tuple[int, ...]:
    output = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, output.partition("nginx/")[2].split()[0].split(".")))
