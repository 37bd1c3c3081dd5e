from __future__ import annotations

from triton_embed.client.cutting import (
    IMAGE_TOKENS,
    MAX_REQUEST_BYTES,
    MAX_REQUEST_ROWS,
    MAX_REQUEST_TOKENS,
    TokenEstimator,
    cut,
)

IMAGE = "data:image/png;base64," + "A" * 1000


def test_requests_are_cut_by_tokens_with_the_longest_texts_first() -> None:
    texts = ["word " * (index % 50 + 1) for index in range(3000)]
    estimator = TokenEstimator()
    requests = list(cut(texts, estimator))
    lengths = [len(texts[position]) for request in requests for position in request]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(each for request in requests for each in request) == list(range(3000))
    costs = [sum(estimator.tokens(texts[each]) for each in request) for request in requests]
    assert max(costs) <= MAX_REQUEST_TOKENS and len(requests) > 1
    assert min(costs[:-1]) > 0.9 * MAX_REQUEST_TOKENS


def test_requests_are_cut_by_rows() -> None:
    assert [len(each) for each in cut(["a"] * (MAX_REQUEST_ROWS + 1), TokenEstimator())] == [
        MAX_REQUEST_ROWS,
        1,
    ]


def test_requests_with_images_are_cut_by_bytes() -> None:
    image = "data:image/png;base64," + "A" * (MAX_REQUEST_BYTES // 2)
    assert [len(each) for each in cut([image] * 3, TokenEstimator())] == [1, 1, 1]


def test_text_that_is_too_long_is_a_request_of_its_own() -> None:
    texts = ["a", "b" * 10 * MAX_REQUEST_TOKENS, "c"]
    assert list(cut(texts, TokenEstimator())) == [[1], [0, 2]]


def test_estimate_is_at_most_the_limit_of_the_model() -> None:
    assert TokenEstimator(512).tokens("a" * 100_000) == 512


def test_estimate_learns_from_counted_tokens() -> None:
    estimator = TokenEstimator()
    assert estimator.tokens("a" * 400) == 101
    for _ in range(100):
        estimator.learn(["a" * 400], 200)
    assert 199 <= estimator.tokens("a" * 400) <= 201


def test_estimate_does_not_learn_from_texts_that_may_be_truncated_or_images() -> None:
    estimator = TokenEstimator(10)
    estimator.learn(["a" * 1000], 10)
    estimator.learn([IMAGE], 1)
    estimator.learn(["abc"], 0)
    assert estimator.tokens("a" * 16) == 5


def test_image_costs_the_same_however_large_its_file() -> None:
    assert TokenEstimator(10).tokens(IMAGE) == IMAGE_TOKENS + 1
