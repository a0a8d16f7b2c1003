"""The project that a command is to change."""

from __future__ import annotations

from django.core.management.base import CommandError

from annotation_site.catalog.archived import ProjectArchived, check_in_use
from annotation_site.catalog.models import Project
from annotation_site.catalog.rounds import find_project


def project_to_change(slug: str) -> Project:
    """The project of a slug, as people type it.

    Raises
    ------
    UnknownProject
    CommandError
        When it is archived.
    """
    project = find_project(slug)
    try:
        check_in_use(project)
    except ProjectArchived as refusal:
        raise CommandError(str(refusal)) from refusal
    return project
