from __future__ import annotations

import threading

from triton_embed.backends.tokenizer.background import MAX_EXECUTION_BYTES, Background, divide


def test_small_requests_are_tokenized_immediately_beside_large_requests() -> None:
    names = ["large", "a", "half", "other half", "b"]
    half = MAX_EXECUTION_BYTES // 2
    now, later = divide(names, [10**6, 10, half, half, 20])
    assert (now, later) == (["a", "half", "b"], ["large", "other half"])


def test_requests_keep_their_order() -> None:
    names = list(range(10))
    assert divide(names, [10 - name for name in names]) == (names, [])


def test_single_request_over_the_limit_is_tokenized_in_the_background() -> None:
    assert divide(["large"], [MAX_EXECUTION_BYTES + 1]) == ([], ["large"])


def test_tasks_run_in_order_in_another_thread() -> None:
    background = Background()
    started, may_end = threading.Event(), threading.Event()
    done: list[int] = []

    def first() -> None:
        started.set()
        may_end.wait()
        done.append(1)

    background.add(first)
    background.add(lambda: done.append(2))
    assert started.wait(60)
    assert not done
    may_end.set()
    background.close()
    assert done == [1, 2]
