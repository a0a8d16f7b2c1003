"""Zip files with a file or two an image: written part by part, whole or not at all, as of one moment."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Self

from PIL import Image as Picture

from annotation_site.catalog.models import Image, Project, Role
from annotation_site.results.by_image import Outlined, masks_by_image
from annotation_site.results.formats.choice import Choice
from annotation_site.results.outcomes import one_moment
from pipeline.coco import replacing_bytes
from pipeline.progress import Progress


class Archive:
    """A zip file on its way."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._stems: set[int] = set()

    @classmethod
    @contextmanager
    def at(cls, path: Path) -> Iterator[Self]:
        """One that takes the place of `path` at the end, or leaves no trace if the block fails."""
        with replacing_bytes(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            yield cls(archive)

    def text(self, name: str, content: str) -> None:
        """Add a text file."""
        self._file.writestr(name, content)

    def picture(self, name: str, picture: Picture.Image) -> None:
        """Add a PNG; it is compressed already."""
        content = BytesIO()
        picture.save(content, "PNG")
        self._file.writestr(name, content.getvalue(), zipfile.ZIP_STORED)

    def copy(self, name: str, path: Path) -> None:
        """Add a file from disk."""
        self._file.write(path, name)

    def stem(self, image: Image) -> str:
        """The image's name without its suffix; with its key where another image has that already."""
        name = PurePosixPath(image.name.lstrip("/")).with_suffix("").as_posix().replace("..", "_")
        taken = hash(name) in self._stems
        self._stems.add(hash(name))
        return f"{name}-{image.pk}" if taken else name


def images_of(project: Project, choice: Choice, progress: Progress) -> Iterator[tuple[Image, list[Outlined]]]:
    """Images with their chosen masks, within one moment that lasts as long as this is drawn from."""
    with one_moment():
        total = Image.objects.filter(project=project, role=Role.POOL).count()
        outcomes = choice.outcomes(project)
        found = masks_by_image(project, outcomes, choice.fates, every_image=choice.every_image)
        for done, (image, masks) in enumerate(found):
            progress(done, total, image.name)
            yield image, masks
        progress(total, total, "written")
