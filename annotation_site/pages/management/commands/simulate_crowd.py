"""manage.py simulate_crowd"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.models import Project
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject
from annotation_site.pages.crowd.caught import caught, told, worth_of
from annotation_site.pages.crowd.crowd import Tally, recruit, run_crowd
from annotation_site.pages.crowd.own_site import own_site
from annotation_site.pages.crowd.population import Behaviour, InvalidPopulation, honest, read_population
from annotation_site.pages.crowd.truth import NoGroundTruth, check_ground_truth
from annotation_site.pages.crowd.visitor import SiteGone
from annotation_site.people.models import Membership
from pipeline.progress import StopRequested

REFUSALS = (UnknownProject, InvalidPopulation, NoGroundTruth, SiteGone)
STOPPED_BY_CTRL_C = 130


class Command(BaseCommand):
    """Parse; `pages.crowd` does it."""

    help = (
        "Let simulated workers answer from the ground truth of the pool images, through the same pages and"
        " API as people, until the budget is spent or nothing is open. Ends safely at Ctrl-C; run it again"
        " to go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--workers", type=int, default=8, help="How many (default: 8).")
        parser.add_argument("--accuracy", type=float, default=0.95, help="Share of right answers (0.95).")
        parser.add_argument("--response-seconds", type=float, default=1.4, help="Median per mask (1.4).")
        parser.add_argument(
            "--population", type=Path, metavar="FILE", help="TOML or JSON file of workers, instead of those."
        )
        parser.add_argument(
            "--speed", type=float, default=0.0, help="Times faster than people; 0 (default) never waits."
        )
        parser.add_argument("--url", help="Root of a running site (default: a server of its own).")
        parser.add_argument("--without-photos", action="store_true", help="Do not load the crops.")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            project = project_to_change(options["project"])
            check_ground_truth(project)
            recruited = recruit(project, self._population(options))
            tallies = self._run(project, recruited, options)
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from refusal
        except StopRequested as stop:
            raise CommandError(
                f"{stop} Every answer is kept: run it again to go on.", returncode=STOPPED_BY_CTRL_C
            ) from stop
        connection.close()  # The database may have been started anew while the crowd worked.
        self._report(tallies)
        self._report_caught(project, recruited)

    def _population(self, options: dict[str, Any]) -> list[Behaviour]:
        if options["population"]:
            return read_population(options["population"])
        return honest(options["workers"], accuracy=options["accuracy"], seconds=options["response_seconds"])

    def _run(
        self, project: Project, recruited: list[tuple[Membership, Behaviour]], options: dict[str, Any]
    ) -> dict[str, Tally]:
        budget = budget_of(project)
        left = max(0, (budget.questions or 0) - budget.committed_questions)
        site = nullcontext(options["url"].rstrip("/")) if options["url"] else own_site()
        with site as base_url, terminal_progress(f"crowd of {project.slug}") as progress:
            return run_crowd(
                recruited,
                base_url,
                seed=options["seed"],
                speed=options["speed"],
                photos=not options["without_photos"],
                progress=progress,
                total=left,
            )

    def _report(self, tallies: Mapping[str, Tally]) -> None:
        for name, tally in tallies.items():
            right = f"{tally.right / tally.answers:.1%} right" if tally.answers else "none"
            ended = ", ".join(f"{count} {reason}" for reason, count in sorted(tally.ended.items()))
            self.stdout.write(
                f"{name}: {tally.answers} answers on {tally.hits} pages after {tally.tests} tests, {right}, "
                f"{tally.seconds / 3600:.2f} h; {tally.late} late, {tally.undone} taken back, "
                f"{tally.retries} requests repeated; ended: {ended}"
            )
        total = sum(tallies.values(), Tally())
        self.stdout.write(self.style.SUCCESS(f"{total.answers} answers in all."))

    def _report_caught(self, project: Project, recruited: list[tuple[Membership, Behaviour]]) -> None:
        self.stdout.write("What quality control made of them:")
        for found in caught(recruited):
            self.stdout.write(f"  {told(found)}")
        worth = worth_of(project)
        precision = "" if worth.precision is None else f", {worth.precision:.1%} of them correct"
        self.stdout.write(
            f"  {worth.accepted} accepted masks in images with ground truth{precision}; "
            f"{worth.withdrawn} decisions withdrawn"
        )
