"""Annotations of a COCO file as rows: clipped to their image, turned with it, of the project's categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from annotation_site.catalog.import_report import ImportReport, Kind
from annotation_site.catalog.models import Annotation, Category
from annotation_site.catalog.originals import Original
from pipeline import masks
from pipeline.coco import CocoAnnotation, CocoCategory, CocoImage
from pipeline.masks import EmptyMask, InvalidMask
from pipeline.predictions import Rle


@dataclass(frozen=True, slots=True)
class CategoryMap:
    """From the category ids of a file to the project's categories, by name.

    Attributes
    ----------
    known : file's id -> the project's category
    unknown : file's id -> name of a category that the project does not have
    """

    known: Mapping[int, Category]
    unknown: Mapping[int, str]

    @classmethod
    def between(cls, listed: Iterable[CocoCategory], categories: Iterable[Category]) -> CategoryMap:
        """Match the categories that a file lists with the project's by name, whatever their ids."""
        by_name = {category.name.strip(): category for category in categories}
        names = {entry.id: entry.name.strip() for entry in listed}
        known = {id_: by_name[name] for id_, name in names.items() if name in by_name}
        return cls(known, {id_: name for id_, name in names.items() if name not in by_name})

    def find(self, id_: int) -> Category | None:
        """The project's category, or None."""
        return self.known.get(id_)

    def name_of(self, id_: int) -> str:
        """What to call a category that is not known."""
        return self.unknown.get(id_, f"id {id_}")


def size_fits(entry: CocoImage, original: Original) -> bool:
    """Whether a file's entry describes this image, upright or as its pixels are stored."""
    if entry.width is None or entry.height is None:
        return True
    return (entry.width, entry.height) == (original.width, original.height) or _is_sideways(entry, original)


def _is_sideways(entry: CocoImage, original: Original) -> bool:
    stored = (original.height, original.width)
    return original.is_turned and original.width != original.height and (entry.width, entry.height) == stored


def annotations_of(
    entry: CocoImage,
    original: Original,
    listed: Iterable[CocoAnnotation],
    *,
    categories: CategoryMap,
    report: ImportReport,
) -> list[Annotation]:
    """Unsaved rows, without their image, of what a file lists for an image.

    What an entry draws outside the image is cut off; an entry with no pixel inside is left out. Where the
    file gives the image's size as stored on its side, the masks are turned along with the image.
    """
    sideways = _is_sideways(entry, original)
    rows: list[Annotation] = []
    seen: set[int | None] = set()
    for annotation in listed:
        name = f"annotation {annotation.id} of {entry.file_name}"
        category = categories.find(annotation.category_id)
        if category is None:
            report.add(Kind.UNKNOWN_CATEGORY, categories.name_of(annotation.category_id))
        elif annotation.id is not None and annotation.id in seen:
            report.add(Kind.DUPLICATE_ANNOTATION, name)
        elif (mask := _outlined(annotation, original, sideways, name, report)) is not None:
            rows.append(_row(annotation, category, mask))
            seen.add(annotation.id)
    return rows


def _outlined(
    annotation: CocoAnnotation, original: Original, sideways: bool, name: str, report: ImportReport
) -> Rle | None:
    width, height = original.width, original.height
    if sideways:
        width, height = height, width
    try:
        mask = masks.from_coco(annotation.segmentation, height=height, width=width)
    except EmptyMask as error:
        report.add(Kind.OUTSIDE, name, str(error))
    except InvalidMask as error:
        report.add(Kind.INVALID_MASK, name, str(error))
    else:
        return masks.oriented(mask, original.orientation) if sideways else mask
    return None


def _row(annotation: CocoAnnotation, category: Category, mask: Rle) -> Annotation:
    x, y, width, height = masks.boxes([mask])[0].tolist()
    return Annotation(
        category=category,
        x=x,
        y=y,
        width=width,
        height=height,
        counts=mask["counts"],
        area=float(masks.areas([mask])[0]),
        is_crowd=annotation.iscrowd,
        coco_id=annotation.id,
    )
