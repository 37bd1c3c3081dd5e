from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from triton_embed.runtime.options import SettingsCommand, settings_from_environment
from triton_embed.runtime.settings import SettingsBase, setting, to_variables
from triton_embed.runtime.values import bearer_keys, tcp_port


@dataclass(frozen=True)
class Example(SettingsBase):
    heading = "Example"

    port: int = setting(8000, "port of it", "NIM_HTTP_API_PORT", parse=tcp_port)
    log_jsonl: bool = setting(False, "log JSON", "NIM_JSONL_LOGGING", "NIM_LOGGING_JSONL")
    tls_key: str | None = setting(None, "key")
    api_keys: tuple[str, ...] = setting((), "keys", parse=bearer_keys, secret=True)

    def __post_init__(self) -> None:
        if self.tls_key == "lonely":
            raise ValueError("--tls-key needs another option")


def run(*arguments: str, **environment: str) -> tuple[Result, list[Example]]:
    """Run a command with the settings `Example`; return them too, if it was called."""
    called: list[Example] = []
    command = SettingsCommand("example", kinds=(Example,), callback=called.append)
    return CliRunner(env=environment).invoke(command, arguments), called


def read(*arguments: str, **environment: str) -> Example:
    result, (settings,) = run(*arguments, **environment)
    assert result.exit_code == 0
    return settings


def test_flag_takes_precedence_over_variables_and_both_over_the_default() -> None:
    assert read().port == 8000
    assert read(NIM_HTTP_API_PORT="9").port == 9
    assert read(TRITON_EMBED_PORT="8", NIM_HTTP_API_PORT="9").port == 8
    assert read(TRITON_EMBED_PORT="", NIM_HTTP_API_PORT="9").port == 9
    assert read("--port", "10", TRITON_EMBED_PORT="8").port == 10
    assert read(TRITON_EMBED_API_KEYS="a, b,").api_keys == ("a", "b")
    assert read(NIM_JSONL_LOGGING="1").log_jsonl
    assert not read("--no-log-jsonl", NIM_JSONL_LOGGING="1").log_jsonl


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--port", "0"], {}, "'--port'"),
        (["--port", "0"], {"NIM_HTTP_API_PORT": "9"}, "'--port'"),
        ([], {"NIM_HTTP_API_PORT": "many"}, "NIM_HTTP_API_PORT=many"),
        ([], {"NIM_JSONL_LOGGING": "perhaps"}, "NIM_JSONL_LOGGING=perhaps"),
        ([], {"TRITON_EMBED_API_KEYS": ""}, "TRITON_EMBED_API_KEYS: the list is empty"),
        ([], {"TRITON_EMBED_API_KEYS": "ä"}, "TRITON_EMBED_API_KEYS: keys must be ASCII"),
        (["--tls-key", "lonely"], {}, "--tls-key needs another option"),
    ],
)
def test_invalid_value_is_named_by_its_flag_or_variable(
    arguments: list[str], environment: dict[str, str], named: str
) -> None:
    result, called = run(*arguments, **environment)
    assert result.exit_code == 2 and not called
    assert named in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--show-config"], {}), ([], {"SHOW_CONFIG": "1"})]
)
def test_show_config_prints_the_source_of_each_value_and_no_secret(
    arguments: list[str], environment: dict[str, str]
) -> None:
    variables = {"TRITON_EMBED_API_KEYS": "secret", "NIM_LOGGING_JSONL": "1"}
    result, called = run("--port", "9", *arguments, **variables, **environment)
    assert result.exit_code == 0 and not called
    assert result.stdout.splitlines() == [
        "port = 9  # flag --port",
        "log_jsonl = True  # variable NIM_LOGGING_JSONL",
        "tls_key = None  # default",
        "api_keys = (set)  # variable TRITON_EMBED_API_KEYS",
    ]


def test_help_lists_variables_and_defaults_below_the_heading() -> None:
    result, _ = run("--help")
    text = " ".join(result.stdout.split())
    assert "Example: --port PORT Port of it. [env var: TRITON_EMBED_PORT, NIM_HTTP" in text
    assert "default: 8000]" in text


def test_settings_of_several_classes_have_one_option_each() -> None:
    @dataclass(frozen=True)
    class Other(Example):
        otel: bool = setting(False, "traces")

    called: list[Any] = []
    command = SettingsCommand(
        "two", kinds=(Example, Other), callback=lambda *settings: called.extend(settings)
    )
    assert CliRunner().invoke(command, ["--port", "9", "--otel"]).exit_code == 0
    assert called == [Example(port=9), Other(port=9, otel=True)]


@pytest.mark.parametrize(
    "settings", [Example(), Example(9, log_jsonl=True, tls_key="k", api_keys=("a", "b"))]
)
def test_child_process_reads_equal_settings_from_variables(
    settings: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIM_HTTP_API_PORT", "7")
    for name, value in to_variables(settings).items():
        monkeypatch.setenv(name, value)
    assert settings_from_environment(Example) == settings


def test_invalid_variable_is_an_error_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_EMBED_PORT", "many")
    with pytest.raises(click.ClickException, match="must be an integer"):
        settings_from_environment(Example)
