"""Changing what a project was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import ProjectRefused, check_choices


@transaction.atomic
def change_parameters(*, project: Project, values: Mapping[str, Any]) -> Project:
    """Set parameters of a project; stages that are done, and rounds that are open, keep what they had.

    Parameters
    ----------
    values : by the names in `projects.PARAMETERS`

    Raises
    ------
    ProjectRefused
        When a value is not valid; nothing is changed.
    """
    check_choices(values)
    changed = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    for name, value in values.items():
        setattr(changed, name, value)
    try:
        changed.clean_fields()
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise ProjectRefused(told) from error
    changed.save(update_fields=list(values))
    return changed
