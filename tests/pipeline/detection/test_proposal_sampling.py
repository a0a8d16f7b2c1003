"""Sampling proposals where annotations are incomplete."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline.detection import AnnotatedImage, FitOptions, Hardware  # noqa: E402
from pipeline.detection.architectures import SMALL, build  # noqa: E402
from pipeline.detection.loading import read_sample  # noqa: E402
from pipeline.detection.network_detector import NetworkDetector  # noqa: E402
from pipeline.detection.proposal_sampling import ShareKeepingSampler  # noqa: E402
from pipeline.detection.training import load, on_device  # noqa: E402


def labels(*, objects: int, background: int, unused: int = 5) -> torch.Tensor:
    return torch.tensor([1] * objects + [0] * background + [-1] * unused)


def counts(sampler: ShareKeepingSampler, *images: torch.Tensor) -> list[tuple[int, int]]:
    positives, negatives = sampler(list(images))
    return [(int(p.sum()), int(n.sum())) for p, n in zip(positives, negatives, strict=True)]


def test_fully_annotated_images_are_sampled_as_ever() -> None:
    sampler = ShareKeepingSampler(size=40, positive_fraction=0.25)
    assert counts(sampler, labels(objects=30, background=90), labels(objects=2, background=90)) == [
        (10, 30),
        (2, 38),
    ]


def test_sparse_images_keep_the_share_of_negatives() -> None:
    sampler = ShareKeepingSampler(size=40, positive_fraction=0.25)
    sampler.sparse = [True, True, False]
    found = counts(sampler, *(labels(objects=objects, background=90) for objects in (2, 0, 10)))
    assert found == [(2, 6), (0, 0), (10, 30)]


def test_the_share_is_learnt_from_fully_annotated_images() -> None:
    sampler = ShareKeepingSampler(size=40, positive_fraction=0.25)
    for _ in range(400):
        counts(sampler, labels(objects=4, background=90))
    assert sampler.share.ratio.item() == pytest.approx(9, rel=0.02)
    sampler.sparse = [True]
    assert counts(sampler, labels(objects=2, background=90)) == [(2, 18)]
    assert sampler.share.ratio.item() == pytest.approx(9, rel=0.02)


def test_a_sparse_image_without_a_known_object_teaches_nothing() -> None:
    network = build(SMALL, classes=2, body="resnet10")
    target = {
        "boxes": torch.zeros((0, 4)),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros((0, 64, 64), dtype=torch.uint8),
        "ignored": torch.zeros((0, 4)),
        "sparse": torch.tensor(True),
        "overlap": torch.tensor(0.5),
    }
    losses = network([torch.zeros((3, 64, 64), dtype=torch.uint8)], [target])
    assert [loss.item() for loss in losses.values()] == [0] * 6


def test_unused_proposals_stay_unused() -> None:
    sampler = ShareKeepingSampler(size=40, positive_fraction=0.25)
    sampler.sparse = [True]
    positives, negatives = sampler([labels(objects=3, background=3, unused=50)])
    assert not positives[0][6:].any()
    assert not negatives[0][6:].any()


def test_the_share_is_part_of_the_models_state() -> None:
    state = build(SMALL, classes=2, body="resnet10").state_dict()
    assert {"rpn.fg_bg_sampler.share.ratio", "roi_heads.fg_bg_sampler.share.ratio"} <= set(state)


def test_images_say_whether_they_are_sparse(initial: list[AnnotatedImage]) -> None:
    for sparse in (False, True):
        image = dataclasses.replace(initial[0], sparse=sparse)
        _, target = on_device(
            read_sample(image, short_side=48, category_ids=(1, 2, 3, 4, 5)),
            torch.device("cpu"),
            overlap=0.5,
        )
        assert bool(target["sparse"]) == sparse


def test_sparse_images_with_ignored_masks_can_be_learnt(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    images = [
        dataclasses.replace(
            image,
            categories=image.categories[:1],
            masks=image.masks[:1],
            crowd=image.crowd[:1],
            ignored=image.masks[1:],
            sparse=True,
        )
        for image in initial
    ]
    tiny = dataclasses.replace(SMALL, regions=8, proposals=(20, 10), judge_hidden=32, box_hidden=32)
    options = FitOptions(
        iterations=2, batch_size=2, short_side=64, hardware=Hardware(device="cpu", threads=1)
    )
    training = NetworkDetector(tiny).fit(
        images, category_ids=(1, 2, 3, 4, 5), folder=tmp_path, options=options
    )
    assert all(np.isfinite(step.losses["total"]) for step in training.history)
    content = load(training.model)
    assert content is not None
    untaught = (1 - tiny.objects_share) / tiny.objects_share  # no full image to learn it from
    assert content["network"]["roi_heads.fg_bg_sampler.share.ratio"].item() == untaught
