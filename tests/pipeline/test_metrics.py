"""What accepted masks are worth and what they cost, on cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline import masks
from pipeline.metrics import HumanTime, Tally, best_ious, matches, mean_over_categories, tally, total
from pipeline.predictions import Rle


def rows(first: int, last: int) -> Rle:
    """A mask of 10 pixels a row, of the rows [first, last) of a 20 x 10 image."""
    mask = np.zeros((20, 10), dtype=np.uint8)
    mask[first:last] = 1
    return masks.encode(mask)


def test_a_perfect_mask_has_every_measure_at_one() -> None:
    perfect = tally([rows(0, 8)], [rows(0, 8)], k_iou=0.75)
    assert perfect == Tally(accepted=1, correct=1, objects=1, matched=1, iou=1.0, best_iou=1.0)
    assert (perfect.sq, perfect.precision, perfect.quality, perfect.coverage) == (1, 1, 1, 1)


def test_sq_is_the_mean_iou_of_the_matches_whether_correct_or_not() -> None:
    # 8 of 10 rows (correct at 0.75) and 6 of 10 rows (matched, not correct) of two objects.
    found = tally([rows(0, 8), rows(10, 16)], [rows(0, 10), rows(10, 20)], k_iou=0.75)
    assert found.sq == pytest.approx(0.7)
    assert found.precision == 0.5
    assert found.coverage == 1.0


def test_a_mask_at_iou_one_half_matches_nothing() -> None:
    found = tally([rows(0, 5)], [rows(0, 10)], k_iou=0.75)
    assert (found.matched, found.accepted, found.coverage) == (0, 1, 0)
    assert found.quality == 0.5
    assert math.isnan(found.sq)


def test_two_masks_of_one_object_find_it_once_and_are_both_judged() -> None:
    found = tally([rows(0, 10), rows(0, 9)], [rows(0, 10)], k_iou=0.75)
    assert (found.matched, found.iou, found.correct, found.coverage) == (1, 1.0, 2, 1.0)


def test_pairs_are_chosen_for_the_largest_sum() -> None:
    iou = np.array([[0.9, 0.8], [0.85, 0.2]])
    assert [pair.tolist() for pair in matches(iou)] == [[0, 1], [1, 0]]


def test_a_mask_in_a_crowd_region_is_neither_right_nor_wrong() -> None:
    crowd = np.array([False, True])
    found = tally([rows(11, 14), rows(0, 10)], [rows(0, 10), rows(10, 20)], k_iou=0.75, crowd=crowd)
    assert found == Tally(accepted=1, correct=1, objects=1, matched=1, iou=1.0, best_iou=1.0, ignored=1)


def test_an_object_inside_a_crowd_region_still_counts() -> None:
    found = tally([rows(2, 6)], [rows(2, 6), rows(0, 20)], k_iou=0.75, crowd=np.array([False, True]))
    assert (found.correct, found.ignored) == (1, 0)


def test_a_mask_of_nothing_is_wrong() -> None:
    assert tally([rows(0, 5)], [], k_iou=0.75) == Tally(accepted=1)


def test_an_image_without_masks_still_counts_its_objects() -> None:
    missed = tally([], [rows(0, 5), rows(5, 9)], k_iou=0.75)
    assert missed == Tally(objects=2)
    assert missed.coverage == 0
    assert math.isnan(missed.precision)


def test_the_best_iou_of_a_mask_does_not_look_at_crowd_regions() -> None:
    truth = [rows(0, 10), rows(0, 8)]
    assert best_ious([rows(0, 8)], truth).tolist() == [1.0]
    assert best_ious([rows(0, 8)], truth, np.array([False, True])).tolist() == [0.8]
    assert best_ious([rows(0, 8)], []).tolist() == [0.0]
    assert best_ious([], truth).tolist() == []


def test_tallies_of_images_add_up() -> None:
    one = tally([rows(0, 8)], [rows(0, 10)], k_iou=0.75)
    other = tally([rows(0, 4)], [rows(0, 10)], k_iou=0.75)
    both = total([one, other])
    assert both.accepted == both.objects == 2
    assert both.precision == 0.5
    assert both.quality == pytest.approx((0.8 + 0.4) / 2)
    assert total([]) == Tally()


def test_the_papers_quality_is_the_mean_over_categories() -> None:
    per_category = {
        1: Tally(accepted=100, best_iou=90.0),
        2: Tally(accepted=1, best_iou=0.5),
        3: Tally(objects=4),
    }
    assert mean_over_categories(per_category, "quality") == pytest.approx(0.7)
    assert math.isnan(mean_over_categories({3: Tally()}, "quality"))


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(0, 6)), elements=st.floats(0, 1)),
)
def test_pairs_are_one_to_one_and_above_the_threshold(iou: np.ndarray) -> None:
    matched, objects = matches(iou)
    assert len(set(matched.tolist())) == len(matched) == len(set(objects.tolist()))
    assert (iou[matched, objects] > 0.5).all()


@given(st.lists(st.sampled_from([0, 1, 2, 3]), max_size=12))
def test_where_masks_do_not_overlap_pairs_are_those_above_one_half(owners: list[int]) -> None:
    # Panoptic segmentation: a cell of the image belongs to one prediction and one object at most.
    cells = np.array(owners, dtype=int)
    shifted = np.roll(cells, 1)
    iou = np.array([[_cells_iou(cells == a, shifted == b) for b in range(1, 4)] for a in range(1, 4)])
    matched, objects = matches(iou)
    assert sorted(zip(matched.tolist(), objects.tolist(), strict=True)) == sorted(
        map(tuple, np.argwhere(iou > 0.5).tolist())
    )


def _cells_iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 0.0


def test_the_papers_places_run_took_290_hours_and_is_76_times_faster() -> None:
    run = HumanTime(questions=191_929, drawn=9_765, accepted=993_677)
    assert run.verification_hours == pytest.approx(74.6, abs=0.1)
    assert run.initial_hours == pytest.approx(217, abs=0.1)
    assert run.drawing_hours == pytest.approx(22_082, abs=1)
    assert run.speed_up == pytest.approx(76, abs=1)


def test_time_without_any_work_has_no_speed_up() -> None:
    assert math.isnan(HumanTime(questions=0, drawn=0, accepted=0).speed_up)
