"""Answers without people."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.simulation import noisy_answers, oracle_answers

TRUTH = [np.array([True, False, True]), np.tile([True, False], 20_000)]


def test_the_oracle_knows() -> None:
    answer = oracle_answers(TRUTH)
    assert answer(0, np.array([2, 1])).tolist() == [True, False]


def test_a_crowd_errs_as_often_as_stated() -> None:
    answer = noisy_answers(TRUTH, rng=np.random.default_rng(0), sensitivity=0.9, specificity=0.7)
    says = answer(1, np.arange(40_000))
    assert says[::2].mean() == pytest.approx(0.9, abs=0.01)
    assert (~says[1::2]).mean() == pytest.approx(0.7, abs=0.01)


def test_one_accuracy_holds_for_both_kinds_of_masks() -> None:
    answer = noisy_answers(TRUTH, rng=np.random.default_rng(0), sensitivity=0.8)
    says = answer(1, np.arange(40_000))
    assert (says == TRUTH[1]).mean() == pytest.approx(0.8, abs=0.01)


def test_perfect_workers_are_the_oracle() -> None:
    answer = noisy_answers(TRUTH, rng=np.random.default_rng(0), sensitivity=1.0)
    assert (answer(1, np.arange(40_000)) == TRUTH[1]).all()


def test_an_accuracy_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        noisy_answers(TRUTH, rng=np.random.default_rng(0), sensitivity=1.1)
