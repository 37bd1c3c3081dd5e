"""Other users of the machine cannot administrate Triton; nothing survives a killed supervisor."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tritonclient.utils import InferenceServerException

from testing.server import RunningServer

WORKERS = ("--workers", "2")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""Start of a connection, RFC 9113, section 3.4."""

SETTINGS, HEADERS, DATA = 4, 1, 0
"""Types of frames."""

END_STREAM, END_HEADERS = 1, 4
"""Flags of frames."""


@pytest.fixture(scope="module")
def service(tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(tiny_repository, (*WORKERS, "--host", "127.0.0.1,127.0.0.2")) as running:
        yield running


def command_line(service: RunningServer) -> list[str]:
    (pid,) = service.descendants("bin/tritonserver")
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def memory_prefix(service: RunningServer) -> str:
    (flag,) = (flag for flag in command_line(service) if "shm-region-prefix-name" in flag)
    return flag.rpartition("=")[2]


def test_folder_of_the_admin_socket_and_shared_memory_are_private(service: RunningServer) -> None:
    (flag,) = (flag for flag in command_line(service) if flag.startswith("--http-address=unix:"))
    admin_socket = Path(flag.removeprefix("--http-address=unix:"))
    assert admin_socket.is_socket()
    assert admin_socket.parent.stat().st_mode & 0o077 == 0
    segments = list(Path("/dev/shm").glob(f"{memory_prefix(service)}*"))
    assert segments
    assert [segment for segment in segments if segment.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_each_address_of_the_list_is_served(service: RunningServer, host: str) -> None:
    assert httpx.get(f"http://{host}:{service.port}/v1/health/ready").status_code == 200


def test_administration_over_grpc_is_closed(service: RunningServer) -> None:
    with service.triton() as client:
        for request in (
            client.get_model_repository_index,
            lambda: client.unload_model("tiny"),
            client.get_system_shared_memory_status,
            client.get_log_settings,
        ):
            with pytest.raises(InferenceServerException, match="restricted"):
                request()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes, prefix: int) -> bytes:
    """Return a header field in HPACK: a literal without Huffman coding."""
    return bytes([prefix, len(name)]) + name + bytes([len(value)]) + value


def raw_index_request(port: int, name: str, value: str, prefix: int) -> bytes:
    """Request the index of models with one more header, and return all bytes of the response."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": b"/inference.GRPCInferenceService/RepositoryIndex",
        b":authority": b"localhost",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        f"triton-grpc-protocol-{name}".encode(): value.encode(),
    }
    head = b"".join(literal(*field, prefix) for field in fields.items())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        connection.sendall(
            frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1, b"\0" * 5)
        )
        received = b""
        while b"grpc-status" not in received and (part := connection.recv(65536)):
            received += part
        return received


@pytest.mark.parametrize("prefix", [0x00, 0x40], ids=["not indexed", "indexed"])
def test_header_in_the_process_list_opens_nothing(service: RunningServer, prefix: int) -> None:
    (flag,) = (flag for flag in command_line(service) if "--grpc-restricted-protocol" in flag)
    name, _, value = flag.rpartition(":")[2].partition("=")
    for sent in (name, name.lower()):
        assert b"tiny_encoder" not in raw_index_request(service.grpc_port, sent, value, prefix)
    assert service.model_ids() == {"tiny"}


def test_killed_supervisor_leaves_nothing_that_blocks_the_next_start(
    tiny_repository: Path,
) -> None:
    with RunningServer(tiny_repository, WORKERS) as killed:
        prefix = memory_prefix(killed)
        started = killed.descendants()
        ends = [os.pidfd_open(pid) for pid in started if not is_stub(pid)]
        assert len(ends) >= 4, "Triton, the gateway and two workers"
        killed.stop(signal.SIGKILL)
        for end in ends:
            assert select.select([end], [], [], 60)[0]
            os.close(end)
    ports = {
        "--port": killed.port,
        "--triton-grpc-port": killed.grpc_port,
        "--triton-metrics-port": killed.metrics_port,
        "--status-port": killed.status_port,
    }
    flags = [text for flag, port in ports.items() for text in (flag, str(port))]
    with RunningServer(tiny_repository, flags) as restarted:
        assert left_behind(prefix) == []
        assert [pid for pid in started if is_stub(pid)] == []
        prefix = memory_prefix(restarted)
    assert left_behind(prefix) == []


def is_stub(pid: int) -> bool:
    """Return whether a process is one of Triton's Python steps.

    These end once process 1 has collected Triton, which it may never do in a container.
    """
    try:
        return "triton_python_backend_stub" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def left_behind(prefix: str) -> list[Path]:
    """Return the files of the run whose segments' names start with `prefix`."""
    run_id = prefix.split("_")[2]
    temporary = Path(tempfile.gettempdir()).glob(f"triton-embed-{run_id}*")
    return [*Path("/dev/shm").glob(f"triton_embed_{run_id}*"), *temporary]
