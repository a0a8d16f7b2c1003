"""Projects whose campaign has run: each mask in a photo of its own, with its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from annotation_site.catalog.models import Image, Mask, Project, Role, Tree
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.models import Item, Says
from tests.factories import AnnotationFactory, ImageFactory
from tests.site.campaigns import Person, opened, project_with_tree, truth


def own_images(project: Project, *, annotated: bool = True) -> None:
    """Give each mask of a project a photo of its own, and the photo an object: just there, or aside."""
    for mask in Mask.objects.filter(tree__round__project=project).select_related("tree__category"):
        image = ImageFactory(project=project, role=Role.POOL, coco_id=1000 + mask.pk if annotated else None)
        mask.image = image
        mask.save(update_fields=["image"])
        if annotated:
            x = 10.0 if mask.iou == 0.9 else 20.0  # half of the mask's width aside: IoU 1/3
            AnnotationFactory(image=image, category=mask.tree.category, x=x)
    Image.objects.filter(project=project, masks__isnull=True, role=Role.POOL).delete()


def verified(
    correct: Sequence[bool],
    *,
    says: Callable[[Item], Says] = truth,
    annotated: bool = True,
    **parameters: Any,
) -> Project:
    """A project of one tree, answered until nothing is open."""
    project = project_with_tree(correct, **parameters)
    own_images(project, annotated=annotated)
    answer_all(opened(project), says=says)
    return project


def answer_all(project: Project, *, says: Callable[[Item], Says] = truth) -> Person:
    """One person answers until there are no more HITs."""
    person = Person.of(project, says=says)
    while True:
        try:
            person.work()
        except NoHit:
            return person


def tree_of(project: Project) -> Tree:
    """The project's only tree of pool images."""
    return Tree.objects.get(round__project=project, role=Role.POOL)
