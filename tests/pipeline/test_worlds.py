"""Searching simulated worlds, and what is recorded of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.decisions import Evidence, Thresholds, Verdict
from pipeline.experiments.questions import (
    CONTENDERS,
    POOLED,
    RIVAL,
    Contender,
    Result,
    compare,
    summary,
)
from pipeline.experiments.triplets import SHIPPED, TripletModel, Triplets
from pipeline.experiments.worlds import World, accepted_by_truth, grow, held, recorded, run
from pipeline.search import Decision

MODEL = TripletModel.load(SHIPPED)
THRESHOLDS = Thresholds(k_pa=0.4)


def world(masks: int = 3_000, seed: int = 0) -> World:
    return grow(MODEL.sample(masks, seed=seed))


def test_truth_follows_its_masks_into_leaf_order() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(50).astype(np.float32)
    part = Triplets(rng.random((50, 3)).astype(np.float32), scores, scores)
    grown = grow([part])
    assert np.diff(grown.trees[0].score_sum) == pytest.approx(grown.ious[0], abs=1e-6)


def test_a_run_adds_up_what_accepted_clusters_hold() -> None:
    grown = world()
    tree, ious = grown.trees[0], grown.ious[0]
    accepted, other = 1, int(tree.children(0)[1])
    evidence = Evidence(1, 0, 1, int(tree.size(accepted)))
    course = recorded(
        grown,
        [
            Decision(0, other, Verdict.SPLIT, Evidence(1, 1, 2, int(tree.size(other))), 2),
            Decision(0, accepted, Verdict.ACCEPT, evidence, 1),
        ],
        THRESHOLDS,
    )
    inside = ious[tree.lo[accepted] : tree.hi[accepted]]
    assert course.questions.tolist() == [2, 3]
    assert course.accepted.tolist() == [0, len(inside)]
    assert course.correct[-1] == (inside >= 0.75).sum()
    assert course.quality() == pytest.approx(inside.mean(), abs=1e-5)
    assert course.sq() == pytest.approx(inside[inside > 0.5].mean(), abs=1e-5)
    assert course.when(accepted=1) == 1
    assert course.when(accepted=len(inside) + 1) is None


def test_the_same_seed_runs_the_same_way() -> None:
    grown = world()
    one, again = (run(grown, THRESHOLDS, seed=4, accuracy=0.9) for _ in range(2))
    assert (one.questions == again.questions).all()
    assert (one.accepted == again.accepted).all()


def test_a_search_that_knows_all_truths_accepts_what_k_a_says() -> None:
    course = run(world(), Thresholds(k_pa=0.4, n_s=10**6, min_size=5))
    assert course.precision() >= 0.85


def test_a_run_without_decisions_has_no_measures() -> None:
    course = run(world(200), Thresholds(k_pa=1.0))
    assert len(course.questions) == 0
    assert np.isnan(course.precision())


def test_contenders_are_measured_against_the_papers_rule_in_the_same_world() -> None:
    results = compare(
        MODEL, masks=6_000, seeds=[0, 1], accuracies=[1.0, 0.9], min_size=None, contenders=CONTENDERS[:3]
    )
    rows = summary(results)
    assert len(results) == 12
    assert [row["contender"] for row in rows[:3]] == [one.name for one in CONTENDERS[:3]]
    for result in results:
        if result.contender == RIVAL.name:
            assert result.as_many
            assert result.ratio <= 1
    perfect = {r.contender: r for r in results if r.seed == 0 and r.accuracy == 1}
    pooled, curtailed = (perfect[one.name] for one in CONTENDERS[1:3])
    assert curtailed.accepted == pooled.accepted
    assert curtailed.questions < pooled.questions < perfect[RIVAL.name].questions


def test_knowing_every_mask_is_what_the_papers_rule_does_with_endless_samples() -> None:
    grown, thresholds = world(), Thresholds(k_pa=0.4, n_s=10**6, min_size=5)
    course = run(grown, thresholds, rule="paper")
    known = [
        held(ious, tree.lo[nodes], tree.hi[nodes], k_iou=0.75).sum(axis=0)
        for tree, ious in zip(grown.trees, grown.ious, strict=True)
        for nodes in [accepted_by_truth(tree, ious, thresholds)]
    ]
    masks, correct, iou, *_ = np.sum(known, axis=0)
    assert (masks, correct) == (course.accepted[-1], course.correct[-1])
    assert iou == pytest.approx(course.iou[-1])


def test_the_goal_is_as_many_masks_as_good_for_two_fifths_of_the_questions() -> None:
    def result(contender: Contender, **changed: float) -> Result:
        usual: dict[str, Any] = {
            "contender": contender.name, "accuracy": 1.0, "seed": 0, "questions": 1000, "accepted": 100,
            "precision": 0.8, "sq": 0.8, "as_many": True, "ratio": 1.0, "ratio_precision": 0.8,
            "ratio_sq": 0.8, "pooled_as_many": True, "pooled_ratio": 1.0,
        }  # fmt: skip
        return Result(**usual | changed)

    ours = Contender("sequential")
    for changed, reaches in (
        ({"questions": 400}, True),
        ({"questions": 401}, False),
        ({"questions": 300, "accepted": 99}, False),
        ({"questions": 300, "precision": 0.79}, False),
        ({"questions": 300, "sq": 0.79}, False),
    ):
        rows = summary([result(RIVAL), result(POOLED, questions=500), result(ours, **changed)])
        assert rows[-1]["reaches"] is reaches
        assert rows[-1]["pooled_reaches"] is False


def test_contenders_have_different_names() -> None:
    assert len({one.name for one in CONTENDERS}) == len(CONTENDERS)
    assert Contender("paper", reuse=False).name == "paper, best_first, K_a 0.85, fresh samples"
