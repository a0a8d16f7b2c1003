"""Leases end: what was not answered is asked again, what was is paid."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from annotation_site.budget.caps import set_caps
from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.people.models import Worker
from annotation_site.verification.answering import record_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Question
from annotation_site.verification.releasing import release_live
from tests.factories import NOON
from tests.site.campaigns import Person, items, masks_only, opened, project_with_clusters

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=2)


def test_an_expired_hit_gives_back_what_was_not_answered_and_settles_what_was() -> None:
    project = opened(project_with_clusters([0.9] * 6, gold=10, hit_size=20))
    ada = Person.of(project)
    hit = ada.open()
    held = items(hit)
    for item in held[:7]:
        ada.answer(item)
    assert sweep(at=LATER) == 1
    hit.refresh_from_db()
    assert hit.released_at == LATER
    assert not Question.objects.filter(taken__gt=0).exists()
    settled = LedgerEntry.objects.get(kind="settle")
    assert (settled.questions, settled.reference) == (7, f"assignment:{hit.pk}")
    assert Budget.objects.get(project=project).committed_questions == 7
    assert check_campaign(project) == []


@pytest.mark.parametrize("answered", [20, 7])
@pytest.mark.parametrize(("provider", "seconds"), [("in_house", 1), (Worker.SIMULATED, 10)])
def test_by_the_hour_no_more_is_paid_than_went_by_until_the_last_answer(
    answered: int, provider: str, seconds: int
) -> None:
    """Pages may say what they like; our own programs, which answer faster than they say, are believed."""
    project = opened(project_with_clusters([0.9] * 6, gold=10, hit_size=20))
    set_caps(project=project, questions=None, money=None, pay_per_hour=36, longest_seconds=10)
    ada = Person.of(project)
    Worker.objects.update(provider=provider)
    for item in items(ada.open())[:answered]:
        record_answer(
            item_key=item.key, assignment_id=item.assignment_id, says="yes", elapsed_ms=10_000, at=ada.clock()
        )
    sweep(at=LATER)
    assert LedgerEntry.objects.get(kind="settle").money == Decimal(answered * seconds) / 100


def test_a_hit_of_which_nothing_was_answered_costs_nothing() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    Person.of(project).open()
    sweep(at=LATER)
    assert Budget.objects.get(project=project).committed_questions == 0


def test_sweeping_again_changes_nothing() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    Person.of(project).open()
    assert [sweep(at=LATER), sweep(at=LATER)] == [1, 0]
    assert check_campaign(project) == []


def test_a_hit_that_cannot_be_released_is_told_of_and_keeps_no_other_from_it(caplog) -> None:
    project = opened(project_with_clusters([0.9] * 6))
    broken, sound = (Person.of(project, name).open() for name in ("Ada", "Ben"))
    Assignment.objects.filter(pk=broken.pk).update(expires_at=NOON)
    LedgerEntry.objects.filter(reference=broken.reference).delete()
    assert sweep(at=LATER) == 1
    assert Assignment.objects.live().get() == broken
    assert f"assignment:{broken.pk}" in caplog.text
    sound.refresh_from_db()
    assert sound.released_at == LATER


def test_hits_whose_lease_runs_are_left_alone() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    ada.open()
    ben.clock.now += timedelta(minutes=20)
    kept = ben.open()
    assert sweep(at=NOON + timedelta(minutes=31)) == 1
    assert Assignment.objects.live().get() == kept


def test_what_comes_back_goes_to_the_next_worker() -> None:
    project = opened(project_with_clusters([0.9] * 2, hit_size=20))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    hers = {item.question_id for item in masks_only(ada.open())}
    sweep(at=LATER)
    assert hers & {item.question_id for item in masks_only(ben.open())}


def test_a_worker_may_give_their_hit_back() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    ada = Person.of(project)
    ada.open()
    given = {"project_id": project.pk, "worker_id": ada.member.worker_id, "at": NOON}
    assert [release_live(**given), release_live(**given)] == [True, False]
    assert check_campaign(project) == []
