"""A detector without a network: quick, deterministic, and good enough to drive all that comes after it.

With the truth at hand it predicts spoiled copies of it, right and wrong in known shares; without, it takes
blobs that stand out from the ground and names them by colour. Tests and trials of the site use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline import masks
from pipeline.detection.detector import (
    AnnotatedImage,
    Detection,
    InvalidModel,
    NothingToLearn,
    Step,
    Training,
    Watch,
    check_learnable,
    fingerprint,
    unwatched,
)
from pipeline.detection.options import FitOptions, PredictOptions
from pipeline.pictures import ImageSource, UnreadableImage, pixels, read_upright
from pipeline.predictions import FEATURE_KINDS, Predictions, Rle
from pipeline.progress import Progress, silent

DIMENSIONS = 32
"""Of its feature vectors."""

ITERATIONS = 20
FORMAT = "maskgrove-fake-1"


@dataclass(frozen=True, slots=True)
class Spoiling:
    """How often and how badly the fake is wrong.

    Attributes
    ----------
    good : share of objects whose mask is kept nearly right (IoU well over 0.75)
    missed : share of objects that are not predicted at all
    invented : expected number of predictions of an image that are no object
    """

    good: float = 0.7
    missed: float = 0.1
    invented: float = 0.5


@dataclass(frozen=True, slots=True)
class FakeDetector:
    """Satisfies Detector; `truth` maps the name of an image source to what is in it."""

    truth: Mapping[str, AnnotatedImage] = field(default_factory=dict)
    spoiling: Spoiling = Spoiling()

    @property
    def feature_kinds(self) -> tuple[str, ...]:
        return FEATURE_KINDS

    def fit(
        self,
        images: Sequence[AnnotatedImage],
        *,
        category_ids: Sequence[int],
        folder: Path,
        options: FitOptions,
        progress: Progress = silent,
        watch: Watch = unwatched,
    ) -> Training:
        """Learn the mean colour of each category, one image at a time."""
        check_learnable(images, category_ids)
        folder.mkdir(parents=True, exist_ok=True)
        model, recipe = folder / "model.json", fingerprint(images, tuple(category_ids), options.seed)
        colours, skipped = _mean_colours(images, category_ids, progress)
        if not colours:
            raise NothingToLearn(f"None of {len(images)} annotated images could be read: {skipped}.")
        history = _imagined_history(options.iterations or ITERATIONS)
        for step in history:
            watch(step)
        content = {
            "format": FORMAT,
            "recipe": recipe,
            "seed": options.seed,
            "category_ids": [int(category_id) for category_id in category_ids],
            "colours": {str(category_id): colour.tolist() for category_id, colour in colours.items()},
        }
        temporary = model.with_suffix(".part")
        temporary.write_text(json.dumps(content))
        temporary.replace(model)
        return Training(model, history, skipped)

    def load(self, model: Path, *, options: PredictOptions) -> FakePredictor:
        try:
            content = json.loads(model.read_text())
        except (OSError, ValueError) as error:
            raise InvalidModel(f"{model} cannot be read ({error}): train again.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InvalidModel(f"{model} is not a model of the fake detector: train again.")
        colours = {int(key): np.array(value) for key, value in content["colours"].items()}
        return FakePredictor(
            category_ids=tuple(content["category_ids"]),
            colours=colours,
            seed=content["seed"],
            truth=self.truth,
            spoiling=self.spoiling,
            options=options,
        )


def _mean_colours(
    images: Sequence[AnnotatedImage], category_ids: Sequence[int], progress: Progress
) -> tuple[dict[int, NDArray[np.float64]], dict[str, str]]:
    """The mean colour of each category over its annotated objects, and the images that could not be read."""
    seen: dict[int, list[NDArray[np.float64]]] = {}
    skipped: dict[str, str] = {}
    for done, image in enumerate(images):
        progress(done, len(images), "Training")
        try:
            picture = pixels(read_upright(image.source))
        except UnreadableImage as error:
            skipped[image.source.name] = str(error)
            continue
        for category_id, rle in zip(image.categories.tolist(), image.masks, strict=True):
            inside = masks.decode(rle).astype(bool)
            if category_id in category_ids and inside.shape == picture.shape[:2] and inside.any():
                seen.setdefault(category_id, []).append(picture[inside].mean(0))
    progress(len(images), len(images), "Training")
    return {category_id: np.mean(found, axis=0) for category_id, found in sorted(seen.items())}, skipped


def _imagined_history(iterations: int) -> tuple[Step, ...]:
    """A training curve that falls, for pages that draw one."""
    return tuple(
        Step(k, {"total": 0.2 + 2.0 * float(np.exp(-4 * k / iterations))}, 1e-3)
        for k in range(1, iterations + 1)
    )


@dataclass(frozen=True, slots=True)
class FakePredictor:
    """Satisfies Predictor."""

    category_ids: tuple[int, ...]
    colours: Mapping[int, NDArray[np.float64]]
    seed: int
    truth: Mapping[str, AnnotatedImage]
    spoiling: Spoiling
    options: PredictOptions

    def predict(self, images: Iterable[ImageSource], *, progress: Progress = silent) -> Iterator[Detection]:
        total = len(images) if isinstance(images, Sized) else 0
        for done, source in enumerate(images):
            progress(done, total, "Detecting")
            yield self._detect(source)
        progress(total, total, "Detecting")

    def _detect(self, source: ImageSource) -> Detection:
        digest = hashlib.sha256(f"{self.seed}:{source.name}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        try:
            picture = pixels(read_upright(source))
        except UnreadableImage as error:
            return Detection(source, None, str(error))
        known = self.truth.get(source.name)
        guesses = _blobs(picture, self.colours) if known is None else self._spoiled(known, rng)
        return Detection(source, self._predictions([guess for guess in guesses if guess.mask.any()], rng))

    def _spoiled(self, known: AnnotatedImage, rng: np.random.Generator) -> list[_Guess]:
        guesses = []
        for category_id, rle, crowd in zip(known.categories.tolist(), known.masks, known.crowd, strict=True):
            if crowd or category_id not in self.category_ids or rng.random() < self.spoiling.missed:
                continue
            guesses.append(
                _spoiled_copy(masks.decode(rle).astype(bool), category_id, self.spoiling.good, rng)
            )
        return guesses + [
            _invented(known.height, known.width, int(rng.choice(self.category_ids)), rng)
            for _ in range(rng.poisson(self.spoiling.invented))
        ]

    def _predictions(self, guesses: list[_Guess], rng: np.random.Generator) -> Predictions:
        guesses = [guess for guess in guesses if guess.class_score >= self.options.min_confidence]
        guesses = sorted(guesses, key=lambda guess: -guess.class_score)[: self.options.max_masks]
        rles: list[Rle] = [masks.encode(guess.mask) for guess in guesses]
        return Predictions(
            categories=np.array([guess.category_id for guess in guesses], dtype=np.int32),
            boxes=masks.boxes(rles).astype(np.float32).reshape(-1, 4),
            class_scores=np.array([guess.class_score for guess in guesses], dtype=np.float32),
            predicted_ious=np.array([guess.predicted_iou for guess in guesses], dtype=np.float32),
            masks=rles,
            features={kind: _features(guesses, kind, rng) for kind in self.options.features},
        )


@dataclass(frozen=True, slots=True)
class _Guess:
    """One prediction in the making; `looks` places it among its like in feature space."""

    mask: NDArray[np.bool_]
    category_id: int
    class_score: float
    predicted_iou: float
    looks: int


def _spoiled_copy(mask: NDArray[np.bool_], category_id: int, good: float, rng: np.random.Generator) -> _Guess:
    """A copy of a true mask, nearly right or with a good part cut off, and scores that know mostly which."""
    if rng.random() < good:
        copy, looks = _frayed(mask, rng), 0
    else:
        copy, looks = _cut(mask, rng.uniform(0.3, 0.6), rng), int(rng.integers(1, 4))
    iou = float(np.count_nonzero(copy & mask)) / max(1, int(np.count_nonzero(copy | mask)))
    return _Guess(
        mask=copy,
        category_id=category_id,
        class_score=float(np.clip(0.45 + 0.45 * iou + rng.normal(0, 0.08), 0.2, 1)),
        predicted_iou=float(np.clip(iou + rng.normal(0, 0.06), 0, 1)),
        looks=looks,
    )


def _frayed(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The mask with some pixels of its edge flipped, at most a tenth of its area."""
    edge = np.flatnonzero(mask ^ ndimage.binary_erosion(mask))
    few = rng.permutation(edge)[: min(len(edge) // 2, int(np.count_nonzero(mask)) // 10)]
    copy = mask.copy()
    copy.flat[few] = False
    return copy if copy.any() else mask


def _cut(mask: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The mask without `share` of its pixels, on one side of a straight line."""
    rows, columns = np.nonzero(mask)
    turn = rng.uniform(0, 2 * np.pi)
    along = rows * np.sin(turn) + columns * np.cos(turn)
    keep = along >= np.quantile(along, share)
    copy = np.zeros_like(mask)
    copy[rows[keep], columns[keep]] = True
    return copy


def _invented(height: int, width: int, category_id: int, rng: np.random.Generator) -> _Guess:
    """A disc where nothing need be."""
    y, x = np.ogrid[:height, :width]
    radius = rng.uniform(0.05, 0.15) * min(height, width)
    disc = (y - rng.uniform(0, height)) ** 2 + (x - rng.uniform(0, width)) ** 2 <= max(1.0, radius) ** 2
    return _Guess(disc, category_id, float(rng.uniform(0.2, 0.6)), float(rng.uniform(0, 0.5)), looks=4)


def _blobs(picture: NDArray[np.uint8], colours: Mapping[int, NDArray[np.float64]]) -> list[_Guess]:
    """Connected regions unlike the picture's median colour, named by the category nearest in colour."""
    smooth = ndimage.gaussian_filter(picture.astype(np.float32), sigma=(1, 1, 0))
    contrast = np.linalg.norm(smooth - np.median(smooth, axis=(0, 1)), axis=2)
    marks, number = ndimage.label(contrast > contrast.mean() + contrast.std())
    sizes = np.bincount(marks.ravel(), minlength=number + 1)
    known = np.stack(list(colours.values()))
    guesses = []
    for blob in np.flatnonzero(sizes[1:] >= max(16, picture[:, :, 0].size // 500)) + 1:
        region = ndimage.binary_fill_holes(marks == blob)
        distance = np.linalg.norm(known - picture[region].mean(0), axis=1)
        likely = np.exp(-distance / 40)
        nearest = int(np.argmin(distance))
        share = float(likely[nearest] / likely.sum())
        guesses.append(_Guess(region, list(colours)[nearest], share, _solidity(region), looks=0))
    return guesses


def _solidity(region: NDArray[np.bool_]) -> float:
    """The share of its box that a region fills, of the ellipse that would fill it best; in [0, 1]."""
    (box,) = ndimage.find_objects(region.astype(np.int8))
    return float(min(1.0, region[box].mean() / (np.pi / 4)))


def _features(guesses: list[_Guess], kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """(k, DIMENSIONS) vectors that lie near those of the same category and looks."""
    rows = np.zeros((len(guesses), DIMENSIONS), dtype=np.float32)
    for row, guess in zip(rows, guesses, strict=True):
        place = np.random.default_rng([FEATURE_KINDS.index(kind), guess.category_id, guess.looks])
        row[:] = place.normal(0, 1, DIMENSIONS) + rng.normal(0, 0.25, DIMENSIONS)
    return rows
