"""Latency of one text, on an idle server and beside long lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from time import perf_counter, sleep

from benchmarks import comparison
from benchmarks.clients import Embed, base64_client
from benchmarks.closed_loop import seconds_of
from benchmarks.comparison import Experiment, Quantity, Side
from benchmarks.rounds import Measurement
from benchmarks.server import MODEL_ID
from benchmarks.texts import text_sets

REQUESTS = 40
"""Requests of one measurement, in a row."""

WARM_REQUESTS = 10
"""First requests of a measurement, not counted: threads of the previous system may still spin."""

LIST_TEXTS = 128
"""Texts of each list: seconds of work on few cores."""

LIST_SECONDS = 3.0
"""Seconds of lists; the last text and the last list may end later."""

PAUSE_SECONDS = 0.05
"""Pause in seconds between two texts beside lists, so that they arrive at any moment and do not
compete with them."""

ONE_TEXT = Quantity("one short text, ms", digits=2, by_difference=True)


def alone(connect: Callable[[], Embed], text: str) -> Measurement:
    """Send one text at a time to an idle server, over a connection from `connect`."""
    embed = connect()
    seconds = [seconds_of(partial(embed, [text])) for _ in range(REQUESTS)]
    return Measurement(seconds[WARM_REQUESTS:])


def beside_lists(
    connect: Callable[[], Embed], text: str, texts: Sequence[str], seconds: float = LIST_SECONDS
) -> Measurement:
    """Send one text at a time while another client sends one list after the other.

    Args:
        connect: Creates a client.
        text: The single text.
        texts: Texts of the lists, used repeatedly.
        seconds: Duration.
    """
    embed, embed_list = connect(), connect()
    many = [texts[index % len(texts)] for index in range(LIST_TEXTS)]
    embed([text])
    latencies: list[float] = []
    stopped = Event()

    def send_lists() -> None:
        while not stopped.is_set():
            embed_list(many)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_lists)
        end = perf_counter() + seconds
        try:
            while perf_counter() < end and not sending.done():
                sleep(PAUSE_SECONDS)
                latencies.append(seconds_of(lambda: embed([text])))
        finally:
            stopped.set()
        sending.result()
    return Measurement(latencies)


def measure(side: Side) -> Mapping[Quantity, float]:
    """Measure one short text over HTTP on an idle server."""
    (text,) = text_sets(1, 1, 1)["short"]
    found = alone(partial(base64_client, side.server.url, MODEL_ID), text)
    return {ONE_TEXT: 1000 / found.speed}


EXPERIMENTS = (Experiment(measure, 0.15),)


if __name__ == "__main__":
    comparison.command("latency", __doc__, EXPERIMENTS)
