"""Masks as Pascal VOC has them: a PNG of classes, a PNG of objects and an XML of boxes for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from annotation_site.catalog.models import Category, Image, Project
from annotation_site.results.by_image import Outlined, by_score
from annotation_site.results.formats.archives import Archive, images_of
from annotation_site.results.formats.choice import Choice
from pipeline import masks
from pipeline.progress import Progress

MOST_IN_A_PALETTE = 255


def write(project: Project, choice: Choice, path: Path, _at: datetime, progress: Progress) -> int:
    """`SegmentationClass`, `SegmentationObject`, `Annotations` and `labels.txt`; the better score on top."""
    categories = list(project.categories.all())
    numbered = {category.coco_id: (number, category) for number, category in enumerate(categories, start=1)}
    written = 0
    with Archive.at(path) as archive:
        for image, found in images_of(project, choice, progress):
            ranked, stem = sorted(found, key=by_score), archive.stem(image)
            classes, objects = _painted(image, ranked, numbered)
            archive.picture(f"SegmentationClass/{stem}.png", _indexed(classes, len(categories)))
            archive.picture(f"SegmentationObject/{stem}.png", _indexed(objects, len(ranked)))
            archive.text(f"Annotations/{stem}.xml", _boxes(image, ranked, numbered))
            written += len(ranked)
        archive.text(
            "labels.txt", "".join(f"{name}\n" for name in ["background", *(c.name for c in categories)])
        )
    return written


Numbered = Mapping[int, tuple[int, Category]]


def _painted(
    image: Image, ranked: Sequence[Outlined], numbered: Numbered
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """(height, width) uint16 of classes and of objects; 0 is the background."""
    classes, objects = np.zeros((2, image.height, image.width), np.uint16)
    for number, mask in enumerate(ranked, start=1):
        pixels = masks.decode(mask.rle)
        classes[pixels], objects[pixels] = numbered[mask.category][0], number
    return classes, objects


def _indexed(values: NDArray[np.uint16], most: int) -> Picture.Image:
    """With VOC's palette; in 16 bits where that does not suffice."""
    if most > MOST_IN_A_PALETTE:
        return Picture.fromarray(values)
    picture = Picture.fromarray(values.astype(np.uint8), mode="P")
    picture.putpalette(_palette())
    return picture


def _palette() -> list[int]:
    """VOC's colours: the bits of an index, spread over red, green and blue from the highest down."""
    index = np.arange(256)
    colour = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colour[:, channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    palette: list[int] = colour.ravel().tolist()
    return palette


def _boxes(image: Image, ranked: Sequence[Outlined], numbered: Numbered) -> str:
    root = Xml.Element("annotation")
    Xml.SubElement(root, "filename").text = image.name
    size = Xml.SubElement(root, "size")
    for side, pixels in (("width", image.width), ("height", image.height), ("depth", 3)):
        Xml.SubElement(size, side).text = str(pixels)
    Xml.SubElement(root, "segmented").text = "1"
    for mask in ranked:
        thing = Xml.SubElement(root, "object")
        Xml.SubElement(thing, "name").text = numbered[mask.category][1].name
        box = Xml.SubElement(thing, "bndbox")
        x, y, width, height = mask.box
        for side, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height)):
            Xml.SubElement(box, side).text = f"{value:g}"
    return Xml.tostring(root, encoding="unicode")
