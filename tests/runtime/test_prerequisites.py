from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from triton_embed.runtime.commands import CommandError
from triton_embed.runtime.common_settings import HttpAddress, LogSettings
from triton_embed.runtime.prerequisites import check_certificate, check_tracing

Pair = tuple[str, str]


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Pair]:
    """Return a function that makes a certificate and its key."""

    def make(*encryption: str) -> Pair:
        certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
        subject = ("-subj", "/CN=localhost", "-days", "1", "-newkey", "rsa:2048")
        files = ("-keyout", key, "-out", certificate)
        command = ["openssl", "req", "-x509", *subject, *encryption, *files]
        subprocess.run(command, check=True, capture_output=True)
        return certificate, key

    return make


def checked(certificate: str, key: str) -> None:
    check_certificate(HttpAddress(tls_certificate=certificate, tls_key=key))


def test_certificate_with_its_key_is_accepted(pair: Callable[..., Pair]) -> None:
    checked(*pair("-nodes"))
    check_certificate(HttpAddress())


def test_missing_file_is_named_with_its_option(pair: Callable[..., Pair]) -> None:
    certificate, key = pair("-nodes")
    with pytest.raises(CommandError, match=r"--tls-certificate: cannot read 'missing.pem': No"):
        checked("missing.pem", key)
    with pytest.raises(CommandError, match=r"--tls-key: cannot read 'missing.pem': No such"):
        checked(certificate, "missing.pem")


def test_file_that_is_no_certificate_is_rejected(pair: Callable[..., Pair]) -> None:
    _, key = pair("-nodes")
    with pytest.raises(CommandError, match="must be PEM files"):
        checked(key, key)


def test_encrypted_key_is_rejected_without_a_prompt(pair: Callable[..., Pair]) -> None:
    encrypted = pair("-passout", "pass:secret")
    with pytest.raises(CommandError, match="must not be encrypted"):
        checked(*encrypted)


def test_missing_packages_for_traces_are_reported_with_their_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_tracing(LogSettings(otel=True))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_tracing(LogSettings(otel=False))
    with pytest.raises(CommandError, match=r"NIM_ENABLE_OTEL.* pip install 'triton-embed\[otel\]'"):
        check_tracing(LogSettings(otel=True))
