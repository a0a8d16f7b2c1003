"""What every detector of the table must do, whatever is inside."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import masks
from pipeline.detection import (
    DETECTORS,
    AnnotatedImage,
    Detector,
    DetectorUnavailable,
    FitOptions,
    Hardware,
    InvalidModel,
    NothingToLearn,
    PredictOptions,
    Training,
    get_detector,
)
from pipeline.pictures import ImageSource
from pipeline.progress import StopRequested

CATEGORIES = (1, 2, 3, 4, 5)
QUICK = FitOptions(
    iterations=3,
    batch_size=2,
    short_side=96,
    weights="none",
    checkpoint_every=2,
    hardware=Hardware(device="cpu"),
)
EVERYTHING = PredictOptions(min_confidence=0.0, max_masks=10, hardware=Hardware(device="cpu"))
HEAVY = {"maskrcnn-r50-fpn", "pointrend"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY)) for name in DETECTORS],
)
def detector(request: pytest.FixtureRequest) -> Detector:
    try:
        return get_detector(request.param)
    except DetectorUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def training(
    detector: Detector, initial: list[AnnotatedImage], tmp_path_factory: pytest.TempPathFactory
) -> Training:
    folder = tmp_path_factory.mktemp("model")
    return detector.fit(initial, category_ids=CATEGORIES, folder=folder, options=QUICK)


def broken(name: str = "broken.jpg") -> ImageSource:
    return ImageSource(name, lambda: io.BytesIO(b"\xff\xd8\xff not a picture"))


def test_fit_leaves_a_model_and_a_training_curve(training: Training) -> None:
    assert training.model.is_file()
    assert [step.iteration for step in training.history] == sorted(
        step.iteration for step in training.history
    )
    assert training.history[-1].iteration == QUICK.iterations
    assert all(np.isfinite(step.losses["total"]) for step in training.history)


def test_nothing_temporary_stays_behind(training: Training) -> None:
    assert not list(training.model.parent.rglob("*.part"))


def test_predictions_are_well_formed(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    predictor = detector.load(training.model, options=EVERYTHING)
    assert predictor.category_ids == CATEGORIES
    detections = list(predictor.predict([image.source for image in pool]))
    assert [detection.source for detection in detections] == [image.source for image in pool]
    for image, detection in zip(pool, detections, strict=True):
        found = detection.predictions
        assert found is not None
        assert len(found) <= EVERYTHING.max_masks
        assert all(rle["size"] == [image.height, image.width] for rle in found.masks)
        assert found.categories.dtype == np.int32
        assert set(found.categories.tolist()) <= set(CATEGORIES)
        assert found.boxes.shape == (len(found), 4)
        assert found.boxes.dtype == found.class_scores.dtype == found.predicted_ious.dtype == np.float32
        assert np.allclose(found.boxes, masks.boxes(found.masks).reshape(-1, 4))
        assert (masks.areas(found.masks) > 0).all()
        for values in (found.class_scores, found.predicted_ious):
            assert values.shape == (len(found),)
            assert ((values >= 0) & (values <= 1)).all()
        assert (np.diff(found.class_scores) <= 0).all()
    assert sum(len(detection.predictions or ()) for detection in detections) > 0


def test_every_mask_has_every_kind_of_feature(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    detections = detector.load(training.model, options=EVERYTHING).predict([image.source for image in pool])
    widths: dict[str, set[int]] = {kind: set() for kind in detector.feature_kinds}
    for detection in detections:
        assert detection.predictions is not None
        for kind, rows in detection.predictions.features.items():
            assert len(rows) == len(detection.predictions)
            assert np.isfinite(rows).all()
            widths[kind].add(rows.shape[1])
    assert all(len(width) == 1 and max(width) <= 1024 for width in widths.values())


def test_only_the_features_asked_for_are_kept(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    options = dataclasses.replace(EVERYTHING, features=("attention",))
    (detection,) = detector.load(training.model, options=options).predict([pool[0].source])
    assert detection.predictions is not None
    assert set(detection.predictions.features) == {"attention"}


def test_a_confidence_bound_drops_what_is_below_it(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    options = dataclasses.replace(EVERYTHING, min_confidence=0.5)
    for detection in detector.load(training.model, options=options).predict([image.source for image in pool]):
        assert detection.predictions is not None
        assert (detection.predictions.class_scores >= 0.5).all()


def test_predicting_twice_gives_the_same(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    sources = [image.source for image in pool]
    runs = [list(detector.load(training.model, options=EVERYTHING).predict(sources)) for _ in range(2)]
    for first, again in zip(*runs, strict=True):
        assert first.predictions is not None
        assert again.predictions is not None
        assert first.predictions.masks == again.predictions.masks
        assert np.array_equal(first.predictions.class_scores, again.predictions.class_scores)
        for kind in detector.feature_kinds:
            assert np.array_equal(first.predictions.features[kind], again.predictions.features[kind])


def test_a_broken_image_costs_itself_only_when_predicting(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    sources = [pool[0].source, broken(), pool[1].source]
    first, second, third = detector.load(training.model, options=EVERYTHING).predict(sources)
    assert first.predictions is not None
    assert third.predictions is not None
    assert second.predictions is None
    assert "broken.jpg" in second.problem


def test_few_images_are_read_ahead_whatever_their_number(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    taken = 0

    def endless() -> Iterator[ImageSource]:
        nonlocal taken
        while True:
            taken += 1
            yield pool[0].source

    options = dataclasses.replace(EVERYTHING, batch_size=1)
    detections = detector.load(training.model, options=options).predict(endless())
    for _ in range(3):
        assert next(detections).predictions is not None
    assert taken <= 3 + 8


def test_no_images_no_detections(detector: Detector, training: Training) -> None:
    assert list(detector.load(training.model, options=EVERYTHING).predict([])) == []


def test_a_sideways_photo_is_detected_upright(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    file = io.BytesIO()
    with pool[0].source.open() as opened, Image.open(opened) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(file, format="JPEG", exif=exif, quality=95)
    sideways = ImageSource("sideways.jpg", lambda: io.BytesIO(file.getvalue()))
    (detection,) = detector.load(training.model, options=EVERYTHING).predict([sideways])
    assert detection.predictions is not None
    assert all(rle["size"] == [pool[0].height, pool[0].width] for rle in detection.predictions.masks)


def test_a_broken_image_costs_itself_only_when_training(
    detector: Detector, initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    images = [dataclasses.replace(initial[0], source=broken("torn.jpg")), *initial[1:]]
    training = detector.fit(images, category_ids=CATEGORIES, folder=tmp_path, options=QUICK)
    assert set(training.skipped) == {"torn.jpg"}
    assert "torn.jpg" in training.skipped["torn.jpg"]


def test_training_on_nothing_is_refused(
    detector: Detector, initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    with pytest.raises(NothingToLearn, match="annotation of categories"):
        detector.fit(initial, category_ids=(77,), folder=tmp_path, options=QUICK)
    torn = [dataclasses.replace(image, source=broken(f"{k}.jpg")) for k, image in enumerate(initial)]
    with pytest.raises(NothingToLearn, match="could be read"):
        detector.fit(torn, category_ids=CATEGORIES, folder=tmp_path, options=QUICK)


def test_training_stops_when_asked(detector: Detector, initial: list[AnnotatedImage], tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str = "") -> None:
        if done >= 1:
            raise StopRequested

    with pytest.raises(StopRequested):
        detector.fit(initial, category_ids=CATEGORIES, folder=tmp_path, options=QUICK, progress=stop)


def test_detection_stops_when_asked(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    def stop(done: int, total: int, message: str = "") -> None:
        if done >= 1:
            raise StopRequested

    options = dataclasses.replace(EVERYTHING, batch_size=1)
    predictor = detector.load(training.model, options=options)
    with pytest.raises(StopRequested):
        list(predictor.predict([image.source for image in pool], progress=stop))


def test_progress_ends_at_the_number_of_images(
    detector: Detector, training: Training, pool: list[AnnotatedImage]
) -> None:
    reports: list[tuple[int, int]] = []
    sources = [image.source for image in pool]
    predictor = detector.load(training.model, options=EVERYTHING)
    list(predictor.predict(sources, progress=lambda done, total, _="": reports.append((done, total))))
    assert reports[-1] == (3, 3)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x80\x02garbage"])
def test_a_file_that_is_no_model_of_its_is_refused(
    detector: Detector, tmp_path: Path, content: bytes | None
) -> None:
    model = tmp_path / "some.model"
    if content is not None:
        model.write_bytes(content)
    with pytest.raises(InvalidModel, match=r"some\.model"):
        detector.load(model, options=EVERYTHING)


def test_importing_the_seam_does_not_import_torch() -> None:
    import subprocess

    code = "import sys, pipeline.detection, pipeline.detection.fake; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
