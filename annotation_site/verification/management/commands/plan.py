"""manage.py plan"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.progress import terminal_progress
from annotation_site.catalog.rounds import UnknownProject, current_round, find_project
from annotation_site.verification.forecasting import (
    Expected,
    Forecast,
    NothingToForecast,
    basis_of,
    forecast,
    plan_campaign,
)
from pipeline.planning import DRAWS

STEPS = 10


class Command(BaseCommand):
    """Parse; `verification.forecasting` plans."""

    help = (
        "Estimate what a campaign will bring and cost before anyone is asked: accepted masks, questions,"
        " money and hours, from the project's trees, its calibration and its pay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--accepted", type=int, metavar="MASKS", help="What so many accepted masks take.")
        parser.add_argument(
            "--draws", type=int, default=DRAWS, help=f"Imagined campaigns, more are steadier ({DRAWS})."
        )
        parser.add_argument("--seed", type=int, help="Of the imagined campaigns (the project's own).")
        parser.add_argument("--json", action="store_true", help="As JSON, for scripts.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["draws"] < 1:
            raise CommandError("Imagine at least one campaign: --draws 1 or more.")
        try:
            project = find_project(options["project"])
            round_ = current_round(project)
            basis = replace(basis_of(round_), draws=options["draws"])
            if options["seed"] is not None:
                basis = replace(basis, seed=options["seed"])
            with terminal_progress(f"plan of {project.slug}") as progress:
                found = forecast(round_, basis, plan_campaign(round_, basis, progress=progress))
        except (UnknownProject, NothingToForecast, ValueError, KeyError) as refusal:
            raise CommandError(str(refusal)) from refusal
        wanted = found.target(options["accepted"]) if options["accepted"] else None
        spent = found.until_spent(budget_of(project))
        if options["json"]:
            self.stdout.write(json.dumps(_plain(found, wanted, spent), default=str, indent=1))
            return
        self._table(found)
        if options["accepted"]:
            self._tell(f"{options['accepted']:,} accepted masks", wanted, found.work.currency)
        if spent is not None:
            self._tell("the budget", spent, found.work.currency)

    def _table(self, found: Forecast) -> None:
        paid = f", money by the listing on {found.work.paid_on}" if found.work.paid_on else ""
        self.stdout.write(
            f"{found.masks:,} masks, {found.work.votes:.1f} votes a question, gold included{paid}"
        )
        heads = ("accepted", "80 % between", "precision", "questions", found.work.currency, "hours")
        self.stdout.write("{:>10} {:>19} {:>9} {:>10} {:>10} {:>7}".format(*heads))
        for step in found.steps(STEPS):
            self.stdout.write(
                f"{step.accepted:>10,.0f} {step.low:>9,.0f} {step.high:>9,.0f} {step.precision:>9.3f} "
                f"{step.questions:>10,} {step.money:>10,.2f} {step.hours:>7.1f}"
            )

    def _tell(self, what: str, at: Expected | None, currency: str) -> None:
        if at is None:
            self.stdout.write(self.style.WARNING(f"{what}: not to be expected of these trees"))
            return
        self.stdout.write(
            self.style.SUCCESS(
                f"{what}: {at.accepted:,.0f} masks for {at.questions:,} questions, "
                f"{at.money:,.2f} {currency}, {at.hours:.1f} hours"
            )
        )


def _plain(found: Forecast, wanted: Expected | None, spent: Expected | None) -> dict[str, Any]:
    return {
        "masks": found.masks,
        "votes": found.work.votes,
        "currency": found.work.currency,
        "paid_on": found.work.paid_on,
        "steps": [asdict(step) for step in found.steps(STEPS)],
        "target": wanted and asdict(wanted),
        "until_the_budget_is_spent": spent and asdict(spent),
    }
