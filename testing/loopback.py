"""An HTTP server on loopback with scripted responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ok(body: bytes, *headers: str) -> bytes:
    """Return a complete response."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Return the body of the next request, or nothing after the last one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


class Server:
    """Counts the connections made to it; each has a `conversation`."""

    def __init__(self, conversation: Conversation) -> None:
        self.address = ""
        self.connections = 0
        self._conversation = conversation

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the conversation on one connection."""
        self.connections += 1
        await self._conversation(reader, writer)
        writer.close()


@asynccontextmanager
async def listening(conversation: Conversation) -> AsyncIterator[Server]:
    """Serve connections while in the block."""
    server = Server(conversation)
    # A burst of connections is longer than the default backlog.
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    server.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
