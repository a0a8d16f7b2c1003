"""Sec. 6 and Fig. 11: what the accepted masks of real images are like, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.decisions import Thresholds, Verdict
from pipeline.experiments.predicted import Predicted
from pipeline.experiments.questions import PRODUCT, RIVAL, Contender
from pipeline.experiments.setting import FEWEST_CLUSTERED, NoData, Setting
from pipeline.experiments.worlds import decided
from pipeline.metrics import MATCHED, HumanTime, Tally
from pipeline.search import Decision, intervals

WAYS = {"paper": RIVAL, "product": PRODUCT}
SMALLEST = {"": 1, ", clusters of 15 and more": 15}
GRID = 12
MOST_PER_IMAGE = 20


def measure(setting: Setting) -> dict[str, Any]:
    """Per way of searching the numbers of Sec. 6, density, centres and classes, and those of the objects.

    Raises
    ------
    NoData
        On a simulated world, whose masks lie on no images.
    """
    if setting.searched is None:
        raise NoData("Simulated masks lie on no images: choose --world coco480, or the file of a project.")
    shown = setting.searched
    ways = {}
    for title, contender in WAYS.items():
        for suffix, smallest in SMALLEST.items():
            ways[title + suffix] = _way(setting, shown, contender, smallest)
    return {
        "images": len(shown.all_images),
        "objects": shown.drawn,
        "ways": ways,
        "truth": {
            **_looks(shown.object_images, shown.object_centres, shown.all_images),
            "classes": _counts(shown.object_categories),
        },
    }


def _way(setting: Setting, shown: Predicted, contender: Contender, smallest: int) -> dict[str, Any]:
    thresholds = replace(setting.thresholds, k_a=contender.k_a, min_size=smallest)
    decisions = decided(
        setting.world,
        thresholds,
        rule=contender.rule,
        strategy=contender.strategy,
        calibration=setting.held_out.calibrated(thresholds)[0],
        seed=setting.seed,
        reuse=contender.reuse,
    )
    rows = accepted_rows(setting, shown, decisions)
    questions = sum(decision.questions for decision in decisions)
    found = tally_of(shown, rows, thresholds)
    human = HumanTime(questions=questions, drawn=setting.drawn, accepted=len(rows))
    return {
        "questions": questions,
        "accepted_clusters": sum(decision.verdict is Verdict.ACCEPT for decision in decisions),
        "accepted": len(rows),
        "verification_hours": human.verification_hours,
        "initial_hours": human.initial_hours,
        "hours": human.hours,
        "drawing_hours": human.drawing_hours,
        "speed_up": _number(human.speed_up),
        "speed_up_without_initial": _number(replace(human, drawn=0).speed_up),
        "sq": _number(found.sq),
        "matched": found.matched,
        "precision": _number(found.precision),
        "quality": _number(found.quality),
        "coverage": _number(found.coverage),
        **_looks(shown.images[rows], shown.centres[rows], shown.all_images),
        "classes": _counts(shown.categories[rows]),
    }


def accepted_rows(setting: Setting, shown: Predicted, decisions: list[Decision]) -> NDArray[np.int64]:
    """(k,) rows of the predictions that the decisions accept."""
    categories, counts = np.unique(shown.categories, return_counts=True)
    kept = categories[counts >= FEWEST_CLUSTERED]
    rows = [np.empty(0, dtype=np.int64)]
    for index, (tree, category) in enumerate(zip(setting.world.trees, kept, strict=True)):
        of_leaves = np.flatnonzero(shown.categories == category)[tree.order]
        mine = [decision for decision in decisions if decision.tree == index]
        rows.extend(of_leaves[lo:hi] for lo, hi in intervals(tree, mine))
    return np.concatenate(rows)


def tally_of(shown: Predicted, rows: NDArray[np.int64], thresholds: Thresholds) -> Tally:
    """The tally of some predictions; an object is matched by the best of those whose best object it is."""
    ious, objects = shown.ious[rows].astype(np.float64), shown.objects[rows]
    best = np.zeros(shown.drawn)
    matching = ious > MATCHED
    np.maximum.at(best, objects[matching], ious[matching])
    return Tally(
        accepted=len(rows),
        correct=int((ious >= thresholds.k_iou).sum()),
        objects=shown.drawn,
        matched=int((best > 0).sum()),
        iou=float(best.sum()),
        best_iou=float(ious.sum()),
    )


def _looks(
    images: NDArray[np.int64], centres: NDArray[np.float32], all_images: NDArray[np.int64]
) -> dict[str, Any]:
    """How many masks an image has, and where in the image their middles lie."""
    _, of_image = np.unique(images, return_counts=True)
    per_image = np.concatenate([of_image, np.zeros(len(all_images) - len(of_image), dtype=np.int64)])
    grid, _, _ = np.histogram2d(centres[:, 1], centres[:, 0], bins=GRID, range=((0, 1), (0, 1)))
    return {
        "masks_per_image": float(per_image.mean()),
        "images_without": int((per_image == 0).sum()),
        "density": np.bincount(np.minimum(per_image, MOST_PER_IMAGE), minlength=MOST_PER_IMAGE + 1).tolist(),
        "centres": (grid / max(grid.sum(), 1)).round(5).tolist(),
        "distance_to_middle": _number(float(np.hypot(*(centres - 0.5).T).mean())) if len(centres) else None,
    }


def _counts(categories: NDArray[np.int64]) -> dict[str, int]:
    found, counts = np.unique(categories, return_counts=True)
    return {str(category): int(count) for category, count in zip(found, counts, strict=True)}


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return float(value) if np.isfinite(value) else None


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Density and classes above, centres below: of the masks accepted, and of the objects."""
    (density, classes), (ours, theirs) = figure.subplots(2, 2)
    way, truth = numbers["ways"]["product"], numbers["truth"]
    at = np.arange(MOST_PER_IMAGE + 1)
    density.bar(at - 0.2, truth["density"], width=0.4, label="objects")
    density.bar(at + 0.2, way["density"], width=0.4, label="accepted masks")
    density.set(xlabel=f"an image ({MOST_PER_IMAGE}: or more)", ylabel="images", title="density")
    density.legend()
    ranked = sorted(truth["classes"], key=lambda name: -truth["classes"][name])
    classes.plot([truth["classes"][name] for name in ranked], label="objects")
    classes.plot([way["classes"].get(name, 0) for name in ranked], ".", label="accepted masks")
    classes.set(xlabel="class, by number of objects", yscale="symlog", title="classes")
    classes.legend()
    for panel, of, title in ((ours, way, "accepted masks"), (theirs, truth, "objects")):
        panel.imshow(of["centres"], vmin=0, vmax=max(map(max, truth["centres"])))
        panel.set(xticks=[], yticks=[], title=f"centres of {title}")
