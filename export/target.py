"""What an export is for: ONNX Runtime on a CPU, ONNX Runtime on an NVIDIA GPU, or TensorRT.

`export.attention` has a lowering of the same name for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triton_embed.export.graph.prologue import UNLIMITED, EncoderShape, one_group, sorted_groups

CPU_GROUP_TOKENS = 1024
"""Items × longest of what the encoder sees at a time; a longer item goes alone. 1024 was fastest
with MiniLM on 2 cores."""

CPU_PADDING_SCORES = 16
"""Attention scores that a group may waste on padding, for each element of the hidden size.

Another group costs about as much as 16 tokens. With MiniLM on 2 cores that is what 16 × 384 wasted
scores cost, and a wasted score weighs the less against a token the wider the layers are.
"""

CUDA_GROUP_TOKENS = 16384
"""A GPU is busy with this many, and memory stays bounded when one long text meets many short ones.
Not measured."""

CUDA_MULTIPLE = 8
"""The memory-efficient kernel takes a bias on the scores only if the longest length divides."""

MAX_BATCH_SIZE = 256

TENSORRT_SCORES = 2**26
"""Attention scores of one head that an engine has room for: it reserves memory for the largest
batch that it is built for, every text of the greatest length."""


@dataclass(frozen=True)
class Target:
    """One value of ``--target``.

    Attributes:
        name: That value.
        prologue: Returns the ONNX text in front of the encoder.
        backend: Triton's backend.
        kind: Triton's kind of instances.
        batch: Most items of an execution if nothing else is asked for, by the greatest length.
        platform: Triton's platform, where the backend does not say enough.
        precision: The name of the one that is used if nothing else is asked for.
        queue_delay_microseconds: How long an encoder waits for more requests. NIM's default is
            for GPUs; on a CPU enough requests come while an execution runs.
    """

    name: str
    prologue: Callable[[EncoderShape], str]
    backend: str
    kind: str
    batch: Callable[[int], int] = lambda max_tokens: MAX_BATCH_SIZE
    platform: str = ""
    precision: str = "fp16"
    queue_delay_microseconds: int = 100


def _cpu(limits: EncoderShape) -> str:
    """On CPU several small groups are faster than a large one, and padding is dear."""
    return sorted_groups(
        limits,
        most_tokens=CPU_GROUP_TOKENS,
        most_padding=CPU_PADDING_SCORES * limits.hidden_size,
    )


def _cuda(limits: EncoderShape) -> str:
    """On a GPU groups are as large as memory allows; packed attention computes no padding."""
    return sorted_groups(
        limits, most_tokens=CUDA_GROUP_TOKENS, most_padding=UNLIMITED, multiple=CUDA_MULTIPLE
    )


def _tensorrt_batch(max_tokens: int) -> int:
    return max(1, min(MAX_BATCH_SIZE, TENSORRT_SCORES // max_tokens**2))


TARGETS = {
    target.name: target
    for target in (
        Target(
            *("cpu", _cpu, "onnxruntime", "KIND_AUTO"), precision="fp32", queue_delay_microseconds=0
        ),
        # Without a GPU Triton refuses KIND_GPU with a clear message.
        Target("cuda", _cuda, "onnxruntime", "KIND_GPU"),
        Target("tensorrt", one_group, "tensorrt", "KIND_GPU", _tensorrt_batch, "tensorrt_plan"),
    )
}
