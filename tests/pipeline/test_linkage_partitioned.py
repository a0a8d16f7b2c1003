"""A tree in blocks is a whole tree, the same each time, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.dendrogram import Dendrogram
from pipeline.linkage import METHODS, InvalidFeatures, linkage, memory
from pipeline.linkage.memory import available_memory, exact_limit, turn
from pipeline.linkage.partition import OtherPartition, Partition, open_partition, partition
from pipeline.linkage.partitioned import (
    BucketMissing,
    cluster_bucket,
    cluster_if_pending,
    linkage_of_partition,
    partitioned_linkage,
)
from pipeline.linkage.threads import Crew
from pipeline.progress import StopRequested
from pipeline.rows import NpyRows, Shards


def groups(
    n: int, kinds: int, *, seed: int = 0, apart: float = 50.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points around some far apart places, and which place each is at."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, kinds, n)
    return (apart * rng.normal(size=(kinds, 8))[kind] + rng.normal(size=(n, 8))).astype(np.float32), kind


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 400),
    kinds=st.integers(1, 30),
    block=st.integers(2, 60),
    method=st.sampled_from(list(METHODS)),
    scored=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_blocks_of_any_size_make_one_tree_of_rising_heights(
    n: int, kinds: int, block: int, method: str, scored: bool, seed: int
) -> None:
    features, _ = groups(n, kinds, seed=seed)
    scores = np.random.default_rng(seed).random(n)
    merges = partitioned_linkage(
        features, scores if scored else None, method=method, seed=seed, block=block, threads=1
    )
    assert Dendrogram.from_linkage(merges, scores).n == n
    assert np.all(np.diff(merges[:, 2]) >= 0)
    assert n == 1 or merges[-1, 3] == n


@pytest.mark.parametrize("method", METHODS)
def test_what_fits_one_block_is_the_exact_tree(method: str) -> None:
    features, _ = groups(800, 9)
    scores = np.random.default_rng(1).random(800)
    blocked = linkage(features, scores, method=method, exact_up_to=10)
    exact = linkage(features, scores, method=method, exact_up_to=1000)
    assert np.array_equal(blocked[:, [0, 1, 3]], exact[:, [0, 1, 3]])
    assert np.allclose(blocked[:, 2], exact[:, 2], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_groups_far_apart_are_clusters_of_the_tree(method: str) -> None:
    features, kind = groups(3000, 12)
    merges = partitioned_linkage(features, None, method=method, seed=0, block=300)
    tree = Dendrogram.from_linkage(merges, np.ones(3000))
    found = {frozenset(tree.order[lo:hi].tolist()) for lo, hi in zip(tree.lo, tree.hi, strict=True)}
    assert all(frozenset(np.flatnonzero(kind == k).tolist()) in found for k in range(12))


def test_masks_that_are_all_the_same_are_many_buckets_and_one_point() -> None:
    merges = partitioned_linkage(np.ones((1500, 3)), None, method="complete", seed=0, block=8)
    assert np.all(merges[:, 2] == 0)
    assert Dendrogram.from_linkage(merges, np.ones(1500)).n == 1500


def test_a_bucket_of_most_masks_is_sorted_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(4000, 4)), 1e3 * rng.normal(size=(400, 4))])
    found = partition(features, None, folder=tmp_path, method="complete", seed=0, block=16)
    assert found.counts.max() <= 32 * 16
    rows = np.concatenate([found.load(bucket)[0] for bucket in found.filled])
    assert np.array_equal(np.sort(rows), np.arange(4400))
    for bucket in found.filled:
        rows, held = found.load(bucket)
        assert np.array_equal(held.vectors, found.frame.points(features[rows], None).vectors)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_shards_on_disk_give_the_tree_of_the_array(dtype: type[np.floating], tmp_path: Path) -> None:
    features = groups(900, 5)[0].astype(dtype)
    for place, part in enumerate(np.split(features, [100, 101, 640])):
        np.save(tmp_path / f"{place}.npy", part)
    shards = Shards([NpyRows(tmp_path / f"{place}.npy") for place in range(4)])
    arguments = {"method": "complete", "seed": 3, "block": 100}
    for scores in (None, np.random.default_rng(0).random(900)):
        from_disk = partitioned_linkage(shards, scores, **arguments)
        assert np.array_equal(from_disk, partitioned_linkage(features, scores, **arguments))


def test_neither_threads_nor_a_second_time_change_the_tree() -> None:
    features, scores = groups(2000, 20)[0], np.random.default_rng(0).random(2000)
    trees = [
        partitioned_linkage(features, scores, method="complete", seed=5, block=50, threads=threads)
        for threads in (1, 3, 3)
    ]
    assert np.array_equal(trees[0], trees[1])
    assert np.array_equal(trees[1], trees[2])


def test_it_goes_on_after_the_buckets_that_were_done(tmp_path: Path) -> None:
    features, scores = groups(2000, 20)[0], np.random.default_rng(0).random(2000)
    arguments = {"method": "complete", "seed": 5, "block": 50, "folder": tmp_path}

    def stop_half_way(done: int, total: int, message: str = "") -> None:
        if message.startswith("Clustering") and done > total / 2:
            raise StopRequested

    with pytest.raises(StopRequested):
        partitioned_linkage(features, scores, progress=stop_half_way, threads=2, **arguments)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "trees").iterdir()}
    assert 0 < len(written) < len(open_partition(tmp_path).filled)
    reported: list[int] = []
    merges = partitioned_linkage(
        features, scores, progress=lambda done, total, message="": reported.append(done), **arguments
    )
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert min(reported) > 1000
    assert max(reported) == 2000
    del arguments["folder"]
    assert np.array_equal(merges, partitioned_linkage(features, scores, **arguments))


def test_a_pass_that_was_cut_short_starts_over(tmp_path: Path) -> None:
    features, _ = groups(2000, 20)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "0").write_bytes(b"left behind")
    found = partition(features, None, folder=tmp_path, method="complete", seed=0, block=50)
    assert found.n == 2000
    assert len(np.concatenate([found.load(bucket)[0] for bucket in found.filled])) == 2000


def test_buckets_are_pieces_of_work_of_their_own(tmp_path: Path) -> None:
    features, scores = groups(2000, 20)[0], np.random.default_rng(0).random(2000)
    partition(features, scores, folder=tmp_path, method="ward", seed=1, block=50)
    for bucket in reversed(open_partition(tmp_path).pending):
        cluster_bucket(open_partition(tmp_path), bucket)
        cluster_bucket(open_partition(tmp_path), bucket)
    with Crew(1) as crew:
        merges = linkage_of_partition(open_partition(tmp_path), crew=crew)
    assert np.array_equal(merges, partitioned_linkage(features, scores, method="ward", seed=1, block=50))
    assert not list(tmp_path.rglob("*.tmp"))


def test_buckets_that_others_did_meanwhile_are_not_done_again(tmp_path: Path) -> None:
    features, scores = groups(2000, 20)[0], np.random.default_rng(0).random(2000)
    written: dict[Path, int] = {}

    def others(folder: Path, buckets: Sequence[int]) -> None:
        assert [open_partition(folder).counts[bucket] for bucket in buckets] == sorted(
            open_partition(folder).counts[buckets]
        )
        assert all(cluster_if_pending(folder, bucket) for bucket in buckets[:5])
        assert not cluster_if_pending(folder, buckets[0])
        written.update({path: path.stat().st_mtime_ns for path in (folder / "trees").iterdir()})

    arguments = {"method": "complete", "seed": 5, "block": 50}
    merges = partitioned_linkage(features, scores, folder=tmp_path, share=others, **arguments)
    assert len(written) == 5
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert np.array_equal(merges, partitioned_linkage(features, scores, **arguments))


def test_who_comes_to_help_when_all_is_over_has_nothing_to_do(tmp_path: Path) -> None:
    assert not cluster_if_pending(tmp_path / "cleared away", 3)


def test_a_bucket_whose_files_are_lost_is_no_bucket_that_is_over(tmp_path: Path) -> None:
    found = partition(groups(2000, 20)[0], None, folder=tmp_path, method="complete", seed=0, block=50)
    lost = found.pending[0]
    found.buckets.drop(lost)
    with pytest.raises(FileNotFoundError):
        cluster_if_pending(tmp_path, lost)


def test_what_is_done_for_a_partition_that_was_made_anew_is_no_tree_of_the_new_one(tmp_path: Path) -> None:
    arguments = {"method": "complete", "seed": 0, "block": 50, "folder": tmp_path}
    features, _ = groups(2000, 20)
    late = partition(features, None, **arguments)
    bucket = late.pending[0]
    held = late.load(bucket)
    (tmp_path / "partition.npz").unlink()
    anew = partition(features + 1, None, **arguments)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Partition, "load", lambda *_: held)
        cluster_bucket(late, bucket)
    assert late.tree(bucket).exists()
    assert bucket in anew.pending


def test_a_tree_is_not_put_together_before_all_buckets_are_done(tmp_path: Path) -> None:
    found = partition(groups(2000, 20)[0], None, folder=tmp_path, method="complete", seed=0, block=50)
    with Crew(1) as crew, pytest.raises(BucketMissing, match="not clustered yet"):
        linkage_of_partition(found, crew=crew)


def test_a_folder_of_other_masks_is_refused(tmp_path: Path) -> None:
    features, _ = groups(500, 3)
    arguments = {"seed": 0, "block": 50, "folder": tmp_path}
    partition(features, None, method="complete", **arguments)
    with pytest.raises(OtherPartition, match="another method"):
        partition(features, None, method="ward", **arguments)
    with pytest.raises(OtherPartition, match="another shape, sample"):
        partition(features[1:], None, method="complete", **arguments)
    with pytest.raises(OtherPartition, match="another sample"):
        partition(features, np.ones(500), method="complete", **arguments)


@pytest.mark.parametrize("sampled", [True, False])
def test_rows_that_are_no_numbers_are_refused_by_their_place(
    sampled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sampled:
        monkeypatch.setattr("pipeline.linkage.partition._SAMPLE", 20)
    features, _ = groups(500, 3)
    features[[77, 300], 1] = np.nan
    with pytest.raises(InvalidFeatures, match=r"rows of the features hold NaN or infinity: 77, 300\."):
        linkage(features, exact_up_to=10, folder=tmp_path, seed=8)


def test_how_many_masks_are_exact_follows_the_memory() -> None:
    assert available_memory() > 1 << 20
    assert exact_limit(dimensions=512) < exact_limit(dimensions=512, memory=1 << 45)
    n = exact_limit(dimensions=512, memory=20 << 30)
    assert n >= 90_000
    assert 2 * n**2 + n * (8 * 512 + 1024) <= 20 << 30


def test_large_trees_take_turns_with_the_memory_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SMALL", 50)
    monkeypatch.setattr(memory, "_LOOK_AGAIN", 0.01)
    features, _ = groups(100, 3)
    said: list[str] = []

    def impatient(done: int, total: int, message: str = "") -> None:
        said.append(message)
        if len(said) == 3:
            raise StopRequested

    with turn(100, lambda: None):
        assert len(linkage(features[:50])) == 49
        with pytest.raises(StopRequested):
            linkage(features, progress=impatient)
    assert said == ["Waiting for another large tree"] * 3
    assert len(linkage(features, progress=impatient)) == 99
    assert len(said) == 3, "It had not to wait."


def test_who_waited_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SMALL", 50)
    monkeypatch.setattr(memory, "_LOOK_AGAIN", 0.01)
    features, _ = groups(100, 3)
    said: list[str] = []
    with ExitStack() as other:
        other.enter_context(turn(100, lambda: None))

        def patient(done: int, total: int, message: str = "") -> None:
            said.append(message)
            other.close()

        assert len(linkage(features, progress=patient)) == 99
    assert (said[0], said[-1]) == ("Waiting for another large tree", "Its turn has come")


def test_a_container_s_limit_counts_as_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"/sys/fs/cgroup/memory.max": 3 << 20, "/sys/fs/cgroup/memory.current": 1 << 20}
    monkeypatch.setattr(memory, "_number", numbers.get)
    assert available_memory() == 2 << 20
