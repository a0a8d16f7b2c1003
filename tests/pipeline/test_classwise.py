"""Worlds searched class by class: the same as all at once, with bounded memory, and resumable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decisions import Thresholds
from pipeline.experiments import classwise
from pipeline.experiments.classwise import ClassCourse, ClassResult, Way, each_class, joined
from pipeline.experiments.triplets import SHIPPED, TripletModel
from pipeline.experiments.worlds import grow, run

MODEL = TripletModel.load(SHIPPED).skewed(4)
THRESHOLDS = Thresholds(k_pa=0.4)
WAYS = {
    "paper": Way("paper", "best_first", THRESHOLDS, None, reuse=False),
    "ours": Way("sequential", "expected_yield", THRESHOLDS, None),
}


def results(masks: int = 2_500, **options: object) -> list[ClassResult]:
    found = each_class(MODEL, WAYS, masks=masks, seed=3, processes=1, **options)
    return sorted(found, key=lambda result: result.index)


@pytest.mark.parametrize("name", WAYS)
def test_class_by_class_is_what_one_queue_over_all_classes_does(name: str) -> None:
    way = WAYS[name]
    at_once = run(
        grow(MODEL.sample(2_500, seed=3)),
        THRESHOLDS,
        rule=way.rule,
        strategy=way.strategy,
        seed=3,
        reuse=way.reuse,
    )
    apart = joined([result.courses[name] for result in results()])
    assert apart.questions.tolist() == at_once.questions.tolist()
    assert apart.accepted.tolist() == at_once.accepted.tolist()
    assert apart.matched_iou == pytest.approx(at_once.matched_iou)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=4))
def test_courses_are_joined_as_a_queue_of_the_next_clusters_would_take_them(classes: list[list[int]]) -> None:
    courses = [
        ClassCourse(
            np.array(priorities, dtype=float),
            np.arange(len(priorities)) + 100 * index,
            np.zeros((len(priorities), 5)),
        )
        for index, priorities in enumerate(classes)
    ]
    waiting = [list(zip(course.priorities, course.questions, strict=True)) for course in courses]
    taken = []
    while any(waiting):
        _, index = max((queue[0][0], -at) for at, queue in enumerate(waiting) if queue)
        taken.append(waiting[-index].pop(0)[1])
    assert joined(courses).questions.tolist() == np.cumsum(taken, dtype=int).tolist()


def test_large_classes_get_trees_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classwise, "BLOCK", 256)
    assert sum(result.masks for result in results()) == 2_500


def test_finished_classes_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = results(keep=tmp_path)
    monkeypatch.setattr(classwise, "_result", lambda *_: pytest.fail("done again"))
    again = results(keep=tmp_path)
    for one, other in zip(first, again, strict=True):
        assert one.masks == other.masks
        assert one.known.tolist() == other.known.tolist()
        assert one.seconds == other.seconds
        for way in WAYS:
            assert one.courses[way].questions.tolist() == other.courses[way].questions.tolist()


def test_another_world_does_not_take_over_what_is_kept(tmp_path: Path) -> None:
    results(keep=tmp_path)
    assert sum(result.masks for result in results(2_000, keep=tmp_path)) == 2_000


def test_processes_share_the_classes() -> None:
    found = list(each_class(MODEL, WAYS, masks=400, seed=3, processes=2))
    assert sorted(result.index for result in found) == [0, 1, 2, 3]


def test_shares_of_a_skewed_model_fall_with_the_rank() -> None:
    skewed = TripletModel.load(SHIPPED).skewed(80, skew=1.0)
    sizes = skewed.sizes(100_000)
    assert len(sizes) == 80
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(10 * sizes[9], rel=0.01)
