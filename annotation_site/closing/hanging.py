"""What hangs on a project in the database, and its removal piece by piece: first what nothing refers to.

The tables are found by the references of the models, so that none that is added later is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models import F, QuerySet

from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog.models import Image, Project
from annotation_site.catalog.shared_files import forget_files
from pipeline.batches import in_batches
from pipeline.progress import Progress

STAYS: Collection[type[models.Model]] = frozenset({LedgerEntry})
"""Tables with a reference to the project of which no row is ever deleted."""
BATCH = 5000
"""Rows that go in one transaction: what a killed process loses at most."""
IMAGES = 500
"""The same for images: while their files go, imports into other projects wait."""


@dataclass(frozen=True, slots=True)
class Table:
    """A model whose rows hang on a project; `path` is the lookup that leads from a row there."""

    model: type[models.Model]
    path: str

    def rows(self, project: Project) -> QuerySet[Any]:
        """Those of the project, in no order."""
        return self.model._base_manager.filter(**{self.path: project.pk}).order_by()


def tables() -> list[Table]:
    """All of them, those that others refer to after the others; the project itself comes last."""
    paths: dict[type[models.Model], str] = {Project: "pk"}
    found: list[type[models.Model]] = [Project]
    for parent in found:  # Grows meanwhile: the shortest ways are found first.
        for field in _references(parent):
            if not field.null and field.model not in paths and field.model not in STAYS:
                paths[field.model] = field.name if parent is Project else f"{field.name}__{paths[parent]}"
                found.append(field.model)
    after = {model: {field.model for field in _references(model)} & set(paths) - {model} for model in paths}
    return [Table(model, paths[model]) for model in TopologicalSorter(after).static_order()]


def remove(project: Project, tell: Progress) -> None:
    """Delete a project and all that hangs on it, itself last; run again, it goes on where it was ended."""
    every = tables()
    total, done = sum(table.rows(project).count() for table in every), 0
    for table in every:
        keys = table.rows(project).values_list("pk", flat=True).iterator(chunk_size=BATCH)
        for batch in in_batches(keys, IMAGES if table.model is Image else BATCH):
            _remove_batch(table.model, batch)
            done += len(batch)
            tell(min(done, total), total, str(table.model._meta.verbose_name_plural))


@transaction.atomic
def _remove_batch(model: type[models.Model], keys: list[Any]) -> None:
    every: models.Manager[Any] = model._base_manager
    for field in _references(model):
        if field.model is model:  # A row may refer to one that goes first; with none it may stand again.
            every.filter(**{f"{field.name}__in": keys}).update(**{field.name: F("pk")})
    if model is Image:
        forget_files(list(every.filter(pk__in=keys)))
    every.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS)


def _references(to: type[models.Model]) -> Iterator[models.ForeignKey[Any, Any]]:
    """The fields of all models that refer to one."""
    for relation in to._meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ManyToOneRel):
            yield relation.field
