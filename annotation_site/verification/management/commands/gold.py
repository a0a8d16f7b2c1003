"""manage.py gold"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count
from django.utils import timezone

from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Mask, Project
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.people.models import GoldItem
from annotation_site.verification.gold_review import (
    CannotMark,
    mark_gold,
    retire_gold,
    retired_gold,
    review_gold,
    take_back_gold,
    uses_of,
)

MARKS = ("correct", "wrong", "retire", "take_back")


class Command(BaseCommand):
    """Parse, one call of `verification.gold_review`, say what there is."""

    help = "Show a project's gold and what was retired; mark a mask as gold, retire an item, review all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--correct", type=int, metavar="MASK", help="Mark a mask as gold that is right.")
        action.add_argument("--wrong", type=int, metavar="MASK", help="Mark a mask as gold that is wrong.")
        action.add_argument(
            "--retire", type=int, metavar="ITEM", help="Ask nobody about a gold item any more."
        )
        action.add_argument("--take-back", type=int, metavar="ITEM", help="Ask about a retired item again.")
        action.add_argument(
            "--review", action="store_true", help="Retire what proven workers fail, add what they agree on."
        )
        parser.add_argument("--because", default="retired by hand", metavar="TEXT")
        parser.add_argument(
            "--by", default="command line", metavar="NAME", help="Who marks it, or takes it back."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            acts = options["review"] or any(options[name] is not None for name in MARKS)
            project = (project_to_change if acts else find_project)(options["project"])
            self._act(project, options)
        except (UnknownProject, CannotMark) as refusal:
            raise CommandError(str(refusal)) from refusal
        self._list(project)

    def _act(self, project: Project, options: dict[str, Any]) -> None:
        for name, is_correct in (("correct", True), ("wrong", False)):
            if options[name] is not None:
                mark_gold(mask=_mask(project, options[name]), is_correct=is_correct, by=options["by"])
        if options["retire"] is not None:
            item = _item(project, options["retire"])
            retire_gold(item=item, because=options["because"], at=timezone.now())
        if options["take_back"] is not None:
            take_back_gold(item=_item(project, options["take_back"]), by=options["by"])
        if options["review"]:
            review_gold(project=project, at=timezone.now())

    def _list(self, project: Project) -> None:
        in_use = GoldItem.objects.filter(project=project, retired_at__isnull=True)
        counted = in_use.values_list("origin", "is_correct").annotate(n=Count("pk")).order_by("origin")
        for origin, is_correct, count in counted:
            self.stdout.write(f"{origin:<16} {'right' if is_correct else 'wrong':<6} {count}")
        for use in uses_of(project):
            if use.failed:
                self.stdout.write(
                    f"gold {use.item.pk}: {use.failed} of {use.answered} proven workers failed it"
                )
        for item in retired_gold(project):
            self.stdout.write(f"gold {item.pk}: retired {item.retired_at:%Y-%m-%d}, {item.retired_because}")


def _mask(project: Project, number: int) -> Mask:
    masks = Mask.objects.select_related("tree__round").defer("tree__packed")
    found = masks.filter(tree__round__project=project, pk=number).first()
    if found is None:
        raise CommandError(f"{project} has no mask {number}.")
    return found


def _item(project: Project, number: int) -> GoldItem:
    found = GoldItem.objects.filter(project=project, pk=number).first()
    if found is None:
        raise CommandError(f"{project} has no gold {number}: `manage.py gold {project.slug}` lists it.")
    return found
