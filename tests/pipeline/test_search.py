"""Algorithm 1: candidates, the fold over decisions, and its laws."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_trees import random_tree, random_tree_of_halves, trees

from pipeline.decisions import RULES, Evidence, Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.sampling import leaf_keys, sample
from pipeline.search import (
    UNANSWERED,
    Decision,
    candidates,
    evidence_of,
    intervals,
    open_clusters,
    search,
)
from pipeline.simulation import oracle_answers
from pipeline.strategies import STRATEGIES, Knowledge

thresholds_of_any_kind = st.builds(
    Thresholds,
    k_pa=st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9]),
    n_s=st.integers(1, 8),
    min_size=st.sampled_from([None, 1, 2, 5]),
    k_a=st.sampled_from([0.6, 0.85, 1.0]),
)
quick = settings(deadline=None, max_examples=60)


def candidates_by_walking(tree: Dendrogram, thresholds: Thresholds, start: list[int]) -> list[int]:
    """Algorithm 1 as the paper writes it: pop a node; below K_pa, put its children in its place."""
    found, waiting = [], start
    while waiting:
        node = waiting.pop()
        if tree.size(node) < thresholds.smallest:
            continue
        if tree.mean(node) > thresholds.k_pa:
            found.append(node)
        elif not tree.is_leaf(node):
            waiting.extend(int(child) for child in tree.children(node))
    return sorted(found)


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind)
def test_candidates_are_where_splitting_without_asking_ends(tree: Dendrogram, thresholds: Thresholds) -> None:
    assert candidates(tree, thresholds).tolist() == candidates_by_walking(tree, thresholds, [0])


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, data=st.data())
def test_candidates_below_a_node_are_those_of_its_children(
    tree: Dendrogram, thresholds: Thresholds, data: st.DataObject
) -> None:
    node = data.draw(st.integers(0, len(tree.lo) - 1))
    children = [] if tree.is_leaf(node) else [int(child) for child in tree.children(node)]
    assert candidates(tree, thresholds, below=node).tolist() == candidates_by_walking(
        tree, thresholds, children
    )


def campaign(tree: Dendrogram, thresholds: Thresholds, seed: int, **options: object) -> list[Decision]:
    correct = np.random.default_rng(seed).random(tree.n) < np.diff(tree.score_sum)
    keys = leaf_keys(tree.n, seed=seed)
    return list(search([tree], oracle_answers([correct]), keys=[keys], thresholds=thresholds, **options))


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, seed=st.integers(0, 99), stop=st.integers(0, 30))
def test_open_and_decided_clusters_partition_what_candidates_cover(
    tree: Dendrogram, thresholds: Thresholds, seed: int, stop: int
) -> None:
    decisions = campaign(tree, thresholds, seed)[:stop]
    still_open = open_clusters(tree, thresholds, {d.cluster: d.verdict for d in decisions})
    covered = np.zeros(tree.n, dtype=int)
    for lo, hi in [
        *intervals(tree, decisions),
        *intervals(tree, decisions, Verdict.REJECT),
        *zip(tree.lo[still_open], tree.hi[still_open], strict=True),
    ]:
        covered[lo:hi] += 1
    assert covered.max(initial=0) <= 1
    left_out = np.flatnonzero(covered == 0)
    # Whatever is in no interval lies in no candidate that is still to be decided.
    for node in candidates(tree, thresholds):
        if node in {d.cluster for d in decisions if d.verdict is Verdict.SPLIT}:
            continue
        assert not ((left_out >= tree.lo[node]) & (left_out < tree.hi[node])).any()


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, seed=st.integers(0, 99))
def test_replaying_the_decisions_gives_the_open_clusters_at_every_step(
    tree: Dendrogram, thresholds: Thresholds, seed: int
) -> None:
    decided: dict[int, Verdict] = {}
    for decision in campaign(tree, thresholds, seed):
        assert decision.cluster in open_clusters(tree, thresholds, decided)
        decided[decision.cluster] = decision.verdict
    assert not len(open_clusters(tree, thresholds, decided))


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, seed=st.integers(0, 99))
def test_every_strategy_ends_at_the_same_clusters(
    tree: Dendrogram, thresholds: Thresholds, seed: int
) -> None:
    known = [Knowledge(thresholds, iou_sum=tree.score_sum)]
    ends = {
        frozenset(
            (d.cluster, d.verdict) for d in campaign(tree, thresholds, seed, strategy=name, known=known)
        )
        for name in STRATEGIES
    }
    assert len(ends) == 1


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, seed=st.integers(0, 99))
def test_curtailed_and_paper_decide_alike_and_curtailed_asks_no_more(
    tree: Dendrogram, thresholds: Thresholds, seed: int
) -> None:
    papers = campaign(tree, thresholds, seed, rule="paper")
    curtailed = campaign(tree, thresholds, seed, rule="curtailed")
    assert [(d.cluster, d.verdict) for d in papers] == [(d.cluster, d.verdict) for d in curtailed]
    assert sum(d.questions for d in curtailed) <= sum(d.questions for d in papers)


@quick
@given(tree=trees(), thresholds=thresholds_of_any_kind, seed=st.integers(0, 99), budget=st.integers(0, 60))
def test_a_budget_cuts_the_same_sequence_off(
    tree: Dendrogram, thresholds: Thresholds, seed: int, budget: int
) -> None:
    whole = campaign(tree, thresholds, seed)
    cut = campaign(tree, thresholds, seed, budget=budget)
    assert cut == whole[: len(cut)]
    assert sum(d.questions for d in cut) <= budget
    if len(cut) < len(whole):
        assert sum(d.questions for d in whole[: len(cut) + 1]) > budget


def test_no_mask_is_asked_about_twice() -> None:
    rng = np.random.default_rng(5)
    tree = random_tree(400, rng, scores=np.full(400, 0.8))
    asked: list[int] = []

    def answer(index: int, positions: np.ndarray) -> np.ndarray:
        asked.extend(positions.tolist())
        return positions % 3 > 0

    decisions = list(
        search([tree], answer, keys=[leaf_keys(400, seed=1)], thresholds=Thresholds(), rule="paper")
    )
    assert len(asked) == len(set(asked)) == sum(d.questions for d in decisions)
    assert any(d.questions < d.evidence.yes + d.evidence.no for d in decisions), "nothing was reused"


def test_without_reuse_every_cluster_asks_its_own_sample() -> None:
    rng = np.random.default_rng(5)
    tree = random_tree(400, rng, scores=np.full(400, 0.8))
    decisions = campaign(tree, Thresholds(), 1, rule="paper", reuse=False)
    assert len(decisions) > 1
    assert all(d.questions == 15 == d.evidence.sample for d in decisions)


def test_a_pure_cluster_is_accepted_whole_after_thirteen_answers() -> None:
    tree = random_tree(1000, np.random.default_rng(0), scores=np.full(1000, 0.9))
    (decision,) = search(
        [tree],
        oracle_answers([np.ones(1000, bool)]),
        keys=[leaf_keys(1000, seed=0)],
        thresholds=Thresholds(),
        rule="curtailed",
    )
    assert decision == Decision(0, 0, Verdict.ACCEPT, Evidence(13, 0, 15, 1000), 13)
    assert intervals(tree, [decision]).tolist() == [[0, 1000]]


def test_best_first_takes_the_best_cluster_of_all_trees_next() -> None:
    good = random_tree_of_halves(np.full(64, 0.95))
    fair = random_tree_of_halves(np.full(64, 0.8))
    correct = [np.ones(64, bool), np.arange(64) % 2 == 0]
    decisions = list(
        search(
            [fair, good],
            oracle_answers(correct[::-1]),
            keys=[leaf_keys(64, seed=0), leaf_keys(64, seed=1)],
            thresholds=Thresholds(),
            strategy="best_first",
        )
    )
    assert decisions[0].tree == 1
    assert {d.tree for d in decisions[1:]} == {0}


def test_asking_is_lazy() -> None:
    tree = random_tree_of_halves(np.full(64, 0.9))

    def answer(index: int, positions: np.ndarray) -> np.ndarray:
        raise AssertionError("asked before anyone wanted a decision")

    steps: Iterator[Decision] = search([tree], answer, keys=[leaf_keys(64, seed=0)], thresholds=Thresholds())
    with pytest.raises(AssertionError, match="asked before"):
        next(steps)


@quick
@given(tree=trees(), seed=st.integers(0, 99), size=st.integers(1, 20))
def test_evidence_counts_answers_among_the_clusters_own_sample_only(
    tree: Dendrogram, seed: int, size: int
) -> None:
    keys = leaf_keys(tree.n, seed=seed)
    answers = np.random.default_rng(seed).integers(UNANSWERED, 2, tree.n).astype(np.int8)
    positions = sample(keys, 0, tree.n, size)
    evidence = evidence_of(positions, answers, size=tree.n)
    inside = answers[positions].tolist()
    assert evidence == Evidence(inside.count(1), inside.count(0), min(size, tree.n), tree.n)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_takes_a_search_to_its_end(rule: str) -> None:
    tree = random_tree(300, np.random.default_rng(3), scores=np.full(300, 0.8))
    thresholds = Thresholds(accuracy=0.95, min_size=1)
    decided = {d.cluster: d.verdict for d in campaign(tree, thresholds, 3, rule=rule)}
    assert not len(open_clusters(tree, thresholds, decided))
