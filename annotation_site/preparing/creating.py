"""Beginning a project as somebody who will own it."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import ProjectDiffers, create_project
from pipeline.coco import CocoCategory


@transaction.atomic
def create_owned_project(
    *, name: str, description: str, categories: Sequence[CocoCategory], owner: User
) -> Project:
    """Make a project whose owner is `owner`.

    Raises
    ------
    ProjectRefused
        When the name, a category or a parameter is not valid.
    ProjectDiffers
        When there is a project of that name, whoever has it.
    """
    parameters = {"description": description} if description else {}
    created = create_project(name=name, categories=categories, parameters=parameters)
    if not created.new:
        raise ProjectDiffers(f"There is a project {created.project.slug} already: choose another name.")
    grant(project=created.project, user=owner, access=Access.OWNER)
    return created.project
