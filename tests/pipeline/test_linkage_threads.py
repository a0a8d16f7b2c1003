"""A crew shares out work, passes errors on, and leaves the process as it found it, forked or threaded."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from pipeline.linkage import linkage
from pipeline.linkage.threads import Crew, default_threads


def blas_threads() -> list[int]:
    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_piece_is_done_once(threads: int) -> None:
    done: list[int] = []
    with Crew(threads) as crew:
        crew.run(lambda piece, _: done.append(piece), range(100))
    assert sorted(done) == list(range(100))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_error_of_a_piece_comes_out(threads: int) -> None:
    def work(piece: int, thread: int) -> None:
        if piece == 7:
            raise ZeroDivisionError("piece 7")

    with Crew(threads) as crew, pytest.raises(ZeroDivisionError, match="piece 7"):
        crew.run(work, range(20))


def test_crews_side_by_side_leave_blas_with_the_threads_it_had() -> None:
    before = blas_threads()
    barrier = threading.Barrier(2)

    def work(_: int) -> None:
        with Crew(2) as crew:
            barrier.wait()
            crew.run(lambda piece, thread: None, range(3))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert blas_threads() == before


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert default_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "auto")
    assert default_threads() >= 1
    assert Crew(3).threads == 3


def test_two_threads_of_one_process_cluster_at_the_same_time() -> None:
    features = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)
    alone = linkage(features, threads=2)
    with ThreadPoolExecutor(2) as pool:
        for merges in pool.map(lambda _: linkage(features, threads=2), range(4)):
            assert np.array_equal(merges, alone)


def _cluster(seed: int) -> float:
    return float(linkage(np.random.default_rng(seed).normal(size=(700, 8)), threads=2)[-1, 2])


def test_a_child_forked_after_the_parent_clustered_does_so_too() -> None:
    here = [_cluster(seed) for seed in range(2)]
    with multiprocessing.get_context("fork").Pool(2) as children:
        assert children.map_async(_cluster, range(2)).get(timeout=120) == here
