from __future__ import annotations

import pytest

from triton_embed.cli import main
from triton_embed.runtime.options import settings_from_environment
from triton_embed.serve.settings import Settings


def test_ipv6_address_for_triton_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--triton-host", "::1"]) == 2
    assert "Triton cannot bind an IPv6 address like '::1'" in capsys.readouterr().err


def test_served_model_name_is_a_list_of_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIM_SERVED_MODEL_NAME", "a, b/C,a")
    assert settings_from_environment(Settings).served_model_name == ("a", "b/C")
    assert main(["serve", "--served-model-name", "a,---"]) == 2
    assert "'---' is not a model id" in capsys.readouterr().err


def test_ports_are_read_from_the_variables_of_the_nvidia_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NIM_SERVER_PORT", "9000")
    monkeypatch.setenv("NIM_GRPC_API_PORT", "9001")
    monkeypatch.setenv("NIM_TRITON_METRICS_PORT", "9002")
    settings = settings_from_environment(Settings)
    ports = (settings.port, settings.triton_grpc_port, settings.triton_metrics_port)
    assert ports == (9000, 9001, 9002)
