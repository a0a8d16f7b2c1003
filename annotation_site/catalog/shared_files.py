"""Image files that projects share: kept once by their content, forgotten with the last that has them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from django.core.files.storage import storages
from django.db import connection

from annotation_site.catalog.models import Image, Project

FILES_KEY = 18 << 56
"""An advisory key beside those of `catalog.claims` and of `verification.locks`."""


def hold_files(*, alone: bool = False) -> None:
    """Until the transaction ends, no kept file is forgotten; `alone`, nobody counts on one either.

    An import holds them from the moment it finds a file there until its row names that file.
    """
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [FILES_KEY])


def forget_files(images: Collection[Image]) -> None:
    """Delete what was copied here of some images of a project, unless another project has the same image.

    Their rows go in the same transaction. Files that were left in their own place stay there.
    """
    copied = [image for image in images if not Path(image.path).is_absolute()]
    if not copied:
        return
    hold_files(alone=True)
    others = Project.objects.exclude(pk__in={image.project_id for image in copied})
    same = Image.objects.filter(project__in=others, digest__in=[image.digest for image in copied])
    for name in {image.path for image in copied} - set(same.values_list("path", flat=True)):
        storages["images"].delete(name)
