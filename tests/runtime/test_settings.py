from __future__ import annotations

import logging

import pytest

from triton_embed.gateway.settings import Settings as GatewaySettings
from triton_embed.runtime import settings as configuration
from triton_embed.runtime.settings import NIM_VARIABLES, OWN_VARIABLES
from triton_embed.serve.settings import Settings as ServeSettings


def read(arguments: list[str], **environment: str) -> GatewaySettings:
    return configuration.read(
        GatewaySettings,
        program="x",
        description="y",
        arguments=arguments,
        environment=environment,
    )


def test_a_flag_goes_before_the_environment_and_both_before_the_default() -> None:
    assert read([]).port == 8000
    assert read([], NIM_HTTP_API_PORT="9").port == 9
    assert read([], TRITON_EMBED_PORT="8", NIM_HTTP_API_PORT="9").port == 8
    assert read(["--port", "10"], TRITON_EMBED_PORT="8").port == 10
    assert read([], TRITON_EMBED_API_KEYS="a, b,").api_keys == ("a", "b")
    assert read([], NIM_JSONL_LOGGING="1").log_jsonl
    assert not read(["--no-log-jsonl"], NIM_JSONL_LOGGING="1").log_jsonl


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("0.0.0.0:7", "0.0.0.0", 7),
        ("[::1]:7", "::1", 7),
        (":7", "0.0.0.0", 7),
        ("localhost:7", "localhost", 7),
    ],
)
def test_an_address_of_the_nim_sets_host_and_port(address: str, host: str, port: int) -> None:
    settings = read([], NIM_SERVER_BIND_ADDR=address)
    assert (settings.host, settings.port) == (host, port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "fe80::1", "example.org"])
def test_a_host_alone_is_taken_as_it_is(host: str) -> None:
    assert read(["--host", host]).host == host


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--port", "0"], {}, "--port"),
        (["--log-level", "loud"], {}, "--log-level"),
        (["--triton-address", "triton"], {}, "--triton-address"),
        ([], {"NIM_HTTP_API_PORT": "many"}, "NIM_HTTP_API_PORT=many"),
        ([], {"NIM_JSONL_LOGGING": "perhaps"}, "NIM_JSONL_LOGGING=perhaps"),
        ([], {"TRITON_EMBED_API_KEYS": ""}, "TRITON_EMBED_API_KEYS: the list is empty"),
        ([], {"TRITON_EMBED_API_KEYS": "ä"}, "TRITON_EMBED_API_KEYS: keys must be ASCII"),
        (["--api-keys", "geheimnisträger"], {}, "--api-keys"),
        (["--refresh-seconds", "nan"], {}, "--refresh-seconds"),
        (["--max-wait-seconds", "-1"], {}, "--max-wait-seconds"),
        (["--triton-tls", "--triton-tls-key", "k.pem"], {}, "--triton-tls-certificate and"),
        (["--triton-tls-root-certificate", "ca.pem"], {}, "not --triton-tls"),
        (["--tls-key", "key.pem"], {}, "--tls-certificate and --tls-key go together"),
        ([], {"NIM_SERVER_TLS_CERT_PATH": "c.pem"}, "--tls-certificate and --tls-key go together"),
    ],
)
def test_a_bad_value_is_named(
    arguments: list[str],
    environment: dict[str, str],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        read(arguments, **environment)
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--show-config"], {}), ([], {"SHOW_CONFIG": "1"})]
)
def test_the_settings_can_be_shown_without_their_secrets(
    arguments: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(arguments, TRITON_EMBED_API_KEYS="secret", **environment)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "port = 8000  # --port, TRITON_EMBED_PORT, NIM_HTTP_API_PORT" in shown
    assert "secret" not in shown


def test_every_variable_sets_something_and_unknown_ones_are_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = {
        name
        for kind in (GatewaySettings, ServeSettings)
        for item in configuration._settings(kind)
        for name in configuration._variables(item)
    }
    assert used == NIM_VARIABLES | OWN_VARIABLES
    with caplog.at_level(logging.WARNING):
        configuration.log_unknown_variables(
            {
                "NIM_CACHE_PATH": "/x",
                "NIM_LOG_LEVEL": "INFO",
                "TRITON_EMBED_API_KEY": "misspelt",
                "TRITON_EMBED_PORT": "8000",
            }
        )
    assert [record.getMessage() for record in caplog.records] == [
        "ignoring NIM_CACHE_PATH, TRITON_EMBED_API_KEY: unknown to triton-embed"
    ]
