"""The targets of an export: ONNX Runtime on a CPU or an NVIDIA GPU, or TensorRT.

This is data only: `towers.attention` has a lowering for each name, `graph.builder` the batching.
"""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.repository.rendering import StepRuntime

UNLIMITED = 2**62
"""Effectively infinite, yet safe to add to in int64."""

MAX_BATCH_SIZE = 256
"""Maximum items per execution unless requested otherwise. A larger batch gains no throughput, as
the encoder computes groups of `Grouping.max_tokens`, but each request waits for its whole batch."""

TENSORRT_MAX_SCORES = 2**26
"""Attention scores of one head that an engine reserves memory for: 256 MiB in float32. An engine is
built for its largest batch, every text of the maximum length."""


@dataclass(frozen=True)
class Grouping:
    """The limits of one group of items that the encoder computes at a time.

    Attributes:
        max_tokens: Maximum items × longest item of a group; a longer item forms its own group.
        max_padding_scores: Maximum attention scores that a group may spend on padding, for each
            element of the hidden size.
        multiple: The longest item of a group is rounded up to a multiple of this length.
    """

    max_tokens: int
    max_padding_scores: int = UNLIMITED
    multiple: int = 1

    def max_padding(self, hidden_size: int) -> int:
        """Return the maximum attention scores that a group may spend on padding."""
        return min(self.max_padding_scores * hidden_size, UNLIMITED)


CPU_GROUPING = Grouping(max_tokens=1024, max_padding_scores=16)
"""1024 tokens were fastest with MiniLM on 2 cores. Starting another group costs about as much as
16 tokens; with MiniLM on 2 cores that is the cost of 16 × 384 scores. The wider the layers, the
cheaper a wasted score is compared with a token, hence the factor of the hidden size."""

CUDA_GROUPING = Grouping(max_tokens=16384, multiple=8)
"""An estimate, not measured: 16384 tokens occupy a GPU, and bound the memory when one long text
meets many short ones. Packed attention computes no padding. ONNX Runtime's memory-efficient
attention kernel accepts a bias on the scores only if the longest length is divisible by 8."""


@dataclass(frozen=True)
class Target:
    """One value of ``--target``.

    Attributes:
        name: The value itself.
        runtime: The way Triton executes the encoder.
        grouping: Limits of a group; ``None``: the whole batch is one group.
        default_precision: Name of the precision unless requested otherwise.
    """

    name: str
    runtime: StepRuntime
    grouping: Grouping | None
    default_precision: str = "fp16"

    def default_batch_size(self, max_tokens: int) -> int:
        """Return the maximum items per execution for a model of `max_tokens`."""
        if self.grouping:
            return MAX_BATCH_SIZE
        return max(1, min(MAX_BATCH_SIZE, TENSORRT_MAX_SCORES // max_tokens**2))


GPU_QUEUE_DELAY_MICROSECONDS = 100
"""Time that an encoder on a GPU waits for more requests: the default of NVIDIA's NIM. On a CPU
enough requests arrive while an execution runs."""


def _gpu(backend: str, platform: str = "") -> StepRuntime:
    # Without a GPU Triton rejects KIND_GPU with a clear message.
    return StepRuntime(backend, platform, "KIND_GPU", GPU_QUEUE_DELAY_MICROSECONDS)


TARGETS = {
    target.name: target
    for target in (
        Target(
            "cpu",
            StepRuntime("onnxruntime", instance_kind="KIND_AUTO"),
            CPU_GROUPING,
            default_precision="fp32",
        ),
        Target("cuda", _gpu("onnxruntime"), CUDA_GROUPING),
        # TensorRT's loops cannot collect results of different sizes.
        Target("tensorrt", _gpu("tensorrt", "tensorrt_plan"), grouping=None),
    )
}
"""By name."""
