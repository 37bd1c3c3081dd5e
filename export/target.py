"""What an export is for: ONNX Runtime on a CPU, ONNX Runtime on an NVIDIA GPU, or TensorRT.

`export.attention` has a lowering of the same name for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triton_embed.export.graph.prologue import UNLIMITED, EncoderShape, one_group, sorted_groups
from triton_embed.repository.rendering import StepRuntime

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
        runtime: What executes the encoder in Triton. NIM's default queue delay is for GPUs; on a
            CPU enough requests arrive while an execution runs.
        batch: Most items of an execution if nothing else is asked for, by the greatest length.
        precision: The name of the one that is used if nothing else is asked for.
    """

    name: str
    prologue: Callable[[EncoderShape], str]
    runtime: StepRuntime
    batch: Callable[[int], int] = lambda max_tokens: MAX_BATCH_SIZE
    precision: str = "fp16"


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


GPU_QUEUE_DELAY_MICROSECONDS = 100
"""Default of NVIDIA's NIM."""


def _gpu(backend: str, platform: str = "") -> StepRuntime:
    # Without a GPU Triton refuses KIND_GPU with a clear message.
    return StepRuntime(backend, platform, "KIND_GPU", GPU_QUEUE_DELAY_MICROSECONDS)


TARGETS = {
    target.name: target
    for target in (
        Target("cpu", _cpu, StepRuntime("onnxruntime", "", "KIND_AUTO"), precision="fp32"),
        Target("cuda", _cuda, _gpu("onnxruntime")),
        Target("tensorrt", one_group, _gpu("tensorrt", "tensorrt_plan"), _tensorrt_batch),
    )
}
