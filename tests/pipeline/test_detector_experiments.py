"""The experiments that train detectors, at toy size and with a detector that sees colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.detection import AnnotatedImage
from pipeline.experiments.detectors import features, initial_sets, sparse
from pipeline.experiments.detectors.__main__ import EXPERIMENTS, main
from pipeline.experiments.detectors.trial import NothingSeen, Trial, see, true_ious
from pipeline.predictions import Predictions
from pipeline.scenes import SceneOptions

SCENES = SceneOptions(
    height=96, width=128, objects=(2, 3), lookalikes=(0, 1), grass=(0, 0), diameters=(32, 48), min_area=60
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(
        folder=tmp_path_factory.mktemp("trial"),
        images={"initial": 8, "heldout": 8, "pool": 12},
        detector="fake",
        scenes=SCENES,
    )


@pytest.fixture(scope="module")
def images(trial: Trial) -> dict[str, list[AnnotatedImage]]:
    return trial.paint()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_writes_its_numbers_and_its_figure(
    name: str,
    trial: Trial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("pipeline.experiments.detectors.__main__._trial", lambda _asked: trial)
    main([name, "--detector", "fake", "--out", str(tmp_path)])
    numbers = json.loads((tmp_path / f"{name}-fake.json").read_text())
    assert numbers["scenes"] == trial.images
    assert (tmp_path / f"{name}-fake.png").read_bytes().startswith(b"\x89PNG")
    assert f"{name}-fake.json" in capsys.readouterr().out


def test_every_kind_of_features_clusters_the_same_masks(
    trial: Trial, images: dict[str, list[AnnotatedImage]]
) -> None:
    seen = see(trial.train(images["initial"], name="some"), images["pool"])
    grown = features.worlds(seen, seed=0)
    assert len(grown) == 6
    for world in grown.values():
        assert np.allclose(np.sort(np.concatenate(world.ious)), np.sort(seen.ious))


def test_an_initial_set_costs_the_hours_of_drawing_it(trial: Trial) -> None:
    numbers = initial_sets.measure(trial)
    assert list(numbers["courses"]) == ["1 images", "2 images", "4 images", "8 images"]
    for name, course in numbers["courses"].items():
        if course["hours"]:
            seconds = 80 * numbers["ends"][name]["drawn"] + 30 * course["clusters"][-1]
            assert course["hours"][-1] == pytest.approx(seconds / 3600, abs=1e-3)


def test_thinning_leaves_half_of_the_annotations(images: dict[str, list[AnnotatedImage]]) -> None:
    for image in images["initial"]:
        thin = sparse.thinned(image, seed=3)
        assert len(thin.masks) == -(-len(image.masks) // 2)
        assert all(rle in image.masks for rle in thin.masks)
        assert thin.masks == sparse.thinned(image, seed=3).masks


def test_what_is_predicted_beyond_the_known_objects_is_ignored(
    trial: Trial, images: dict[str, list[AnnotatedImage]]
) -> None:
    thin = [sparse.thinned(image, seed=1) for image in images["pool"]]
    told = sparse.as_sparse(thin, trial.train(images["initial"], name="some"))
    assert all(image.sparse for image in told)
    assert sum(len(image.ignored) for image in told) > 0
    for image in told:
        assert len(image.ignored) == len(image.ignored_scores)
        assert not any(rle in image.masks for rle in image.ignored)


def test_true_ious_are_those_with_objects_of_the_same_category(
    images: dict[str, list[AnnotatedImage]],
) -> None:
    image = images["pool"][0]
    other = np.where(image.categories == 1, 2, 1).astype(np.int32)
    for categories, expected in ((image.categories, 1.0), (other, 0.0)):
        ones = np.ones(len(image.masks), np.float32)
        told = Predictions(categories, np.zeros((len(ones), 4), np.float32), ones, ones, list(image.masks))
        if expected or not set(other) & set(image.categories):
            assert np.allclose(true_ious(told, image), expected)


def test_a_detector_that_sees_nothing_is_told_so(
    trial: Trial, images: dict[str, list[AnnotatedImage]]
) -> None:
    class Blind:
        category_ids = (1,)

        def predict(self, sources, *, progress=None):
            return iter(())

    with pytest.raises(NothingSeen, match="learn longer"):
        see(Blind(), [])
