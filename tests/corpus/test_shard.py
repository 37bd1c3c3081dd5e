from __future__ import annotations

import pytest

from triton_embed.corpus.shard import Shard, parse_shard, shard_from


def test_shards_include_each_number_once() -> None:
    shards = [parse_shard(f"{index}/3") for index in range(3)]
    assert [[each.includes(number) for each in shards].count(True) for number in range(9)] == [
        1
    ] * 9


@pytest.mark.parametrize("text", ["3/3", "1", "/", "a/b", "-1/2", "0/0"])
def test_malformed_shard_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="must be I/N"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("environment", "index", "count"),
    [
        ({}, 0, 1),
        ({"RANK": "2", "WORLD_SIZE": "4"}, 2, 4),
        ({"RANK": "0", "WORLD_SIZE": "1"}, 0, 1),
        ({"RANK": "2", "SLURM_PROCID": "1", "SLURM_NTASKS": "3"}, 1, 3),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2"}, 1, 2),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "5"}, 3, 5),
    ],
)
def test_shard_is_read_from_variables(environment: dict[str, str], index: int, count: int) -> None:
    found = shard_from(environment)
    assert (found.index, found.count) == (index, count)


def test_shard_counts_from_one_and_names_its_index_and_variables() -> None:
    found = shard_from({"RANK": "2", "WORLD_SIZE": "4"})
    assert str(found) == "shard 3 of 4 (index 2; from RANK, WORLD_SIZE)"
    assert str(Shard(1, 2)) == "shard 2 of 2 (index 1)"


@pytest.mark.parametrize(
    "environment", [{"JOB_COMPLETION_INDEX": "3"}, {"RANK": "4", "WORLD_SIZE": "4"}]
)
def test_unusable_variables_are_an_error_that_names_the_option(
    environment: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match="--shard I/N"):
        shard_from(environment)
