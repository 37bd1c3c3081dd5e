"""A replaced certificate, over real connections."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from triton_embed.gateway.http.certificates import CertificateReloader


class Pair:
    """A certificate and its key.

    Attributes:
        certificate, key: Paths of the files that the server reads.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"

    def replace(self, name: str) -> None:
        """Issue a self-signed certificate for `name`, and put it in place."""
        new = self.certificate.with_suffix(".new"), self.key.with_suffix(".new")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
        command += ["-out", str(new[0]), "-keyout", str(new[1])]
        subprocess.run(command, check=True, capture_output=True)
        os.replace(new[0], self.certificate)
        os.replace(new[1], self.key)

    def context(self) -> ssl.SSLContext:
        """Return a context with the present files."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def reloader(self) -> CertificateReloader:
        """Return a reloader of the files."""
        return CertificateReloader(str(self.certificate), str(self.key), self.context)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    made.replace("first")
    return made


@asynccontextmanager
async def listening(pair: Pair) -> AsyncIterator[int]:
    """Listen with the certificate, and yield the port."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    context = pair.reloader().context
    server = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(
    port: int, name: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


async def presented(port: int, name: str | None = None) -> bytes:
    """Return the certificate that a new connection gets."""
    reader, writer = await connect(port, name)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.write(b"\n")
    await reader.read()
    writer.close()
    return bytes(certificate)


@pytest.mark.parametrize("name", ["", "embed.example.org"])
async def test_new_connection_gets_the_replaced_certificate(pair: Pair, name: str) -> None:
    async with listening(pair) as port:
        assert b"first" in await presented(port, name)
        reader, writer = await connect(port)
        pair.replace("second")
        assert b"second" in await presented(port, name)
        writer.write(b"open\n")
        assert await reader.readline() == b"open\n"
        writer.close()


@pytest.mark.parametrize("broken", ["certificate", "key", "missing", "half"])
async def test_broken_pair_keeps_the_previous_certificate(
    pair: Pair, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(pair) as port:
        if broken == "half":
            pair.certificate.write_bytes(pair.certificate.read_bytes()[:100])
        elif broken == "missing":
            pair.key.unlink()
        else:
            kept = pair.key if broken == "certificate" else pair.certificate
            content = kept.read_bytes()
            pair.replace("second")
            kept.write_bytes(content)
        for _ in range(3):
            assert b"first" in await presented(port)
        (message,) = caplog.messages
        assert str(pair.certificate) in message and "previous certificate" in message
        pair.replace("third")
        assert b"third" in await presented(port)


def test_broken_pair_at_the_start_is_an_error(pair: Pair) -> None:
    pair.key.write_text("")
    with pytest.raises(OSError):
        pair.reloader()
