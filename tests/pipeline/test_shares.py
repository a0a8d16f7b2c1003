"""A share estimated from a sample, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.shares import estimated

counts = st.integers(0, 40)


@given(counts, counts, st.integers(0, 10_000))
def test_the_estimate_lies_in_its_interval_and_both_in_0_to_1(yes: int, no: int, rest: int) -> None:
    found = estimated(yes, no, size=yes + no + rest)
    if yes + no == 0:
        assert found is None
        return
    assert 0 <= found.low <= found.high <= 1
    assert found.low - 1e-9 <= yes / (yes + no) <= found.high + 1e-9


@given(counts, counts)
def test_once_all_are_seen_nothing_is_uncertain(yes: int, no: int) -> None:
    if yes + no:
        found = estimated(yes, no, size=yes + no)
        assert found.low == pytest.approx(found.high) == pytest.approx(found.value)


def test_ninety_five_intervals_of_a_hundred_hold_the_share() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(600):
        share, size = rng.uniform(0.02, 0.98), 500
        correct = rng.random(size) < share
        drawn = rng.permutation(correct)[:15]
        found = estimated(int(drawn.sum()), int((~drawn).sum()), size=size)
        held += found.low <= correct.mean() <= found.high
    assert held / 600 > 0.92


def test_more_cannot_be_drawn_than_there_are() -> None:
    with pytest.raises(ValueError, match="only 3"):
        estimated(3, 1, size=3)
