"""What accepted masks are worth to a model, against the drawn ones that the same hours would have bought.

The paper's experiment (Sec. 6, Usefulness): the detector is trained on the initial set alone, with drawn
masks of pool images added, and with the accepted masks added; its average precision is that on held-out
images. As many masks are drawn as fit the time that people spent answering for the accepted ones, at 80 s
each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annotation_site.catalog.detector_options import detector_options
from annotation_site.catalog.models import Project, Role, Round
from annotation_site.catalog.sparse_images import sparse_images
from annotation_site.catalog.storage import local_folder
from annotation_site.catalog.training import annotated_images, category_ids, model_folder
from annotation_site.results.truth import has_truth
from annotation_site.verification.models import SearchRules
from annotation_site.verification.paces import seconds_a_mask
from annotation_site.verification.yields import effort_of
from pipeline.detection import AnnotatedImage, FitOptions, PredictOptions, get_detector
from pipeline.detection.validation import Validation, validate
from pipeline.metrics import SECONDS_PER_DRAWING
from pipeline.progress import Progress, silent

LEAST_CONFIDENCE = 0.05
"""Average precision needs the long end of the predictions; projects drop it."""


class NothingToCompare(Exception):
    """The experiment lacks what it compares; the message says what and how to get it."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One training set, and how good a model one training made of it.

    Attributes
    ----------
    repeat : which of the trainings of this set, from 0; each has a seed of its own
    images, masks : learnt from, beyond the initial set
    hours : of people, for them
    """

    name: str
    repeat: int
    images: int
    masks: int
    hours: float
    validation: Validation

    def to_json(self) -> dict[str, Any]:
        """Plain values; those of the held-out images by the names of `Validation`, their number apart."""
        heldout = self.validation.to_json()
        return {
            "trained_on": self.name,
            "repeat": self.repeat,
            "heldout_images": heldout.pop("images"),
            **heldout,
            "images": self.images,
            "masks": self.masks,
            "hours": self.hours,
        }


Watch = Callable[[str], Progress]
SETS = ("initial", "initial + drawn", "initial + accepted")
"""What the three models learn from."""


def compare_usefulness(
    round_: Round,
    *,
    seeds: int = 1,
    watch: Watch = lambda _: silent,
    each: Callable[[Arm], object] = lambda _: None,
    device: str | None = None,
    **overrides: Any,
) -> list[Arm]:
    """Train on the initial set, with drawn and with accepted masks; validate the three on held-out images.

    Trainings that are finished are not repeated, one that was stopped goes on. What the first round and this
    one learnt from the same images with the same options is not learnt again.

    Parameters
    ----------
    round_ : whose known objects are the accepted masks
    seeds : trainings of each set, from 1; the first has the project's seed, the others the ones after it
    watch : is told the name of each training that begins, and gives what is told of its progress
    each : is told each training's outcome when it is known
    overrides : options of the training, in place of the project's; the same for all

    Raises
    ------
    NothingToCompare
        When nothing is accepted, nothing is held out, or no pool image is annotated.
    """
    project = round_.project
    heldout = list(annotated_images(project, Role.HELDOUT))
    initial = list(annotated_images(project, Role.INITIAL))
    accepted = list(sparse_images(round_))
    seconds = _seconds_of_answers(round_)
    drawn = drawn_images(project, masks=int(seconds / SECONDS_PER_DRAWING)) if has_truth(project) else []
    _check(project, heldout=heldout, accepted=accepted)
    found = []
    sets: tuple[tuple[Sequence[AnnotatedImage], float, Round | None], ...] = (
        ([], 0.0, project.rounds.get(number=1)),
        (drawn, _masks(drawn) * SECONDS_PER_DRAWING / 3600, None),
        (accepted, seconds / 3600, round_),
    )
    for name, (added, hours, same) in zip(SETS, sets, strict=True):
        for repeat in range(seeds):
            trainer = _Trainer(project, watch(name), device, overrides, repeat)
            validation = trainer.validation(name, [*initial, *added], heldout, same=None if repeat else same)
            found.append(Arm(name, repeat, len(added), _masks(added), hours, validation))
            each(found[-1])
    return found


def drawn_images(project: Project, *, masks: int) -> list[AnnotatedImage]:
    """Annotated pool images in random order, whole ones, as long as their masks fit; the same each time.

    The order is that of `project.seed`. An image that does not fit any more is left out and a smaller one
    may follow, so that hardly any of the hours is lost.
    """
    keys = project.images.filter(role=Role.POOL, coco_id__isnull=False, annotations__isnull=False)
    ids = np.array(sorted(set(keys.values_list("pk", flat=True))), np.int64)
    order = np.random.default_rng(project.seed % 2**63).permutation(ids).tolist()
    found: list[AnnotatedImage] = []
    left = masks
    for start in range(0, len(order), 100):
        for image in annotated_images(project, Role.POOL, only=order[start : start + 100]):
            count = len(image.masks)
            if count <= left:
                found.append(image)
                left -= count
        if not left:
            break
    return found


def _seconds_of_answers(round_: Round) -> float:
    """What the objects that the round began with have cost; its own answers bought none of them."""
    rules = SearchRules.objects.filter(round=round_).first()
    effort = effort_of(round_.project, until=rules.opened_at if rules else None)
    return effort.seconds or effort.questions * seconds_a_mask(round_.project)


def _masks(images: Sequence[AnnotatedImage]) -> int:
    return sum(len(image.masks) for image in images)


def _check(
    project: Project, *, heldout: Sequence[AnnotatedImage], accepted: Sequence[AnnotatedImage]
) -> None:
    slug = project.slug
    if not heldout:
        raise NothingToCompare(f"{slug} has no held-out images: `manage.py import_images {slug} DIR` first.")
    if not accepted:
        raise NothingToCompare(f"No mask of {slug} was accepted: let people answer first.")
    if not has_truth(project):
        raise NothingToCompare(
            f"The pool images of {slug} have no annotations to take drawn masks from: import them with a "
            "COCO file."
        )


@dataclass(frozen=True, slots=True)
class _Trainer:
    """Trains and validates one arm; `repeat` is added to the seed."""

    project: Project
    progress: Progress
    device: str | None
    overrides: dict[str, Any]
    repeat: int

    def validation(
        self,
        name: str,
        images: Sequence[AnnotatedImage],
        heldout: Sequence[AnnotatedImage],
        *,
        same: Round | None,
    ) -> Validation:
        """Fit, unless that is done, and validate; begins with a copy of what a round of the same set left."""
        project = self.project
        folder = f"projects/{project.pk}/usefulness/{name.replace(' + ', '-')}"
        if self.repeat:
            folder += f"-{self.repeat}"
        fit = detector_options(
            FitOptions,
            {"seed": project.seed % 2**31, **project.detector_options},
            device=self.device,
            **self.overrides,
        )
        fit = replace(fit, seed=(fit.seed + self.repeat) % 2**31)
        predict = detector_options(
            PredictOptions,
            {**project.detector_options, "min_confidence": LEAST_CONFIDENCE},
            device=self.device,
        )
        with local_folder(folder) as local:
            if same and not any(local.path.iterdir()):
                with local_folder(model_folder(same)) as learnt:
                    shutil.copytree(learnt.path, local.path, dirs_exist_ok=True)
            training = get_detector(project.detector).fit(
                images,
                category_ids=category_ids(project),
                folder=local.path,
                options=fit,
                progress=local.keeping(self.progress),
            )
            predictor = get_detector(project.detector).load(training.model, options=predict)
            return validate(predictor, heldout, k_iou=project.k_iou, progress=self.progress)
