"""A page of a project's workers, sorted and filtered by their kept records.

What is sorted is one row a member, whatever they answered; money and open HITs are read for the page's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, Count, F, FloatField, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce, Lower, NullIf

from annotation_site.catalog.models import Project
from annotation_site.marketplaces.accounts import Account, accounts_of
from annotation_site.people.models import Membership, Standing, WorkRecord
from annotation_site.verification.keeping import kept_records
from annotation_site.verification.models import Assignment

PAGE = 50
MOST_DOUBTS = 20
LEAST, MOST = Value(-1.0, FloatField()), Value(1e18, FloatField())
LONG_AGO, FAR_AWAY = Value(datetime(1970, 1, 1, tzinfo=UTC)), Value(datetime(9999, 1, 1, tzinfo=UTC))

ORDER = (Standing.STOPPED, Standing.PROBATION, Standing.NEW, Standing.QUALIFIED, Standing.ACTIVE)
"""Of standings, the most doubtful first."""


@dataclass(frozen=True, slots=True)
class Sort:
    """Something to sort by: what it is, and what stands for "nothing known" so that this comes last."""

    key: Any
    when_falling: Any = None
    when_rising: Any = None

    def by(self, *, falls: bool) -> Any:
        """The expression, never null."""
        nothing = self.when_falling if falls else self.when_rising
        return self.key if nothing is None else Coalesce(self.key, nothing)


SORTS: Mapping[str, Sort] = {
    "name": Sort(Lower(Coalesce(NullIf("worker__name", Value("")), "worker__external_id"))),
    "standing": Sort(Case(*(When(standing=one, then=Value(place)) for place, one in enumerate(ORDER)))),
    "answers": Sort(Coalesce("record__answers", 0)),
    "gold": Sort(F("record__gold_at_least"), LEAST, MOST),
    "agreement": Sort(
        Cast("record__agreed", FloatField()) / NullIf(F("record__shared"), Value(0)), LEAST, MOST
    ),
    "speed": Sort(F("record__look_ms"), LEAST, MOST),
    "seen": Sort(F("record__last_at"), LONG_AGO, FAR_AWAY),
    "joined": Sort(F("joined_at")),
}
DEFAULT_SORT = "-answers"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workers to list.

    Attributes
    ----------
    standing, provider : only those; "" is all
    name : a part of their name, or of what the marketplace calls them
    sort : a key of `SORTS`, with a minus from the largest on
    after : primary key of the last member of the page before
    """

    standing: str = ""
    provider: str = ""
    name: str = ""
    sort: str = DEFAULT_SORT
    after: int | None = None

    @property
    def falls(self) -> bool:
        return self.sort.startswith("-")


@dataclass(frozen=True, slots=True)
class Row:
    """A worker of the list."""

    member: Membership
    record: WorkRecord
    account: Account
    is_at_work: bool


@dataclass(frozen=True, slots=True)
class WorkersPage:
    """A page by key; `next` is the `after` of the one that follows, None on the last."""

    rows: Sequence[Row]
    next: int | None


def workers_page(project: Project, wanted: Wanted, *, size: int = PAGE) -> WorkersPage:
    """The workers that are wanted, after those of the page before."""
    key = SORTS[wanted.sort.lstrip("-")].by(falls=wanted.falls)
    members = project.members.annotate(key=key)
    found = _matching(members, wanted)
    if wanted.after is not None:
        last = members.filter(pk=wanted.after).values_list("key", flat=True).first()
        found = found if last is None else found.filter(_behind(last, wanted))
    order = ("-key", "-pk") if wanted.falls else ("key", "pk")
    shown = list(found.select_related("worker", "project").order_by(*order)[: size + 1])
    rows = _rows(project, shown[:size])
    return WorkersPage(rows, rows[-1].member.pk if len(shown) > size else None)


def _matching(members: QuerySet[Membership], wanted: Wanted) -> QuerySet[Membership]:
    if wanted.standing:
        members = members.filter(standing=wanted.standing)
    if wanted.provider:
        members = members.filter(worker__provider=wanted.provider)
    if wanted.name:
        # Who has a name is shown by it; what else they are known by says nothing to those who look.
        by_number = Q(worker__name="", worker__external_id__icontains=wanted.name)
        members = members.filter(Q(worker__name__icontains=wanted.name) | by_number)
    return members


def _behind(last: Any, wanted: Wanted) -> Q:
    """The rows after one whose key is `last`."""
    if wanted.falls:
        return Q(key__lt=last) | Q(key=last, pk__lt=wanted.after)
    return Q(key__gt=last) | Q(key=last, pk__gt=wanted.after)


def _rows(project: Project, members: Sequence[Membership]) -> list[Row]:
    workers = [member.worker_id for member in members]
    accounts = accounts_of(project, workers)
    live = Assignment.objects.live().filter(project=project, worker__in=workers)
    at_work = set(live.values_list("worker", flat=True))
    records = kept_records(members)
    return [
        Row(member, records[member.pk], accounts[member.worker_id], member.worker_id in at_work)
        for member in members
    ]


def standings(project: Project) -> list[tuple[Standing, int]]:
    """How many workers have each standing."""
    found = dict(project.members.order_by().values_list("standing").annotate(n=Count("pk")))
    return [(one, found.get(one, 0)) for one in reversed(ORDER)]


def providers(project: Project) -> list[str]:
    """Where the project's workers come from."""
    found = project.members.order_by("worker__provider").values_list("worker__provider", flat=True)
    return list(found.distinct())


def doubtful(project: Project) -> list[Membership]:
    """Stopped workers whose stop rested on gold that was retired since; some of them, the latest first."""
    doubted = project.members.filter(standing=Standing.STOPPED).exclude(record__isnull=True)
    doubted = doubted.exclude(record__doubt="").select_related("worker", "record")
    return list(doubted.order_by("-pk")[:MOST_DOUBTS])
