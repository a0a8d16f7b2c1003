"""What the small detector predicts on generated scenes, with ground truth: a world for the benchmarks.

    python benchmarks/detected.py --cache var/experiments

It trains on 150 scenes and predicts on 2,000 others, some twenty minutes on one core; the result is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline import coco, masks  # noqa: E402
from pipeline.coco import CocoAnnotation  # noqa: E402
from pipeline.experiments.triplets import Triplets  # noqa: E402
from pipeline.metrics import best_ious  # noqa: E402
from pipeline.progress import Progress, silent  # noqa: E402
from pipeline.scenes import SceneSet, write_scenes  # noqa: E402

SEED = 11
COUNTS = {"initial": 150, "pool": 2000}
FEATURE = "attention"


@dataclass(frozen=True, slots=True)
class Judged:
    """n predictions and how good they are.

    Attributes
    ----------
    features : (n, d) float32
    scores, ious : (n,) float32, of each mask, with the best object of its category
    categories, images : (n,) int64
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    ious: NDArray[np.float32]
    categories: NDArray[np.int64]
    images: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def by_class(self, rows: NDArray[np.bool_]) -> list[Triplets]:
        """Those of the rows marked, category by category; a single mask makes no tree."""
        kinds, counts = np.unique(self.categories[rows], return_counts=True)
        chosen = [rows & (self.categories == kind) for kind in kinds[counts > 1]]
        return [Triplets(self.features[one], self.scores[one], self.ious[one]) for one in chosen]


def read(*, cache: Path, iterations: int | None = None, progress: Progress = silent) -> Judged:
    """Predictions of `maskrcnn-small` on the pool of scenes, from class score 0.2; kept under `cache`."""
    kept = cache / f"detected-{SEED}-{COUNTS['initial']}-{COUNTS['pool']}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        found = _computed(cache / "detected", iterations, progress)
        with kept.with_suffix(".partial").open("wb") as file:
            np.savez_compressed(file, **{name: getattr(found, name) for name in Judged.__slots__})
        kept.with_suffix(".partial").replace(kept)
    with np.load(kept, allow_pickle=False) as stored:
        return Judged(**{name: stored[name] for name in Judged.__slots__})


def _computed(folder: Path, iterations: int | None, progress: Progress) -> Judged:
    from pipeline.detection import FitOptions, Hardware, PredictOptions, get_detector

    scenes = write_scenes(folder, seed=SEED, counts=COUNTS, progress=progress)
    ids = [category.id for category in coco.read_categories(scenes["initial"].annotations)]
    hardware = Hardware(device="cpu")
    detector = get_detector("maskrcnn-small")
    training = detector.fit(
        list(_annotated(scenes["initial"])),
        category_ids=ids,
        folder=folder / "model",
        options=FitOptions(iterations=iterations, seed=SEED, hardware=hardware),
        progress=progress,
    )
    options = PredictOptions(features=(FEATURE,), hardware=hardware)
    predictor = detector.load(training.model, options=options)
    truth = list(_annotated(scenes["pool"]))
    detections = predictor.predict([image.source for image in truth], progress=progress)
    parts = [
        _columns(image, detection.predictions, number)
        for number, (image, detection) in enumerate(zip(truth, detections, strict=True))
        if detection.predictions
    ]
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Judged(**columns)


def _annotated(scenes: SceneSet) -> Iterator[Any]:
    """The images of a role with their objects."""
    from pipeline.detection import AnnotatedImage
    from pipeline.pictures import ImageSource

    objects: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in coco.read_annotations(scenes.annotations):
        objects[annotation.image_id].append(annotation)
    for image in coco.read_images(scenes.annotations):
        held = objects[image.id]
        size = {"height": image.height, "width": image.width}
        yield AnnotatedImage(
            source=ImageSource.from_path(scenes.images / image.file_name),
            categories=np.array([one.category_id for one in held], np.int32),
            masks=[masks.from_coco(one.segmentation, **size) for one in held],
            crowd=np.array([one.iscrowd for one in held], np.bool_),
            **size,
        )


def _columns(image: Any, found: Any, number: int) -> dict[str, NDArray[np.generic]]:
    ious = np.zeros(len(found), np.float32)
    for category in np.unique(found.categories):
        rows = np.flatnonzero(found.categories == category)
        objects = [rle for rle, kind in zip(image.masks, image.categories, strict=True) if kind == category]
        ious[rows] = best_ious([found.masks[row] for row in rows], objects)
    return {
        "features": np.asarray(found.features[FEATURE], np.float32),
        "scores": found.scores,
        "ious": ious,
        "categories": found.categories.astype(np.int64),
        "images": np.full(len(found), number),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "experiments")
    found = read(
        cache=parser.parse_args().cache,
        progress=lambda done, total, message="": print(f"\r{message} {done}/{total}", end="", flush=True),
    )
    right = float(np.mean(found.ious >= 0.75))
    print(f"\n{len(found):,} masks of {len(np.unique(found.categories))} categories, {right:.0%} correct")


if __name__ == "__main__":
    main()
