"""manage.py workers"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Project
from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.people.models import Membership
from annotation_site.verification import trust
from annotation_site.verification.keeping import kept_record

ACTIONS = ("stop", "reinstate", "note")


class Command(BaseCommand):
    """Parse, one call of `verification.trust`, say what became of it."""

    help = "List a project's workers with their records; stop one, let one work again, note something of one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--stop", type=int, metavar="WORKER", help="Number of the worker in the list.")
        action.add_argument("--reinstate", type=int, metavar="WORKER")
        action.add_argument("--note", type=int, metavar="WORKER")
        parser.add_argument("--because", default="", metavar="TEXT", help="The reason, or the note.")
        parser.add_argument("--by", default="command line", metavar="NAME", help="Who decides it.")
        parser.add_argument(
            "--since", metavar="TIME", help="With --stop: answers from then on stop counting (default: all)."
        )
        parser.add_argument(
            "--keep-answers", action="store_true", help="With --stop: what was answered goes on counting."
        )
        parser.add_argument(
            "--restore", action="store_true", help="With --reinstate: what the stop retracted counts again."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            acts = any(options[action] is not None for action in ACTIONS)
            project = (project_to_change if acts else find_project)(options["project"])
        except UnknownProject as unknown:
            raise CommandError(str(unknown)) from unknown
        for action in ACTIONS:
            if options[action] is not None:
                member = _member(project, options[action])
                getattr(self, f"_{action}")(member, options)
                self._list(Membership.objects.filter(pk=member.pk))
                return
        self._list(project.members.order_by("pk"))

    def _stop(self, member: Membership, options: dict[str, Any]) -> None:
        since = _time(options["since"]) if options["since"] else None
        retract = not options["keep_answers"]
        trust.stop_worker(membership=member, **_decided(options), retract=retract, since=since)

    def _reinstate(self, member: Membership, options: dict[str, Any]) -> None:
        trust.reinstate_worker(membership=member, **_decided(options), restore=options["restore"])

    def _note(self, member: Membership, options: dict[str, Any]) -> None:
        given = _decided(options)
        trust.note_worker(membership=member, text=given.pop("reason"), **given)

    def _list(self, members: Any) -> None:
        for member in members.select_related("worker").iterator(chunk_size=500):
            record = kept_record(member)
            self.stdout.write(
                f"{member.pk:>6}  {member.standing:<9}  {member.worker}: "
                f"gold {record.gold_right}/{record.gold_answered}, "
                f"agrees {record.agreed}/{record.shared}, {(record.look_ms or 0) / 1000:.1f} s a mask"
            )
            latest = member.changes.order_by("-at", "-pk").first()
            if latest is not None:
                who = f" ({latest.by})" if latest.by else ""
                self.stdout.write(f"        {latest.at:%Y-%m-%d %H:%M} {latest.reason}{who}")


def _member(project: Project, number: int) -> Membership:
    found = Membership.objects.select_related("worker").filter(project=project, pk=number).first()
    if found is None:
        raise CommandError(
            f"{project} has no worker {number}: `manage.py workers {project.slug}` lists them."
        )
    return found


def _decided(options: dict[str, Any]) -> dict[str, Any]:
    if not options["because"].strip():
        raise CommandError("Say why: --because TEXT is kept with the change.")
    return {"reason": options["because"], "by": options["by"], "at": timezone.now()}


def _time(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{text!r} is no time such as 2026-11-26T14:30+01:00.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)
