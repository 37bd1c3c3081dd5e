from __future__ import annotations

from triton_embed.contract.image_tokens import ImageTokens


def test_sequence_has_the_ids_around_and_between_its_rows() -> None:
    tokens = ImageTokens(9, before=(1,), between=(2,), after=(3, 4), separator="", feature_size=8)
    assert tokens.sequence(rows=1, columns=2) == [1, 9, 9, 3, 4]
    assert tokens.sequence(rows=3, columns=2) == [1, 9, 9, 2, 9, 9, 2, 9, 9, 3, 4]


def test_count_is_the_length_of_the_sequence() -> None:
    tokens = ImageTokens(9, before=(1,), between=(2, 5), after=(3,), separator="", feature_size=8)
    for rows, columns in ((1, 1), (1, 7), (4, 1), (3, 2)):
        assert tokens.count(rows, columns) == len(tokens.sequence(rows, columns))


def test_tokens_survive_parameters() -> None:
    tokens = ImageTokens(9, before=(), between=(2, 5), after=(3,), separator=" ", feature_size=8)
    assert ImageTokens.from_parameters(tokens.to_parameters()) == tokens
    assert ImageTokens.from_parameters({}) is None
