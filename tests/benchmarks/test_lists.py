from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import comparison, lists, overload
from benchmarks.checkouts import THIS
from benchmarks.lists import ListOutcome, ListRequest, ListRun, connect, prepared, report

ACCEPTED = ListOutcome(200, 1.5, 1000)
REJECTED = ListOutcome(503, 0.01, 1000)
RUN = ListRun(alone=0.2, capacity=1000.0, seconds=10.0, outcomes=[ACCEPTED, REJECTED] * 10)


def test_run_counts_the_tokens_of_accepted_requests() -> None:
    assert RUN.share == 1.0
    assert RUN.waits == [1.5] * 10
    assert RUN.bound(target=1.0) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (RUN, True),
        (replace(RUN, capacity=1200.0), False),
        (replace(RUN, alone=0.1), False),
        (replace(RUN, outcomes=[*RUN.outcomes, ListOutcome(500, 0.1, 1000)]), False),
    ],
)
def test_run_meets_the_requirements_on_wait_work_and_status(
    changed: ListRun, expected: bool
) -> None:
    assert changed.meets(target=1.0) is expected
    assert ("ok" if expected else "FAILED") in report(changed, target=1.0)


async def test_client_reads_status_and_body_of_each_response() -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status in (200, 503):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nab" % status)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        (client,) = await connect(f"http://127.0.0.1:{port}", 1)
        request = ListRequest(b"GET / HTTP/1.1\r\n\r\n", tokens=7)
        for status in (200, 503):
            outcome, body = await client.send(request)
            assert (outcome.status, outcome.tokens, body) == (status, 7, b"ab")
        client.close()


def test_prepared_requests_differ() -> None:
    requests = prepared("http://127.0.0.1:8000")
    assert len({request.content for request in requests}) == 16


def test_overload_by_lists_measures_each_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def running(_: object) -> Iterator[list[SimpleNamespace]]:
        yield [
            SimpleNamespace(checkout=THIS, server=SimpleNamespace(url=url))
            for url in ("http://this", "http://other")
        ]

    measured: list[tuple[object, ...]] = []

    def judge(*arguments: object) -> bool:
        measured.append(arguments)
        return arguments[0] == "http://this"

    monkeypatch.setattr(comparison, "running", running)
    monkeypatch.setattr(comparison, "checkouts", lambda _: ())
    monkeypatch.setattr(lists, "judge", judge)
    assert overload.main(["--lists", "--seconds", "25", "--against", "/other"]) == 0
    assert measured == [("http://this", 25.0, 3, 1.0), ("http://other", 25.0, 3, 1.0)]
