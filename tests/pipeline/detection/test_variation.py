"""What training varies in an image, and which ignored masks count."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline.detection import AnnotatedImage
from pipeline.detection.detector import ignored_from
from pipeline.detection.loading import Sample, jittered, read_sample

IDS = (1, 2, 3, 4, 5)


@pytest.fixture
def sample(initial: list[AnnotatedImage]) -> Sample:
    return read_sample(initial[0], short_side=96, category_ids=IDS)


def test_without_variation_a_sample_stays_as_it_is(sample: Sample) -> None:
    same = jittered(sample, np.random.default_rng(0), scales=(1.0, 1.0), light=0.0)
    assert np.array_equal(same.image, sample.image)
    assert np.array_equal(same.masks, sample.masks)


@pytest.mark.parametrize("seed", range(4))
def test_image_and_masks_change_size_together(sample: Sample, seed: int) -> None:
    varied = jittered(sample, np.random.default_rng(seed), scales=(0.5, 1.5), light=0.0)
    assert varied.masks.shape[1:] == varied.image.shape[1:]
    factor = varied.image.shape[1] / sample.image.shape[1]
    assert 0.5 <= round(factor, 2) <= 1.5
    areas = varied.masks.sum((1, 2)) / sample.masks.sum((1, 2))
    assert np.allclose(areas, factor**2, rtol=0.15)


def test_light_changes_pixels_and_not_masks(sample: Sample) -> None:
    varied = jittered(sample, np.random.default_rng(3), scales=(1.0, 1.0), light=0.3)
    assert not np.array_equal(varied.image, sample.image)
    assert np.array_equal(varied.masks, sample.masks)
    means = varied.image.mean((1, 2)) / sample.image.mean((1, 2))
    assert ((means > 0.6) & (means < 1.45)).all()


def test_the_same_random_state_gives_the_same_variation(sample: Sample) -> None:
    one, two = (jittered(sample, np.random.default_rng(5), scales=(0.8, 1.2), light=0.2) for _ in range(2))
    assert np.array_equal(one.image, two.image)


def test_an_object_that_vanishes_is_not_learnt() -> None:
    speck = np.zeros((2, 64, 64), dtype=np.uint8)
    speck[0, 5, 5] = 1
    speck[1, 20:40, 20:40] = 1
    sample = Sample(np.zeros((3, 64, 64), np.uint8), np.array([1, 2]), speck, speck[:0], sparse=False)
    small = jittered(sample, np.random.default_rng(0), scales=(0.3, 0.3), light=0.0)
    assert small.labels.tolist() == [2]
    assert len(small.masks) == 1


def test_ignored_masks_count_from_a_score_on(initial: list[AnnotatedImage]) -> None:
    image = initial[0]
    ignored = list(image.masks[:2])
    scored = dataclasses.replace(image, ignored=ignored, ignored_scores=[0.1, 0.8])
    assert ignored_from(scored, 0.5) == ignored[1:]
    assert ignored_from(scored, 0.0) == ignored
    assert ignored_from(dataclasses.replace(image, ignored=ignored), 0.9) == ignored
    sample = read_sample(scored, short_side=96, category_ids=IDS, ignored_score=0.5)
    assert len(sample.ignored) == 1


def test_as_many_scores_as_ignored_masks_are_needed(initial: list[AnnotatedImage]) -> None:
    with pytest.raises(ValueError, match="2 ignored masks and 1 scores"):
        dataclasses.replace(initial[0], ignored=initial[0].masks[:2], ignored_scores=[0.5])
