"""What accepted masks are worth and what they cost, on cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline import masks
from pipeline.metrics import HumanTime, Tally, best_ious, matches, tally, total
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


def scattered(rng: np.random.Generator, count: int) -> list[Rle]:
    """Rectangles on a 60 x 80 image, many of which overlap."""
    found = []
    for _ in range(count):
        mask = np.zeros((60, 80), dtype=np.uint8)
        y, x, height, width = rng.integers([0, 0, 8, 8], [40, 60, 22, 22])
        mask[y : y + height, x : x + width] = 1
        found.append(masks.encode(mask))
    return found


def panoptic(predicted: list[Rle], truth: list[Rle]) -> tuple[int, float, int, int]:
    """True positives, their summed IoU, false positives and negatives, pixel by pixel as panopticapi counts.

    Segments are painted one over the other, so that none overlaps another, as panoptic segmentation has it.
    """
    canvases = []
    for rles in (predicted, truth):
        canvas = np.zeros((60, 80), dtype=int)
        for index, rle in enumerate(rles, start=1):
            canvas[masks.decode(rle)] = index
        canvases.append(canvas)
    ours, theirs = canvases
    iou_sum, pairs = 0.0, 0
    for a in np.unique(ours[ours > 0]):
        for b in np.unique(theirs[theirs > 0]):
            both, either = ((ours == a) & (theirs == b)).sum(), ((ours == a) | (theirs == b)).sum()
            if both / either > 0.5:
                pairs, iou_sum = pairs + 1, iou_sum + both / either
    segments = [len(np.unique(canvas[canvas > 0])) for canvas in canvases]
    return pairs, iou_sum, segments[0] - pairs, segments[1] - pairs


@pytest.mark.parametrize("seed", range(8))
def test_counts_are_those_of_panoptic_quality(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = scattered(rng, 6)
    moved = [masks.encode(np.roll(masks.decode(rle), rng.integers(0, 4, 2), axis=(0, 1))) for rle in truth]
    predicted = moved + scattered(rng, 2)
    pairs, iou_sum, false_positives, false_negatives = panoptic(predicted, truth)
    flat = [painted(rles) for rles in (predicted, truth)]
    found = tally(*flat, k_iou=0.75)
    assert (found.matched, found.iou) == (pairs, pytest.approx(iou_sum))
    assert found.sq == pytest.approx(iou_sum / pairs if pairs else math.nan, nan_ok=True)
    assert found.accepted - found.matched == false_positives
    assert found.objects - found.matched == false_negatives


def painted(rles: list[Rle]) -> list[Rle]:
    """The masks with what later ones cover taken away; those covered wholly are gone."""
    whole = [masks.decode(rle) for rle in rles]
    seen = []
    for index, mask in enumerate(whole):
        covered = np.any([np.zeros_like(mask), *whole[index + 1 :]], axis=0)
        seen.append(mask & ~covered)
    return [masks.encode(mask) for mask in seen if mask.any()]


@pytest.mark.parametrize("seed", range(5))
def test_correct_masks_are_the_true_positives_of_pycocotools(seed: int) -> None:
    """With every mask the only one of its image, COCO's matching at K_iou asks the same: IoU >= 0.75?"""
    rng = np.random.default_rng(seed)
    truth = scattered(rng, 12)
    predicted = [
        masks.encode(np.roll(masks.decode(rle), rng.integers(0, 4, 2), axis=(0, 1))) for rle in truth
    ]
    told = COCO()
    told.dataset = {
        "images": [{"id": i, "height": 60, "width": 80} for i in range(12)],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": rle, "area": 100}
            for i, rle in enumerate(truth)
        ],
    }
    told.createIndex()
    results = [
        {"image_id": i, "category_id": 1, "segmentation": rle, "score": 0.9}
        for i, rle in enumerate(predicted)
    ]
    evaluation = COCOeval(told, told.loadRes(results), "segm")
    evaluation.params.areaRng, evaluation.params.iouThrs = [[0, 1e10]], np.array([0.75])
    evaluation.evaluate()
    right = sum(int((one["dtMatches"] > 0).sum()) for one in evaluation.evalImgs if one)
    found = total(tally([p], [t], k_iou=0.75) for p, t in zip(predicted, truth, strict=True))
    assert found.correct == right
    assert 0 < right < 12
