from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from testing.paths import ROOT
from triton_embed import cli
from triton_embed.cli import COMMANDS, main

HEAVY = (
    *("fastapi", "grpc", "httpx", "numpy", "onnxruntime", "pyarrow", "pytriton", "torch"),
    *("tritonclient", "uvicorn"),
)
"""Packages that are slow to import, or missing in an installation with another extra."""

LOADED = f"""
import json, sys
from triton_embed.cli import main
status = main(sys.argv[1:])
print(json.dumps([status, sorted(set({HEAVY}).intersection(sys.modules))]))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]


def test_help_has_a_sentence_about_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    described = {line[0]: line[1] for line in lines if len(line) == 2}
    assert all(described[name].endswith(".") for name in COMMANDS)


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"triton-embed {version('triton-embed')}\n"


@pytest.mark.parametrize(
    ("arguments", "named"), [(["sevre"], "sevre"), (["export"], "CHECKPOINT"), (["show"], "MODEL")]
)
def test_wrong_usage_is_an_error(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line and line.endswith(" --help")


@pytest.mark.parametrize(("typed", "meant"), [("sevre", "serve"), ("shwo", "show")])
def test_mistyped_command_is_an_error_with_the_nearest_name(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed]) == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "status"),
    [(KeyboardInterrupt(), 130), (SystemExit(143), 143)],
    ids=["Ctrl-C", "SIGTERM in an export"],
)
def test_command_ended_by_a_signal_reports_that_it_stopped(
    end: BaseException,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def ended() -> None:
        raise end

    monkeypatch.setitem(COMMANDS, "list", cli.LazyCommand("Models", "export", lambda: ended))
    assert main(["list"]) == status
    assert capsys.readouterr().err.strip() == "stopped"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "--model-repository", "."]], ids=" ".join
)
def test_closed_standard_output_ends_a_command_without_a_message(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "triton_embed", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("module", "extra"), [("fastapi.routing", "gateway"), ("opentelemetry.sdk", "otel")]
)
def test_missing_package_is_reported_with_the_extra_to_install(
    module: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def broken() -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    lazy = cli.LazyCommand("Servers", "gateway", lambda: broken)
    monkeypatch.setitem(COMMANDS, "gateway", lazy)
    assert main(["gateway"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"is not installed; run: pip install 'triton-embed[{extra}]'")


def test_shell_completion_is_available() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "triton_embed"],
        cwd=ROOT,
        env={"_TRITON_EMBED_COMPLETE": "bash_complete", "COMP_WORDS": "x ser", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "plain,serve\n"


def test_commands_use_the_same_repository_by_default() -> None:
    defaults = {
        name: next(
            param for param in COMMANDS[name].load().params if param.name == "model_repository"
        )
        for name in ("serve", "export", "list", "show", "verify", "remove")
    }
    values = {(str(param.default), str(param.envvar)) for param in defaults.values()}
    assert values == {("model_repository", "('TRITON_EMBED_MODEL_REPOSITORY',)")}
