"""manage.py budget"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation_site.budget.caps import BudgetError, budget_fields, budget_of, change_budget
from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.management.changing import project_to_change
from annotation_site.catalog.management.field_options import add_options, given
from annotation_site.catalog.rounds import UnknownProject, find_project


class Command(BaseCommand):
    """Parse; `budget.caps` sets and `budget.ledger` adds up."""

    help = "Show a project's caps, its terms of pay and what is spent; set what is given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug of the project.")
        parser.add_argument("--no-cap", choices=["questions", "money"], action="append", default=[])
        add_options(parser, budget_fields())

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            values = given(options, budget_fields()) | dict.fromkeys(options["no_cap"])
            project = (project_to_change if values else find_project)(options["project"])
            if values:
                change_budget(project=project, **values)
        except (UnknownProject, BudgetError) as refusal:
            raise CommandError(str(refusal)) from refusal
        budget, spend = budget_of(project), spend_of(project)
        for field in budget_fields():
            value = getattr(budget, field.name)
            self.stdout.write(f"{field.name:<18} {'no cap' if value is None else value}")
        self.stdout.write(
            f"spent: {spend.questions:,} questions, {spend.money:,.2f} {budget.currency}, of it "
            f"{spend.fees:,.2f} fees and {spend.bonuses:,.2f} bonuses; "
            f"reserved: {spend.reserved_questions:,} questions, {spend.reserved_money:,.2f}"
        )
