"""The check of a campaign's ledger: it finds what is wrong, and looks at each entry once."""

from __future__ import annotations

import pytest

from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog.models import Project
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment
from tests.factories import NOON
from tests.site.campaigns import Person, opened, project_with_clusters

pytestmark = pytest.mark.django_db


def project_with_ended_hits(count: int) -> Project:
    project = opened(project_with_clusters([0.9] * 6, hit_size=2))
    for number in range(count):
        Person.of(project, f"worker {number}").open()
    sweep(at=NOON.replace(year=NOON.year + 1))
    return project


def test_a_hit_that_ended_without_being_settled_is_told() -> None:
    project = project_with_ended_hits(2)
    first, _ = Assignment.objects.order_by("pk")
    LedgerEntry.objects.filter(reference=first.reference, kind="settle").delete()
    (found,) = check_campaign(project)
    assert f"{first.reference} has ['release', 'reserve'] in the ledger" in found


def test_the_ledger_is_not_gone_through_anew_for_every_hit(monkeypatch) -> None:
    project, looked = project_with_ended_hits(12), []
    told = Assignment.reference.fget
    monkeypatch.setattr(Assignment, "reference", property(lambda hit: looked.append(hit) or told(hit)))
    assert check_campaign(project) == []
    assert len(looked) == 12
