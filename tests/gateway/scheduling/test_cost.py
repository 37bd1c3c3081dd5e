"""Estimated tokens of texts."""

from __future__ import annotations

import numpy as np
import pytest

from testing.jobs import MODEL, make_job
from triton_embed.contract.options import Modality, Options
from triton_embed.gateway.scheduling.cost import (
    DISCARDED_BYTES_PER_TOKEN,
    FIRST_BYTES_PER_TOKEN,
    PIXELS_PER_TOKEN,
    TokenEstimator,
)
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob, Input

MAX_TOKENS = 512
UNTRUNCATED = 7
"""Tokens of a text that the model of `make_job` (8 tokens) does not truncate."""


def counted(*tokens: int) -> EmbeddingBatch:
    return EmbeddingBatch(np.zeros((len(tokens), 1), np.float32), np.array(tokens, np.int32))


def test_estimate_before_any_response_is_four_bytes_per_token() -> None:
    assert TokenEstimator().text(400, MAX_TOKENS) == 400 / FIRST_BYTES_PER_TOKEN


def test_estimate_follows_the_token_counts_of_responses() -> None:
    estimator = TokenEstimator()
    for _ in range(100):
        estimator.learn(make_job(*[b"x" * 14] * 200), [counted(*[UNTRUNCATED] * 100)] * 2)
    assert estimator.text(400, MAX_TOKENS) == pytest.approx(200, rel=0.02)


def test_image_costs_its_tokens_and_its_decoding() -> None:
    estimator = TokenEstimator()
    assert estimator.image(50, 1) == 51
    assert estimator.image(50, 10 * PIXELS_PER_TOKEN) == 60


def test_image_does_not_change_the_estimate() -> None:
    estimator = TokenEstimator()
    image = Input(Modality.IMAGE, b"x" * 10**5, 50)
    estimator.learn(EmbedJob(MODEL, [image], Options()), [counted(2)])
    assert estimator.bytes_per_token == FIRST_BYTES_PER_TOKEN


def test_truncated_text_does_not_change_the_estimate() -> None:
    estimator = TokenEstimator()
    estimator.learn(make_job(b"x" * 10**6), [counted(8)])
    assert estimator.bytes_per_token == FIRST_BYTES_PER_TOKEN


def test_token_ids_do_not_change_the_estimate() -> None:
    estimator = TokenEstimator()
    estimator.learn(make_job(b"x" * 10**6, options=Options(token_ids=True)), [counted(1)])
    assert estimator.bytes_per_token == FIRST_BYTES_PER_TOKEN


def test_estimate_has_at_most_one_token_per_byte() -> None:
    estimator = TokenEstimator()
    estimator.learn(make_job(*[b"x"] * 10**4), [counted(*[UNTRUNCATED] * 10**4)])
    assert estimator.text(400, MAX_TOKENS) == 400


def test_text_of_a_single_endless_word_teaches_little() -> None:
    estimator = TokenEstimator()
    estimator.learn(make_job(b" " * 10**7), [counted(2)])
    assert estimator.text(2000, MAX_TOKENS) > 400


def test_text_beyond_the_limit_costs_its_tokenization() -> None:
    limit = MAX_TOKENS * FIRST_BYTES_PER_TOKEN
    cost = TokenEstimator().text(int(limit) + 10 * DISCARDED_BYTES_PER_TOKEN, MAX_TOKENS)
    assert cost == MAX_TOKENS + 10
