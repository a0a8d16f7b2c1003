"""The closing statement of a project: what was paid to whom, from the ledger before anything goes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.db.models import F, QuerySet, Sum

from annotation_site.budget.models import SPENT, LedgerEntry
from annotation_site.catalog.models import Project
from annotation_site.closing.models import Deletion, StatementLine
from annotation_site.marketplaces.accounts import Account, accounts_of
from annotation_site.people.models import Worker
from pipeline.batches import in_batches

AT_ONCE = 1000
"""Workers whose accounts are looked up together."""
MONEY = ("earned", "fees", "paid", "declined")
COLUMNS = ("worker", "name", "provider", "external_id", "questions", *MONEY)


@transaction.atomic
def write_statement(deletion: Deletion, project: Project) -> None:
    """A line for each worker who earned something; once, for the second time payments may be gone."""
    if deletion.lines.exists():
        return
    for several in _earnings(project):
        StatementLine.objects.bulk_create(_line(deletion, *one) for one in several)


def owed_on(project: Project) -> Decimal:
    """What members are owed, of whom some may have been paid without anybody noting it."""
    return sum((account.owed for several in _earnings(project) for _, account, _ in several), Decimal(0))


def _earnings(project: Project) -> Iterator[list[tuple[dict[str, Any], Account, Worker | None]]]:
    """What each worker earned by the ledger, with their account, some of them at a time."""
    final = LedgerEntry.objects.filter(project=project, kind__in=SPENT).order_by()
    summed = final.values("payee").annotate(
        questions=Sum("questions"), earned=Sum(F("money") - F("fee")), fees=Sum("fee")
    )
    found: Iterator[Any] = summed.iterator(chunk_size=AT_ONCE)
    for several in in_batches(found, AT_ONCE):
        payees = [one["payee"] for one in several if one["payee"] is not None]
        accounts, workers = accounts_of(project, payees), Worker.objects.in_bulk(payees)
        yield [(one, accounts.get(one["payee"], Account()), workers.get(one["payee"])) for one in several]


def _line(
    deletion: Deletion, summed: dict[str, Any], account: Account, worker: Worker | None
) -> StatementLine:
    return StatementLine(
        deletion=deletion,
        worker=summed["payee"],
        name=worker.name if worker else "",
        provider=worker.provider if worker else "",
        external_id=worker.external_id if worker else "",
        questions=summed["questions"],
        earned=summed["earned"],
        fees=summed["fees"],
        paid=account.paid,
        declined=account.declined,
    )


def deletions_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Deletion]:
    """Those whose statements somebody may read: of projects that they owned; superusers all."""
    if getattr(user, "is_superuser", False):
        return Deletion.objects.all()
    return Deletion.objects.filter(owners=user.pk) if user.pk else Deletion.objects.none()


def with_totals(deletions: QuerySet[Deletion]) -> QuerySet[Deletion]:
    """Each with the questions and the money of all its lines, by the names that these have in a line."""
    zero = {"questions": 0, **dict.fromkeys(MONEY, Decimal(0))}
    return deletions.annotate(**{name: Sum(f"lines__{name}", default=none) for name, none in zero.items()})


def rows(deletion: Deletion) -> Iterator[tuple[Any, ...]]:
    """A head and a line for each worker, for spreadsheets."""
    yield (*COLUMNS, "currency")
    for line in deletion.lines.values_list(*COLUMNS).iterator():
        yield (*line, deletion.currency)
