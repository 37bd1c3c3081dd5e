"""The share of a run among several that embed the same files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCES = (
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)
"""Variables with the index and the count, by precedence: of torchrun, Slurm, Slurm's arrays, and
Kubernetes' indexed Jobs. Kubernetes sets the index only; the pod's template must set the count."""


@dataclass(frozen=True)
class Shard:
    """One of `count` runs.

    Attributes:
        index: Its number, from 0.
        count: Number of runs.
        source: The variables that state it; empty: the command line, or none.
    """

    index: int = 0
    count: int = 1
    source: str = ""

    def includes(self, number: int) -> bool:
        """Return whether this run embeds the part with a number."""
        return number % self.count == self.index

    def __str__(self) -> str:
        variables = f"; from {self.source}" if self.source else ""
        return f"shard {self.index + 1} of {self.count} (index {self.index}{variables})"


def parse_shard(text: str) -> Shard:
    """Return the shard ``I/N``.

    Raises:
        ValueError: `text` is not of this form.
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise ValueError(f"must be I/N with I from 0 to N-1, such as 0/4, not '{text}'")
    return Shard(int(index), int(count))


def shard_from(environment: Mapping[str, str]) -> Shard:
    """Return the shard that an orchestrator's variables state; if none does, the whole run.

    Raises:
        ValueError: the variables are incomplete or malformed.
    """
    for names in SOURCES:
        index, count = (environment.get(name) for name in names)
        if index is None:
            continue
        if count is None:
            if names[0] == "JOB_COMPLETION_INDEX":
                raise ValueError(
                    "JOB_COMPLETION_INDEX is set, but not JOB_COMPLETIONS: set it to the number "
                    "of completions of the Job, or use --shard I/N"
                )
            continue
        try:
            found = parse_shard(f"{index}/{count}")
        except ValueError:
            raise ValueError(
                f"{names[0]}={index} and {names[1]}={count} do not state a shard; use --shard I/N"
            ) from None
        return Shard(found.index, found.count, ", ".join(names)) if found.count > 1 else Shard()
    return Shard()
