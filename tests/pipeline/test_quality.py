"""How good accepted masks are, by the answers that accepted them: neither flattered nor needlessly unsure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decisions import Thresholds, Verdict
from pipeline.quality import Asked, accepted_quality
from pipeline.sampling import leaf_keys
from pipeline.search import search
from pipeline.simulation import noisy_answers
from tests.pipeline.made_trees import random_tree_of_halves


def asked(*rows: tuple[int, int, int]) -> Asked:
    """Clusters as (yes, no, accepted masks that nobody refused; 0 for clusters that were not accepted)."""
    yes, no, accepted = np.array(rows).T
    known = np.minimum(yes, accepted)
    rest = accepted - known
    return Asked(yes, no, np.ones_like(yes), known, rest, rest.astype(np.float64) ** 2)


def searched(seed: int, accuracy: float) -> tuple[Asked, float]:
    """What a search of blocks of masks, mostly right or mostly wrong, asked; and how good it really is."""
    rng = np.random.default_rng(seed)
    chances = np.repeat(rng.beta(1.2, 0.8, 128), 32)
    tree = random_tree_of_halves(chances)
    truth = rng.random(tree.n) < np.diff(tree.score_sum)
    refused: list[int] = []
    answer = noisy_answers([truth], rng=rng, sensitivity=accuracy)

    def heard(index: int, positions: np.ndarray) -> np.ndarray:
        said = answer(index, positions)
        refused.extend(positions[~said].tolist())
        return said

    decisions = list(
        search([tree], heard, keys=[leaf_keys(tree.n, seed=seed)], rule="curtailed", strategy="best_first",
               thresholds=Thresholds(k_a=0.8, k_pa=0.3, n_s=10))
    )  # fmt: skip
    accepted = np.zeros(tree.n, dtype=bool)
    for decision in decisions:
        if decision.verdict is Verdict.ACCEPT:
            accepted[tree.lo[decision.cluster] : tree.hi[decision.cluster]] = True
    accepted[refused] = False
    rows = []
    for decision in decisions:
        inside = accepted[tree.lo[decision.cluster] : tree.hi[decision.cluster]].sum()
        kept = int(inside) if decision.verdict is Verdict.ACCEPT else 0
        rows.append((decision.evidence.yes, decision.evidence.no, kept))
    return asked(*rows), float(truth[accepted].mean())


@pytest.mark.parametrize("accuracy", [1.0, 0.93])
def test_the_interval_holds_the_truth_of_most_searches(accuracy: float) -> None:
    held, errors = 0, []
    for seed in range(12):
        found, truth = searched(seed, accuracy)
        quality = accepted_quality(found, sensitivity=accuracy, specificity=accuracy)
        assert quality is not None
        held += quality.low <= truth <= quality.high
        errors.append(quality.value - truth)
    assert held >= 9
    assert abs(float(np.mean(errors))) < 0.02


def test_nothing_accepted_has_no_quality() -> None:
    assert accepted_quality(asked((1, 3, 0))) is None


def test_what_was_seen_mask_by_mask_is_known() -> None:
    quality = accepted_quality(asked((10, 0, 10), (0, 10, 0)))
    assert quality is not None
    assert quality.value > 0.99


def test_a_large_cluster_counts_for_its_masks() -> None:
    small = accepted_quality(asked((9, 1, 5000), (10, 0, 50), *[(5, 5, 0)] * 20))
    large = accepted_quality(asked((9, 1, 50), (10, 0, 5000), *[(5, 5, 0)] * 20))
    assert small is not None
    assert large is not None
    assert small.value < large.value


def test_workers_who_refuse_right_masks_hide_quality() -> None:
    found = asked(*[(9, 1, 200)] * 30)
    trusted, erring = accepted_quality(found), accepted_quality(found, sensitivity=0.9)
    assert trusted is not None
    assert erring is not None
    assert erring.value > trusted.value


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 500)), min_size=1, max_size=12)
)
def test_an_estimate_lies_in_its_interval_and_that_between_0_and_1(rows: list[tuple[int, int, int]]) -> None:
    quality = accepted_quality(asked(*rows), sensitivity=0.9, specificity=0.8)
    if quality is None:
        assert not any(accepted for _, _, accepted in rows)
    else:
        assert 0 <= quality.low <= quality.value <= quality.high <= 1
