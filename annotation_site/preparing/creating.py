"""Beginning a project as somebody who will own it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from annotation_site.access.granting import access_to, grant
from annotation_site.access.models import Access
from annotation_site.catalog.changing import check_parameters
from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import ProjectDiffers, create_project
from pipeline.coco import CocoCategory


@transaction.atomic
def create_owned_project(
    *,
    name: str,
    categories: Sequence[CocoCategory],
    owner: User,
    parameters: Mapping[str, Any] | None = None,
) -> Project:
    """Make a project whose owner is `owner`; asking again for the same one gives it again.

    Parameters
    ----------
    parameters : as `create_project` takes them

    Raises
    ------
    ProjectRefused
        When the name, a category or a parameter is not valid, or a file of the server is named.
    ProjectDiffers
        When the name is taken by another project, or by one that is not theirs to know.
    """
    created = create_project(name=name, categories=categories, parameters=parameters)
    if created.new:
        check_parameters(created.project, stored={})
        grant(project=created.project, user=owner, access=Access.OWNER)
    elif access_to(created.project, owner) is None:
        raise ProjectDiffers(f"There is a project {created.project.slug} already: choose another name.")
    return created.project
