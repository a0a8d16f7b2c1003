"""Beginning a project: its name, its categories, its parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.text import slugify

from annotation_site.catalog.models import Category, Project
from pipeline.aggregation import AGGREGATIONS
from pipeline.coco import CocoCategory, CocoError, read_categories
from pipeline.decisions import RULES
from pipeline.detection import DETECTORS
from pipeline.linkage.methods import METHODS
from pipeline.predictions import FEATURE_KINDS
from pipeline.strategies import NEEDS_TRUTH, OF_PROJECTS

PARAMETERS = (
    "description", "instructions", "seed", "generated", "k_iou", "k_a", "k_pa", "n_s", "min_size",
    "confidence", "strategy", "rule", "worker_accuracy", "linkage", "feature", "use_score", "detector",
    "detector_options", "hit_size", "gold_share", "lease_minutes", "judgments_per_question",
    "aggregation",
    "most_rounds", "least_gain", "long_tail",
)  # fmt: skip
"""What may be chosen of a project; the model's fields say what each means and its default."""

CHOICES: Mapping[str, Collection[str]] = {
    "strategy": OF_PROJECTS,
    "rule": RULES,
    "aggregation": AGGREGATIONS,
    "linkage": METHODS,
    "feature": FEATURE_KINDS,
    "detector": DETECTORS,
}

RESERVED = frozenset({"new"})
"""Slugs that are addresses of the site's own pages."""


class ProjectRefused(ValueError):
    """A project that cannot be made as asked; the message says why."""


class ProjectDiffers(ProjectRefused):
    """There is a project of that name already, and it is another one."""


@dataclass(frozen=True, slots=True)
class Created:
    """A project, and whether it is new or was there already, just as asked for."""

    project: Project
    new: bool


def numbered(names: Sequence[str]) -> list[CocoCategory]:
    """Categories with the ids 1, 2, … in the order of their names."""
    return [CocoCategory(number, name.strip()) for number, name in enumerate(names, start=1)]


def categories_of(file: Path) -> list[CocoCategory]:
    """The categories of a COCO file, with its ids.

    Raises
    ------
    CocoError
        When the file cannot be read or has none.
    """
    found = list(read_categories(file))
    if not found:
        raise CocoError(f"{file} has no categories")
    return found


def create_project(
    *, name: str, categories: Sequence[CocoCategory], parameters: Mapping[str, Any] | None = None
) -> Created:
    """Make a project; asking again for the same one changes nothing.

    Parameters
    ----------
    parameters : values by the names in `PARAMETERS`; the others are the paper's (the models' defaults)

    Raises
    ------
    ProjectRefused
        When the name, a category or a parameter is not valid.
    ProjectDiffers
        When the name is taken by a project with other categories or parameters, or by one that is being
        deleted.
    """
    chosen = dict(parameters or {})
    slug = slugify(name)
    if not slug:
        raise ProjectRefused(f"A project's name needs a letter or a digit; {name!r} has none.")
    if slug in RESERVED:
        raise ProjectRefused(f"No project can be called {name!r}: choose another name.")
    check_categories(categories)
    check_choices(chosen)
    existing = Project.objects.filter(slug=slug).first()
    if existing and existing.state == Project.State.DELETING:
        raise ProjectDiffers(f"A project {slug} is being deleted: wait for that, or choose another name.")
    if existing:
        _check_same(existing, categories, chosen)
        return Created(existing, new=False)
    return Created(_make(Project(slug=slug, name=name, **chosen), categories), new=True)


def _make(project: Project, categories: Iterable[CocoCategory]) -> Project:
    try:
        project.full_clean()
    except ValidationError as error:
        reasons = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        raise ProjectRefused(f"{project.name} cannot be created. {reasons}") from error
    with transaction.atomic():
        project.save()
        Category.objects.bulk_create(category_row(project, category) for category in categories)
    return project


def category_row(project: Project, category: CocoCategory) -> Category:
    """An unsaved category of a project."""
    return Category(
        project=project,
        coco_id=category.id,
        name=category.name,
        supercategory=category.supercategory[:120],
    )


def check_categories(categories: Sequence[CocoCategory]) -> None:
    """Raise ProjectRefused unless a project may have these categories."""
    if not categories:
        raise ProjectRefused("A project needs at least one category.")
    for what, counts in (
        ("name", Counter(category.name for category in categories)),
        ("id", Counter(str(category.id) for category in categories)),
    ):
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise ProjectRefused(f"Two categories have the same {what}: {', '.join(twice)}.")
    longest = Category._meta.get_field("name").max_length or 0
    for category in categories:
        if not category.name.strip() or len(category.name) > longest or "\0" in category.name:
            raise ProjectRefused(f"A category's name has 1 to {longest} letters: {category.name!r}.")
        if not 0 <= category.id < 2**31:
            raise ProjectRefused(
                f"The id of category {category.name!r} is {category.id}: give one below 2^31."
            )


def check_choices(parameters: Mapping[str, Any]) -> None:
    """Raise ProjectRefused for a parameter that there is not, or a value that is none of its choices."""
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if unknown:
        raise ProjectRefused(
            f"No parameter is called {', '.join(unknown)}; there are {', '.join(PARAMETERS)}."
        )
    if parameters.get("strategy") == "oracle":
        raise ProjectRefused(NEEDS_TRUTH)
    for name, allowed in CHOICES.items():
        if name in parameters and parameters[name] not in allowed:
            raise ProjectRefused(f"{name} is one of {', '.join(allowed)}, not {parameters[name]!r}.")


def _check_same(project: Project, categories: Sequence[CocoCategory], parameters: Mapping[str, Any]) -> None:
    differing = [name for name, value in parameters.items() if getattr(project, name) != value]
    stored = set(project.categories.values_list("coco_id", "name"))
    if stored != {(category.id, category.name) for category in categories}:
        differing.append("categories")
    if differing:
        told = ", ".join(differing)
        raise ProjectDiffers(f"There is a project {project.slug} with other {told}: choose another name.")


def parameter_fields() -> list[models.Field[Any, Any]]:
    """The model fields of `PARAMETERS`, for forms and command lines."""
    return [field for field in Project._meta.fields if field.name in PARAMETERS]
