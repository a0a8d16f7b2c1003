"""Changing what a project was begun with: its parameters, and its categories while no model knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from annotation_site.catalog.detector_options import check_no_further_file, check_options, merged_options
from annotation_site.catalog.models import Annotation, Category, Project, StageRun
from annotation_site.catalog.projects import (
    ProjectRefused,
    category_row,
    check_categories,
    check_choices,
)
from pipeline.aggregation import AGGREGATIONS
from pipeline.coco import CocoCategory
from pipeline.decisions import Thresholds


class CategoriesFixed(ProjectRefused):
    """Categories that a model was trained for already."""


def check_parameters(project: Project, *, stored: Mapping[str, Any]) -> None:
    """Raise ProjectRefused unless every stage could be carried out by a project's parameters.

    A K_pa that is left empty is calibrated.

    Parameters
    ----------
    stored : the detector options that it had; its new ones may name no other files of the server
    """
    try:
        project.clean_fields()
        Thresholds(
            k_iou=project.k_iou,
            k_a=project.k_a,
            **({} if project.k_pa is None else {"k_pa": project.k_pa}),
            n_s=project.n_s,
            min_size=project.min_size,
            confidence=project.confidence,
            accuracy=project.worker_accuracy,
        )
        AGGREGATIONS[project.aggregation](project.judgments_per_question, project.worker_accuracy)
        check_options(project.detector_options, feature=project.feature)
        check_no_further_file(project.detector_options, stored=stored)
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise ProjectRefused(told) from error
    except ValueError as error:
        raise ProjectRefused(str(error)) from error
    for name in ("hit_size", "lease_minutes"):
        if getattr(project, name) < 1:
            raise ProjectRefused(f"{name} is {getattr(project, name)}; it must be 1 or more.")


@transaction.atomic
def change_parameters(
    *, project: Project, values: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> Project:
    """Set parameters of a project; stages that are done, and rounds that are open, keep what they had.

    Parameters
    ----------
    values : by the names in `projects.PARAMETERS`
    options : of the detector, to be set among those that there are, as `merged_options` does

    Raises
    ------
    ProjectRefused
        When a value is not valid, or a file of the server is named that was not; nothing is changed.
    """
    check_choices(values)
    changed = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    stored = changed.detector_options
    for name, value in values.items():
        setattr(changed, name, value)
    if options is not None:
        changed.detector_options = merged_options(stored, options)
    check_parameters(changed, stored=stored)
    changed.save(update_fields=[*values, "detector_options"])
    return changed


@transaction.atomic
def add_categories(*, project: Project, categories: Sequence[CocoCategory]) -> list[Category]:
    """Give a project further categories; those that it has by name are passed over.

    An id that another category has is replaced by the next free one.

    Raises
    ------
    CategoriesFixed, ProjectRefused
    """
    _check_changeable(project)
    there = set(project.categories.values_list("name", flat=True))
    wanted = [category for category in categories if category.name not in there]
    taken = set(project.categories.values_list("coco_id", flat=True))
    free = max(taken | {category.id for category in wanted}, default=0) + 1
    added: list[CocoCategory] = []
    for category in wanted:
        if category.id in taken:
            category, free = CocoCategory(free, category.name, category.supercategory), free + 1
        taken.add(category.id)
        added.append(category)
    if added:
        check_categories(added)
    return Category.objects.bulk_create(category_row(project, category) for category in added)


def name_categories(project: Project, names: Sequence[str]) -> list[CocoCategory]:
    """Categories of these names, with ids after those that the project has."""
    stripped = [name.strip() for name in names]
    first = free_id(project)
    return [CocoCategory(number, name) for number, name in enumerate(filter(None, stripped), first)]


def free_id(project: Project) -> int:
    """The COCO id after those of the project's categories."""
    return (project.categories.aggregate(last=Max("coco_id"))["last"] or 0) + 1


@transaction.atomic
def remove_category(category: Category) -> None:
    """Take away a category that nothing is annotated as.

    Raises
    ------
    CategoriesFixed, ProjectRefused
    """
    project = category.project
    _check_changeable(project)
    if Annotation.objects.filter(category=category).exists():
        raise ProjectRefused(f"{category.name} stays: annotations were imported for it.")
    if project.categories.count() == 1:
        raise ProjectRefused("A project needs at least one category.")
    category.delete()


def _check_changeable(project: Project) -> None:
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    begun = StageRun.objects.filter(round__project=project).exclude(state=StageRun.State.WAITING)
    if begun.exists() or project.state != Project.State.DRAFT:
        raise CategoriesFixed(
            f"The model of {project} was trained for its categories, or is about to be: they stay."
        )
