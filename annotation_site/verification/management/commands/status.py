"""manage.py status"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.catalog.rounds import UnknownProject, find_project
from annotation_site.verification.status import status


class Command(BaseCommand):
    """Parse; `verification.status` counts."""

    help = "Show how far a project is: its stages, its campaign, its budget."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--json", action="store_true", help="As JSON, for scripts.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            found = status(find_project(options["project"]))
        except UnknownProject as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(json.dumps(found, indent=2) if options["json"] else "\n".join(lines(found)))


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    images = ", ".join(f"{count:,} {role}" for role, count in found["images"].items()) or "none"
    campaign = found["campaign"]
    return [
        f"{found['project']}, round {found['round']}: {found['state']}",
        f"images      {images}",
        *(_stage(stage) for stage in found["stages"]),
        f"masks       {found['masks']:,} in the pool" + _threshold(found["k_pa"]),
        f"clusters    {campaign['open_clusters']:,} open, {campaign['accepted_clusters']:,} accepted, "
        f"{campaign['rejected_clusters']:,} rejected, {campaign['split_clusters']:,} split",
        f"accepted    {campaign['accepted_masks']:,} masks" + _price(campaign["questions_per_accepted_mask"]),
        *_rounds(found["rounds"]),
        *_long_tail(found["long_tail"]),
        f"questions   {campaign['questions']:,}, {campaign['gold_questions']:,} of them gold, "
        f"{campaign['hours']:.2f} hours",
        f"budget      {_budget(found['budget'])}",
    ]


def _stage(stage: dict[str, Any]) -> str:
    reached = f" {stage['done']:,} of {stage['total']:,}" if stage["total"] else ""
    said = f". {stage['message']}" if stage["message"] else ""
    return f"{stage['stage']:<11} {stage['state']}{reached}{said}"


def _rounds(rounds: list[dict[str, int]]) -> list[str]:
    """Where a project has more than one."""
    if len(rounds) < 2:
        return []
    return ["rounds      " + ", ".join(f"{r['accepted_masks']:,} in {r['round']}" for r in rounds)]


def _long_tail(tail: dict[str, Any]) -> list[str]:
    """Where some categories have no cluster."""
    if not tail["categories"]:
        return []
    how = "asked about one by one, the most likely first" if tail["asked"] else "not asked about"
    return [
        f"long tail   {tail['categories']:,} categories without a cluster: {tail['masks']:,} masks, {how}"
    ]


def _threshold(k_pa: float | None) -> str:
    return "" if k_pa is None else f", asked about from a mean score of {k_pa:.2f}"


def _price(questions: float | None) -> str:
    return "" if questions is None else f", {questions:.2f} questions each"


def _budget(budget: dict[str, Any]) -> str:
    cap = "no cap" if budget["questions"] is None else f"{budget['questions']:,}"
    told = f"{budget['committed_questions']:,} questions of {cap}"
    if budget["money"] is None:
        return told
    return f"{told}, {budget['committed_money']} {budget['currency']} of {budget['money']}"
