"""Finding the image and the category that an entry of a results file means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from annotation_site.catalog.ground_truth import CategoryMap
from annotation_site.catalog.import_report import ImportReport, Kind
from annotation_site.catalog.models import Category, Image, Project, Role
from annotation_site.catalog.shards import PREDICTED_ROLES
from pipeline.batches import in_batches
from pipeline.coco import CocoCategory, CocoResult, is_list
from pipeline.coco_index import CocoIndex
from pipeline.coco_results import PlacedResult

AT_ONCE = 5_000

Reference = int | str
"""What an entry calls its image: COCO id or file name."""


@dataclass(frozen=True, slots=True)
class Placing:
    """How the entries of a file are understood.

    Attributes
    ----------
    categories : from the file's category ids to the project's
    names : the file's own list of images, by which ids mean file names; without it they are the project's
    """

    project: Project
    categories: CategoryMap
    names: CocoIndex | None

    def placed(self, results: Iterable[CocoResult], report: ImportReport) -> Iterator[PlacedResult]:
        """The results of confident enough masks in images to be predicted; the others are counted."""
        for batch in in_batches(results, AT_ONCE):
            confident = [result for result in batch if result.score >= self.project.confidence]
            report.taken["masks below the project's confidence"] += len(batch) - len(confident)
            images = self._images([result.image_id for result in confident])
            for result in confident:
                if placed := self._placed(result, images.get(result.image_id, ()), report):
                    yield placed

    def _placed(
        self, result: CocoResult, images: Sequence[Image], report: ImportReport
    ) -> PlacedResult | None:
        category = self.categories.find(result.category_id)
        if category is None:
            report.add(Kind.UNKNOWN_CATEGORY, self.categories.name_of(result.category_id))
        elif image := _the_one(result, images, report):
            return PlacedResult(
                image.pk,
                result.row,
                category.coco_id,
                result.score,
                result.predicted_iou,
                result.segmentation,
            )
        return None

    def _images(self, references: Iterable[Reference]) -> dict[Reference, list[Image]]:
        """The images that each reference may mean."""
        wanted = {reference: self._key(reference) for reference in set(references)}
        names = {key for key in wanted.values() if isinstance(key, str)}
        ids = {key for key in wanted.values() if isinstance(key, int)}
        found: defaultdict[Reference, list[Image]] = defaultdict(list)
        images = Image.objects.filter(project=self.project)
        for image in images.filter(name__in=names):
            found[image.name].append(image)
        for image in images.filter(coco_id__in=ids):
            found[image.coco_id or 0].append(image)
        return {reference: found[key] for reference, key in wanted.items() if key is not None}

    def _key(self, reference: Reference) -> Reference | None:
        """File name or COCO id in the project; None where the file does not list the id."""
        if self.names is None or isinstance(reference, str):
            return reference
        return self.names.file_name(reference)


def _the_one(result: CocoResult, images: Sequence[Image], report: ImportReport) -> Image | None:
    name = f"result {result.row}"
    predicted = [image for image in images if image.role in PREDICTED_ROLES]
    if len(predicted) == 1:
        return predicted[0]
    if predicted:
        told = " and ".join(f"{image.name} ({image.role})" for image in predicted[:3])
        report.add(Kind.AMBIGUOUS_IMAGE, name, f"{result.image_id} may be {told}; say which by --images")
    elif images:
        report.taken[f"masks of images of role {Role.INITIAL}"] += 1
    else:
        report.add(Kind.UNKNOWN_IMAGE, name, f"image {result.image_id} is not in the project")
    return None


@contextmanager
def placing(project: Project, results: Path, images: Path | None) -> Iterator[Placing]:
    """How to understand a results file, where a COCO file names its images and categories or none does.

    A results file that is an object with `images` and `categories` names them itself.
    """
    with ExitStack() as stack:
        naming = images or (None if is_list(results) else results)
        index = stack.enter_context(CocoIndex(naming, with_annotations=False)) if naming else None
        categories = list(project.categories.all())
        listed = index.categories if index is not None else []
        yield Placing(project, CategoryMap.between(listed or _own(categories), categories), index)


def _own(categories: Sequence[Category]) -> list[CocoCategory]:
    return [CocoCategory(category.coco_id, category.name) for category in categories]
