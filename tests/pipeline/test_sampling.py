"""A cluster's sample is the leaves of its smallest keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.sampling import leaf_keys, redrawn, sample


@st.composite
def nested_ranges(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """(n, lo, hi, inner lo, inner hi) with the inner range inside the outer."""
    lo, inner_lo, inner_hi, hi = sorted(draw(st.lists(st.integers(0, 200), min_size=4, max_size=4)))
    return 200, lo, hi, inner_lo, inner_hi


seeds = st.integers(0, 2**64 - 1)


@given(seed=seeds, n=st.integers(0, 500))
def test_keys_are_reproducible_and_distinct(seed: int, n: int) -> None:
    keys = leaf_keys(n, seed=seed)
    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == n
    assert (keys == leaf_keys(n, seed=seed)).all()


@given(seed=seeds, n=st.integers(0, 100), more=st.integers(0, 100))
def test_a_leaf_keeps_its_key_when_the_tree_is_larger(seed: int, n: int, more: int) -> None:
    assert (leaf_keys(n + more, seed=seed)[:n] == leaf_keys(n, seed=seed)).all()


def test_keys_never_change_between_versions() -> None:
    assert leaf_keys(3, seed=0).tolist() == [16294208416658607535, 7960286522194355700, 487617019471545679]


def test_seeds_next_to_each_other_give_unrelated_keys() -> None:
    one, other = leaf_keys(20_000, seed=1), leaf_keys(20_000, seed=2)
    assert not set(one.tolist()) & set(other.tolist())
    assert abs(stats.spearmanr(one, other).statistic) < 0.03


@given(seed=seeds, ranges=nested_ranges(), size=st.integers(0, 50))
def test_a_sample_is_the_smallest_keys_of_the_range_in_key_order(
    seed: int, ranges: tuple[int, int, int, int, int], size: int
) -> None:
    n, lo, hi, _, _ = ranges
    keys = leaf_keys(n, seed=seed)
    by_sorting = sorted(range(lo, hi), key=lambda position: keys[position])[:size]
    assert sample(keys, lo, hi, size).tolist() == by_sorting


@given(seed=seeds, ranges=nested_ranges(), size=st.integers(0, 50))
def test_what_a_parents_sample_has_in_a_child_begins_the_childs_own_sample(
    seed: int, ranges: tuple[int, int, int, int, int], size: int
) -> None:
    n, lo, hi, inner_lo, inner_hi = ranges
    keys = leaf_keys(n, seed=seed)
    inherited = [p for p in sample(keys, lo, hi, size).tolist() if inner_lo <= p < inner_hi]
    own = sample(keys, inner_lo, inner_hi, size).tolist()
    assert own[: len(inherited)] == inherited


@given(seed=seeds, ranges=nested_ranges(), size=st.integers(0, 50), more=st.integers(0, 50))
def test_a_larger_sample_continues_a_smaller_one(
    seed: int, ranges: tuple[int, int, int, int, int], size: int, more: int
) -> None:
    n, lo, hi, _, _ = ranges
    keys = leaf_keys(n, seed=seed)
    small = sample(keys, lo, hi, size).tolist()
    assert sample(keys, lo, hi, size + more).tolist()[: len(small)] == small


def test_every_leaf_is_as_likely_as_any_other() -> None:
    drawn = np.zeros(40)
    for seed in range(2_000):
        drawn[sample(leaf_keys(100, seed=seed), 30, 70, 8) - 30] += 1
    assert stats.chisquare(drawn).pvalue > 1e-3


def test_redrawn_keys_give_unrelated_samples() -> None:
    keys = leaf_keys(20_000, seed=3)
    assert abs(stats.spearmanr(keys, redrawn(keys, salt=7)).statistic) < 0.03
    assert len(set(redrawn(keys, salt=7).tolist())) == 20_000


def test_a_range_outside_the_tree_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[3, 11\) is not a range of 10 leaves"):
        sample(leaf_keys(10, seed=0), 3, 11, 2)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_of_more_than_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        leaf_keys(1, seed=seed)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="-1 leaves"):
        leaf_keys(-1, seed=0)
    with pytest.raises(ValueError, match="-1 masks"):
        sample(leaf_keys(1, seed=0), 0, 1, -1)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**64 - 1))
def test_the_keys_of_a_range_are_those_of_the_whole(first: int, n: int, seed: int) -> None:
    assert np.array_equal(leaf_keys(n, seed=seed, first=first), leaf_keys(first + n, seed=seed)[first:])
