"""Process that decodes images for one instance of the entry.

Decoders of image files are a common target of attacks. A crash, an endless loop or an unlimited
allocation ends this process and fails one image; Triton and its models are not affected.

Parent and worker share a memory file. A request is the length of the image file in it, a uint32 on
standard input. The response on standard output is `RESPONSE`: the number of tiles, which then
replace the image file, or 0 and the length of an error message.
"""

from __future__ import annotations

import mmap
import os
import resource
import struct
import sys
from typing import BinaryIO

from triton_embed.backends.multimodal.tiles import decode
from triton_embed.contract.image_file import ImageFileError
from triton_embed.contract.image_spec import ImageSpec

REQUEST = struct.Struct("<I")
RESPONSE = struct.Struct("<II")

MAX_CPU_SECONDS = 30
"""Maximum CPU time for one image, in seconds; then the kernel kills the worker. The largest
permitted image takes about 5 s."""

MAX_BYTES_PER_PIXEL = 16
"""Maximum memory for decoding, in bytes per pixel of the largest permitted image: 4 each for the
picture, its conversion to RGB and its copy with a background, and a margin."""

BASE_BYTES = 1 << 30
"""Address space of a worker without an image: Python, NumPy and the shared memory."""

NICENESS = 10
"""Priority of a worker. Decoding fills the time in which the cores are free: a thread of a tower
that waits for its core keeps the others of its operation waiting. Workers still get about a tenth
of a core that is fully used."""


def serve(requests: BinaryIO, responses: BinaryIO, memory: mmap.mmap, spec: ImageSpec) -> None:
    """Decode images until `requests` ends."""
    while header := requests.read(REQUEST.size):
        (length,) = REQUEST.unpack(header)
        _limit_cpu()
        try:
            tiles = decode(memory[:length], spec)
            memory[: tiles.nbytes] = tiles.tobytes()
            responses.write(RESPONSE.pack(len(tiles), 0))
        except ImageFileError as error:
            message = str(error).encode()
            memory[: len(message)] = message
            responses.write(RESPONSE.pack(0, len(message)))
        responses.flush()


def _limit_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + MAX_CPU_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def main() -> None:
    """Serve with the memory file and the limits in the arguments."""
    descriptor, max_pixels, parameters = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    spec = ImageSpec.from_parameters(dict(each.split("=", 1) for each in parameters))
    os.nice(NICENESS)
    address_space = BASE_BYTES + MAX_BYTES_PER_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    with mmap.mmap(descriptor, 0) as memory:
        os.close(descriptor)
        serve(sys.stdin.buffer, sys.stdout.buffer, memory, spec)


if __name__ == "__main__":
    main()
