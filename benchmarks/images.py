"""Measure a model that takes images: damaged files, images a second, and texts beside images."""

from __future__ import annotations

import argparse
import base64
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter

import httpx
import numpy as np
import onnxruntime
import torch
from transformers import AutoModel

from benchmarks import comparison, fused_images
from benchmarks.checkouts import THIS, Checkout
from benchmarks.image_rates import CLIENTS, ROUNDS, bodies, print_rates, sending
from benchmarks.server import conditions
from testing.image_checkpoints import VIT_B_32, clip_checkpoint
from testing.images import data_url, encoded, picture
from testing.server import RunningServer
from triton_embed.backends.multimodal.tiles import decode
from triton_embed.contract import pipelines, tensors
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.repository import layout
from triton_embed.runtime.processes import tree_rss_bytes

MODEL = "clip"

IMAGES_PER_REQUEST = 8

TEXTS = 200
"""Short requests in a closed loop, enough for a p95."""

ALONE = "tower in ONNX Runtime"

THROUGHPUT = ("--performance-mode", "throughput", "--max-queue-seconds", "60")

PARTS = ("rates", "texts", "damaged", "fused")

SPEC = ImageSpec(224, Resize.CROP, shortest_edge=224)


@contextmanager
def running(checkouts: Sequence[Checkout] = (THIS,)) -> Iterator[tuple[list[RunningServer], Path]]:
    """Serve a CLIP of the size of clip-vit-base-patch32, with random weights.

    Yields:
        The service of each checkout, and the model's checkpoint.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="triton-embed-benchmark-")))
        checkpoint = clip_checkpoint(folder / "checkpoint", VIT_B_32)
        services = []
        for index, checkout in enumerate(checkouts):
            repository = folder / f"repository-{index}"
            checkout.export(checkpoint, repository, MODEL)
            service = RunningServer(
                repository,
                environment={"TRITON_EMBED_MAX_QUEUE_SECONDS": "60"},
                program=(str(checkout.python), *checkout.serving),
                folder=checkout.folder,
            )
            services.append(stack.enter_context(service))
        yield services, checkpoint


def photographs(count: int) -> list[bytes]:
    """Return JPEG files of photograph size."""
    return [encoded(picture(640, 480, seed), "JPEG", quality=90) for seed in range(count)]


def damaged(count: int) -> Iterator[str]:
    """Yield data URLs of damaged image files, and damaged data URLs."""
    random = np.random.default_rng(0)
    files = [encoded(picture(60, 40, seed), name) for seed in range(8) for name in ("PNG", "JPEG")]
    for index in range(count):
        data = bytearray(files[index % len(files)])
        for place in random.integers(0, len(data), 1 + index % 9):
            data[place] = random.integers(0, 256)
        if index % 5 == 0:
            data = data[: random.integers(0, len(data))]
        url = bytearray(f"data:image/png;base64,{base64.b64encode(data).decode()}".encode())
        if index % 7 == 0:
            url[random.integers(0, len(url))] = random.integers(33, 127)
        yield url.decode()


def fuzz(service: RunningServer, count: int) -> bool:
    """Send damaged images; print the statuses and the memory, and return whether both are fine."""
    before = tree_rss_bytes(service.process.pid)
    peak = before
    statuses: Counter[int] = Counter()
    with httpx.Client(timeout=300) as client, ThreadPoolExecutor(CLIENTS) as pool:

        def send(url: str) -> int:
            body = {"model": MODEL, "input": [url]}
            return client.post(f"{service.url}/v1/embeddings", json=body).status_code

        for index, status in enumerate(pool.map(send, damaged(count))):
            statuses[status] += 1
            if index % 250 == 0:
                peak = max(peak, tree_rss_bytes(service.process.pid))
    after = tree_rss_bytes(service.process.pid)
    print(
        f"{count} damaged images: {dict(statuses)}; memory {before >> 20} MiB before, "
        f"{peak >> 20} at most, {after >> 20} after"
    )
    return all(status == 200 or 400 <= status < 500 for status in statuses)


def texts_beside_images(service: RunningServer) -> float:
    """Print and return the p95 of a text beside images at saturation, in p95 on the idle server."""
    urls = [data_url(data, "jpeg") for data in photographs(IMAGES_PER_REQUEST)]
    idle = _p95(service)
    over = Event()
    with httpx.Client(timeout=300) as client, ThreadPoolExecutor(CLIENTS) as pool:

        def send() -> None:
            while not over.is_set():
                body = {"model": MODEL, "input": urls}
                client.post(f"{service.url}/v1/embeddings", json=body).raise_for_status()

        senders = [pool.submit(send) for _ in range(CLIENTS)]
        beside = _p95(service)
        over.set()
        for sender in senders:
            sender.result()
    print(f"text: p95 {1000 * idle:.1f} ms idle, {1000 * beside:.1f} ms beside images")
    return beside / idle


def _p95(service: RunningServer) -> float:
    seconds = []
    with httpx.Client(timeout=300) as client:
        for _ in range(TEXTS):
            start = perf_counter()
            body = {"model": MODEL, "input": "a photo of a cat"}
            client.post(f"{service.url}/v1/embeddings", json=body).raise_for_status()
            seconds.append(perf_counter() - start)
    return float(np.percentile(seconds, 95))


def images_per_second(
    services: Mapping[str, RunningServer], checkpoint: Path, count: int, rounds: int
) -> None:
    """Print images a second over HTTP, of the tower alone, and of transformers in PyTorch.

    Args:
        services: The services by name, all with the same model.
        checkpoint: The model's checkpoint.
        count: Images in a round.
        rounds: Number of rounds.
    """
    files = photographs(count)
    urls = [data_url(data, "jpeg") for data in files]
    requests = bodies(MODEL, urls, IMAGES_PER_REQUEST)
    tiles = np.concatenate([decode(data, SPEC) for data in files])
    batches = np.split(tiles, range(IMAGES_PER_REQUEST, count, IMAGES_PER_REQUEST))
    repository = next(iter(services.values())).repository
    path = layout.step_file(repository, MODEL, pipelines.VISION)
    session = onnxruntime.InferenceSession(str(path))
    model = AutoModel.from_pretrained(checkpoint).eval()

    def alone() -> None:
        for batch in batches:
            session.run([tensors.EMBEDDINGS], {tensors.PIXELS: batch})

    def in_pytorch() -> None:
        with torch.no_grad():
            for batch in batches:
                pixels = torch.from_numpy(batch).float() / 127.5 - 1
                model.get_image_features(pixel_values=pixels)

    systems: dict[str, Callable[[], None]] = {ALONE: alone, "tower in PyTorch": in_pytorch}
    with sending() as send:
        for name, service in services.items():
            systems[name] = partial(send, service.url, requests)
        ratios = [(name, ALONE) for name in systems if name != ALONE]
        print_rates(systems, ratios, count, rounds)


def measure_two_towers(options: argparse.Namespace) -> bool:
    """Measure a CLIP; return whether damaged images have left the server unharmed."""
    with ExitStack() as stack:
        found = running(comparison.checkouts(options.against))
        services, checkpoint = stack.enter_context(found)
        if "rates" in options.only:
            named = dict(zip(("HTTP", "HTTP, other checkout"), services, strict=False))
            with RunningServer(services[0].repository, THROUGHPUT) as service:
                named["HTTP, throughput mode"] = service
                images_per_second(named, checkpoint, options.images, options.rounds)
        if "texts" in options.only:
            for service in services:
                print(f"ratio {texts_beside_images(service):.1f}")
        return "damaged" not in options.only or fuzz(services[0], options.damaged)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 1 if a damaged image has harmed the server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("--damaged", type=int, default=5000, help="damaged images")
    parser.add_argument("--images", type=int, default=64, help="images in a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each comparison")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts of the benchmark"
    )
    comparison.add_flag(parser)
    options = parser.parse_args(arguments)
    print(conditions(), end="\n\n")
    is_unharmed = set(options.only) == {"fused"} or measure_two_towers(options)
    if "fused" in options.only:
        fused_images.measure(options.rounds)
    return 0 if is_unharmed else 1


if __name__ == "__main__":
    sys.exit(main())
