"""The detector table, its options, and the data that goes through the seam."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline import masks
from pipeline.detection import (
    DETECTORS,
    AnnotatedImage,
    DetectorUnavailable,
    Entry,
    FitOptions,
    Hardware,
    InvalidOption,
    PredictOptions,
    UnknownDetector,
    get_detector,
)
from pipeline.detection.detector import fingerprint
from pipeline.detection.options import _quota, available_cpus


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownDetector, match=r"'yolo'.*fake"):
        get_detector("yolo")


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> None:
        raise ModuleNotFoundError("No module named 'detectron2'", name="detectron2")

    monkeypatch.setitem(DETECTORS, "pointless", Entry("", make, "pip install 'maskgrove[pointless]'"))
    with pytest.raises(DetectorUnavailable, match=r"needs detectron2.*maskgrove\[pointless\]"):
        get_detector("pointless")


def test_options_come_from_json_with_the_hardware_among_them() -> None:
    options = FitOptions.from_mapping({"iterations": 5, "seed": 3, "device": "cpu", "threads": 1})
    assert options == FitOptions(iterations=5, seed=3, hardware=Hardware(device="cpu", threads=1))
    predicting = PredictOptions.from_mapping({"features": ["mask"], "loaders": 2})
    assert predicting == PredictOptions(features=("mask",), hardware=Hardware(loaders=2))


def test_a_path_in_json_becomes_a_path() -> None:
    assert FitOptions.from_mapping({"start_from": "round1/model.pt"}).start_from == Path("round1/model.pt")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"itterations": 5}, "itterations"),
        ({"iterations": 0}, "iterations is 0"),
        ({"learning_rate": -1}, "learning_rate is -1"),
        ({"ignored_overlap": 0}, "ignored_overlap is 0"),
        ({"ignored_score": 2}, "ignored_score is 2"),
        ({"threads": 0}, "threads is 0"),
        ({"short_side": 8}, "short_side is 8"),
        ({"iterations": "many"}, "wrong type"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        FitOptions.from_mapping(values)


@pytest.mark.parametrize("features", ["attention", ["attention", "colour"], 3, None])
def test_kinds_of_features_are_a_list_of_those_that_there_are(features: object) -> None:
    with pytest.raises(InvalidOption, match="not a list of mask, backbone, mask_iou, attention"):
        PredictOptions.from_mapping({"features": features})


def test_a_confidence_is_a_share() -> None:
    with pytest.raises(InvalidOption, match="min_confidence"):
        PredictOptions(min_confidence=20)


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_cpus() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert available_cpus() < 100000


@pytest.mark.parametrize(
    ("written", "cpus"), [("200000 100000", 2), ("50000 100000", 1), ("max 100000", 1 << 16)]
)
def test_threads_follow_a_containers_quota(tmp_path: Path, written: str, cpus: int) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(written)
    assert _quota(limit) == cpus
    assert _quota(tmp_path / "missing") == 1 << 16


def test_an_annotated_image_needs_one_mask_a_category(initial: list[AnnotatedImage]) -> None:
    with pytest.raises(ValueError, match="one of each per object"):
        dataclasses.replace(initial[0], categories=np.array([1], dtype=np.int32), masks=[])


def test_an_annotated_image_needs_masks_of_its_size(initial: list[AnnotatedImage]) -> None:
    with pytest.raises(ValueError, match=r"a mask of \[2, 2\]"):
        dataclasses.replace(initial[0], ignored=[masks.encode(np.ones((2, 2), dtype=bool))])


def test_the_fingerprint_tells_other_training_data_apart(initial: list[AnnotatedImage]) -> None:
    first = initial[0]
    assert fingerprint(initial, 1) == fingerprint(list(initial), 1)
    others = [
        fingerprint(initial, 2),
        fingerprint(initial[1:], 1),
        fingerprint([*initial[1:], first], 1),
        fingerprint([dataclasses.replace(first, categories=first.categories + 1), *initial[1:]], 1),
        fingerprint([dataclasses.replace(first, ignored=first.masks[:1]), *initial[1:]], 1),
    ]
    assert len({fingerprint(initial, 1), *others}) == 6
