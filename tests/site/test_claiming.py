"""Which questions a HIT holds."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import BudgetSpent
from annotation_site.budget.models import Budget
from annotation_site.people.models import GoldItem, Standing
from annotation_site.people.policies import set_policy
from annotation_site.people.standing import WorkerStopped, change_standing
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NothingToAsk
from annotation_site.verification.hits import shown
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Cluster, Item, Question, Says
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    add_gold,
    items,
    masks_only,
    opened,
    project_with_clusters,
    project_with_tree,
)

pytestmark = pytest.mark.django_db


def gold_of(assignment: Assignment) -> list[Item]:
    return [item for item in items(assignment) if item.question.gold_id]


def test_a_worker_who_comes_back_finds_their_hit_and_only_answers_renew_its_lease() -> None:
    project = opened(project_with_clusters([0.9] * 4))
    ada = Person.of(project)
    first = ada.open()
    for minutes in (20, 5):
        ada.clock.now += timedelta(minutes=minutes)
        again = ada.open()
        assert (again, again.expires_at) == (first, first.expires_at)
    ada.answer(items(first)[0])
    first.refresh_from_db()
    assert first.expires_at == ada.clock.now + timedelta(minutes=30)


def test_a_hit_whose_lease_has_run_out_is_ended_when_its_worker_comes_back() -> None:
    project = opened(project_with_clusters([0.9] * 4))
    ada = Person.of(project)
    first = ada.open()
    ada.answer(items(first)[0])
    ada.clock.now += timedelta(minutes=45)  # Nobody has swept it.
    again = ada.open()
    first.refresh_from_db()
    assert again != first
    assert first.released_at == ada.clock.now
    assert Budget.objects.get(project=project).committed_questions == 1 + again.items.count()
    assert check_campaign(project) == []


def test_a_hit_holds_no_more_of_a_cluster_than_can_settle_it_while_others_wait() -> None:
    project = opened(project_with_clusters([0.9] * 20, hit_size=50))
    hit = Person.of(project).open()
    per_cluster = Counter(item.question.cluster_id for item in masks_only(hit))
    assert sum(per_cluster.values()) == 45
    assert max(per_cluster.values()) <= 5


def test_two_workers_share_clusters_but_no_question() -> None:
    project = opened(project_with_clusters([0.9] * 10))
    hits = [Person.of(project, name).open() for name in ("Ada", "Ben")]
    first, second = ({item.question_id for item in masks_only(hit)} for hit in hits)
    assert first
    assert second
    assert not first & second


def test_the_best_clusters_are_asked_about_first() -> None:
    project = opened(project_with_clusters([0.9] * 12, hit_size=20, gold_share=0))
    best = Cluster.objects.order_by("pk")[:4]
    for place, cluster in enumerate(best):
        Question.objects.filter(cluster=cluster).update(priority=2 - place / 10)
    hit = Person.of(project).open()
    asked = Counter(item.question.cluster_id for item in items(hit))
    assert [asked[cluster.pk] for cluster in best] == [2, 2, 2, 2]
    assert len(asked) == 12


def test_when_little_is_open_a_hit_is_short_and_leaves_some_to_others() -> None:
    project = opened(project_with_tree([True] * 32, hit_size=50, gold_share=0))
    first, second = (Person.of(project, name).open() for name in ("Ada", "Ben"))
    assert (first.items.count(), second.items.count()) == (10, 5)
    with pytest.raises(NothingToAsk) as nothing:
        Person.of(project, "Cy").open()
    assert nothing.value.later


def test_a_cluster_has_but_the_next_masks_of_its_sample_in_the_queue() -> None:
    project = opened(project_with_tree([True] * 256, rule="sequential", hit_size=4, gold_share=0))
    sample = Cluster.objects.get().sample_size
    assert Question.objects.filter(wanted=1).count() == 8 < sample
    person, asked = Person.of(project), 0
    while Cluster.objects.filter(is_open=True).exists():
        asked += len(person.work())
        assert check_campaign(project) == []
    assert asked > 8


def test_one_worker_who_cannot_tell_is_shown_the_whole_sample_all_the_same() -> None:
    project = opened(project_with_tree([True] * 256, rule="sequential", hit_size=4, gold_share=0))
    sample = Cluster.objects.get().sample_size
    person = Person.of(project, says=lambda _: Says.UNSURE)
    for _ in range(sample):
        person.answer(items(person.open())[0])
    with pytest.raises(NothingToAsk):
        person.open()
    assert Question.objects.count() == sample
    assert check_campaign(project) == []


def test_what_a_worker_answered_is_not_asked_of_them_again() -> None:
    project = opened(project_with_clusters([0.9] * 3, judgments_per_question=3, hit_size=100))
    ada = Person.of(project)
    answered = {item.question_id for item in masks_only(ada.open())}
    ada.work()
    assert Question.objects.filter(pk__in=answered, wanted__gt=0).exists()
    assert not answered & {item.question_id for item in masks_only(ada.open())}


def test_when_everything_is_decided_there_is_nothing_to_ask() -> None:
    project = opened(project_with_tree([True] * 20))
    ada = Person.of(project)
    while Cluster.objects.filter(is_open=True).exists():
        ada.work()
    with pytest.raises(NothingToAsk) as nothing:
        ada.open()
    assert not nothing.value.later


def test_a_stopped_worker_gets_no_hit_not_even_their_own() -> None:
    project = opened(project_with_clusters([0.9] * 4))
    ada = Person.of(project)
    ada.open()
    change_standing(membership=ada.member, to=Standing.STOPPED, reason="a test", at=NOON)
    with pytest.raises(WorkerStopped):
        ada.open()


def test_gold_hides_at_random_places_half_of_it_right() -> None:
    project = opened(project_with_clusters([0.9] * 40, gold=80, hit_size=50))
    places: Counter[int] = Counter()
    for number in range(5):
        gold = gold_of(Person.of(project, f"worker {number}").open(seed=number))
        assert len(gold) == 5
        assert sum(item.question.gold.is_correct for item in gold) in (2, 3)
        places.update(item.index for item in gold)
    assert len(places) > 12


def test_a_worker_sees_all_right_and_all_wrong_gold_once_before_any_comes_again() -> None:
    project = opened(project_with_clusters([0.9] * 60, gold=8, hit_size=20, gold_share=0.1))
    ada = Person.of(project)
    seen: list[int] = []
    for number in range(5):
        hit = ada.open(seed=number)
        seen += [item.question.gold_id for item in gold_of(hit)]
        for item in items(hit):
            ada.answer(item)
    assert len(seen) == 10
    assert len(set(seen[:8])) == 8


def test_gold_that_was_left_comes_again_with_the_masks_that_were_and_not_before_new_gold() -> None:
    project = opened(project_with_clusters([0.9] * 40, gold=12, hit_size=20, gold_share=0.2))
    set_policy(project=project, most_left=0)  # Else others would get the masks first.
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    left = ada.open()
    sweep(at=ada.clock() + timedelta(hours=1))
    again = ada.open(seed=1)
    assert {item.question_id for item in items(again)} == {item.question_id for item in items(left)}
    sweep(at=ada.clock() + timedelta(hours=1))
    assert {i.question_id for i in masks_only(ben.open())} == {i.question_id for i in masks_only(left)}
    new = ada.open(seed=2)
    assert not {item.question_id for item in items(new)} & {item.question_id for item in items(left)}
    assert len(gold_of(new)) == len(gold_of(left)) == 4


def test_gold_of_the_hits_categories_goes_first_and_retired_gold_never() -> None:
    project = project_with_clusters([0.9] * 20, gold=20)
    GoldItem.objects.filter(is_correct=True, source_id__gt=10).update(retired_at=NOON)
    other = project.categories.create(coco_id=10**6, name="door")
    GoldItem.objects.filter(source_id__lt=2).update(category=other)
    gold = gold_of(Person.of(opened(project)).open())
    assert {item.question.category_id for item in gold} == {project.categories.first().pk}
    assert all(item.question.gold.retired_at is None for item in gold)


def test_a_worker_on_probation_gets_twice_the_gold() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold=40, hit_size=50))
    ada = Person.of(project)
    change_standing(membership=ada.member, to=Standing.PROBATION, reason="a test", at=NOON)
    assert len(gold_of(ada.open())) == 10


def test_without_gold_a_hit_is_all_questions() -> None:
    project = opened(project_with_clusters([0.9] * 20, hit_size=20))
    hit = Person.of(project).open()
    assert len(masks_only(hit)) == hit.items.count() == 18


def test_gold_that_is_made_later_is_asked_too() -> None:
    project = opened(project_with_clusters([0.9] * 20))
    add_gold(project, 12)
    assert len(gold_of(Person.of(project).open())) == 5


def test_the_last_hit_of_a_budget_is_shorter_and_then_it_is_spent() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold=30, hit_size=50))
    set_caps(project=project, questions=57, money=None)
    ada, ben, cy = (Person.of(project, name) for name in ("Ada", "Ben", "Cy"))
    assert (ada.open().items.count(), ben.open().items.count()) == (50, 7)
    with pytest.raises(BudgetSpent):
        cy.open()
    assert Budget.objects.get(project=project).committed_questions == 57


def test_a_hit_of_which_nothing_can_be_paid_does_not_open() -> None:
    project = opened(project_with_clusters([0.9] * 4))
    set_caps(project=project, questions=0, money=None)
    with pytest.raises(BudgetSpent):
        Person.of(project).open()
    assert not Assignment.objects.exists()
    assert not Question.objects.filter(taken__gt=0).exists()


def test_what_a_page_shows_of_gold_is_what_it_shows_of_any_mask() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold=30))
    ada = Person.of(project)
    hit = ada.open()
    first = items(hit)[0]
    ada.answer(first)
    entries = shown(hit)
    assert [entry.key for entry in entries] == [item.key for item in items(hit)]
    assert [entry.says for entry in entries[:2]] == [ada.says(first), None]
    for entry in entries:
        assert entry.image.width
        assert entry.outlined.rle["counts"]
        assert entry.category.name


def test_the_order_of_a_hit_is_mixed() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold_share=0))
    clusters = [item.question.cluster_id for item in items(Person.of(project).open())]
    assert np.mean(np.diff(clusters) >= 0) < 0.8
