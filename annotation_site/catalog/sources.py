"""The images of a project as the detectors are given them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from django.core.files.storage import storages

from annotation_site.catalog.models import Image
from pipeline.pictures import ImageSource


def image_source(image: Image) -> ImageSource:
    """Where an image's pixels come from: its place on the disk, or the images storage."""
    path = image.path

    def opened() -> BinaryIO:
        if Path(path).is_absolute():
            return Path(path).open("rb")
        return cast(BinaryIO, storages["images"].open(path, "rb"))

    return ImageSource(image.name, opened, size=(image.height, image.width))
