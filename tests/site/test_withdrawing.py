"""Judgments that stop counting take the decisions with them that rested on them, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from annotation_site.people.models import Standing, StandingChange, TrustPolicy
from annotation_site.verification import trust
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Cluster, Decision, Judgment, Question, Says
from annotation_site.verification.releasing import release_live
from annotation_site.verification.trust import gold_record, reinstate, review_standing, stop_worker
from annotation_site.verification.withdrawing import retract_worker
from tests.factories import NOON, RoundFactory
from tests.site.campaigns import (
    Person,
    add_tree,
    items,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
)

pytestmark = pytest.mark.django_db

HALVES = [True] * 32 + [False] * 32


def until_nothing_is_open(*people: Person) -> None:
    while Cluster.objects.filter(is_open=True).exists():
        for person in people:
            if Cluster.objects.filter(is_open=True).exists():
                person.work()


def test_what_a_worker_alone_decided_is_open_again_when_they_are_retracted() -> None:
    project = opened(project_with_tree(HALVES))
    spammer = Person.of(project, says=lambda item: Says.YES)
    until_nothing_is_open(spammer)
    assert standing(project) == {(0, 64): "accept"}
    retraction = retract_worker(membership=spammer.member, reason="always yes", at=NOON)
    assert (retraction.judgments, retraction.withdrawn) == (Judgment.objects.count(), 1)
    assert standing(project) == {}
    assert Cluster.objects.get().is_open
    assert check_campaign(project) == []
    until_nothing_is_open(Person.of(project, "Ada"))
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}


def test_nothing_is_deleted_and_the_trail_says_why() -> None:
    project = opened(project_with_tree(HALVES))
    spammer = Person.of(project, says=lambda item: Says.YES)
    until_nothing_is_open(spammer)
    retract_worker(membership=spammer.member, reason="always yes", at=NOON)
    decision = Decision.objects.get()
    assert (decision.verdict, decision.yes, decision.withdrawn_at) == ("accept", 13, NOON)
    assert decision.withdrawn_because == "always yes"
    assert set(Judgment.objects.values_list("retracted_because", flat=True)) == {"always yes"}


def test_a_decision_that_still_holds_stays() -> None:
    project = opened(project_with_tree([True] * 32, judgments_per_question=3))
    ada, ben, cy = (Person.of(project, name) for name in ("Ada", "Ben", "Cy"))
    held = {}
    for person in (ada, ben):
        held[person.member.pk] = items(person.open())
    for place in range(len(held[ada.member.pk])):
        ada.answer(held[ada.member.pk][place])
        ben.answer(held[ben.member.pk][place])
    until_nothing_is_open(cy, ada, ben)
    before = standing(project)
    extra = Judgment.objects.filter(worker=cy.member.worker).count()
    retraction = retract_worker(membership=cy.member, reason="a test", at=NOON)
    assert retraction.judgments == extra
    assert retraction.withdrawn == 0 or standing(project) != before
    assert check_campaign(project) == []


def test_below_a_split_that_falls_everything_is_withdrawn_and_its_answers_serve_again() -> None:
    project = opened(project_with_tree(HALVES))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    first = items(ada.open())
    while not standing(project):
        for item in first:
            if not standing(project):
                ada.answer(item)
        first = items(ada.open())
    release_live(project_id=project.pk, worker_id=ada.member.worker_id, at=NOON)
    assert standing(project) == {(0, 64): "split"}
    while Cluster.objects.filter(is_open=True).exists():
        ben.work()
    decided = set(standing(project).values())
    assert decided == {"split", "accept", "reject"}
    by_ben = Judgment.objects.filter(worker=ben.member.worker).count()
    retraction = retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert retraction.withdrawn == 3
    assert Judgment.objects.filter(retracted_at=None, worker=ben.member.worker).count() == by_ben
    below = Decision.objects.exclude(cluster__parent=None)
    assert all("the split above" in decision.withdrawn_because for decision in below)
    assert list(Cluster.objects.filter(is_open=True).values_list("lo", "hi")) == [(0, 64)]
    assert check_campaign(project) == []
    until_nothing_is_open(ben)
    assert set(standing(project).values()) == decided
    again = Judgment.objects.filter(retracted_at=None).values_list("question", flat=True)
    assert len(again) == len(set(again))


def test_only_judgments_from_the_chosen_time_on_stop_counting() -> None:
    project = opened(project_with_clusters([0.9] * 6, gold_share=0))
    ada = Person.of(project)
    before = len(ada.work())
    ada.clock.now += timedelta(hours=1)
    since = ada.clock.now
    after = len(ada.work())
    retraction = retract_worker(membership=ada.member, reason="a test", at=NOON, since=since)
    assert retraction.judgments == after
    assert Judgment.objects.filter(retracted_at=None).count() == before
    assert check_campaign(project) == []


def test_retracting_ends_the_open_hit_and_repeating_it_changes_nothing() -> None:
    project = opened(project_with_clusters([0.9] * 6, gold=10))
    ada = Person.of(project)
    held = items(ada.open())
    for item in held[:20]:
        ada.answer(item)
    retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert Assignment.objects.get().released_at == NOON
    again = retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert (again.judgments, again.withdrawn) == (0, 0)
    assert check_campaign(project) == []


def test_what_a_retracted_worker_said_of_gold_stays_known() -> None:
    project = opened(project_with_clusters([0.9] * 6, gold=10, hit_size=20))
    ada = Person.of(project)
    ada.work()
    retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert gold_record(project_id=project.pk, worker_id=ada.member.worker_id).answered == 2


def test_decisions_of_an_earlier_round_fall_too_but_are_not_asked_again() -> None:
    project = opened(project_with_tree([True] * 32))
    ada = Person.of(project)
    until_nothing_is_open(ada)
    later = RoundFactory(project=project, number=2)
    add_tree(later, [True] * 8, scores=np.full(8, 0.9), category=project.categories.get())
    opened(project)
    retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert standing(project) == {}
    assert not Question.objects.filter(tree__round__number=1, wanted__gt=0).exists()
    assert check_campaign(project) == []


def test_a_worker_who_fails_gold_is_stopped_and_what_they_decided_undone() -> None:
    project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
    TrustPolicy.objects.update(least_gold=10)
    spammer = Person.of(project, says=lambda item: Says.YES)
    for _ in range(3):
        spammer.work()
        spammer.member.refresh_from_db()
        if spammer.member.standing == Standing.STOPPED:
            break
    assert spammer.member.standing == Standing.STOPPED
    change = StandingChange.objects.latest("pk")
    assert "gold answers right" in change.reason
    assert standing(project) == {}
    assert not Judgment.objects.filter(of_gold=False, retracted_at=None).exists()
    assert check_campaign(project) == []


def until_stopped(person: Person) -> None:
    while person.member.standing != Standing.STOPPED:
        person.work()
        person.member.refresh_from_db()


def test_a_stop_that_is_interrupted_leaves_nothing_half_done_and_is_made_good_by_the_next_review(
    monkeypatch,
) -> None:
    project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
    spammer = Person.of(project, says=lambda item: Says.YES)
    who = {"project_id": project.pk, "worker_id": spammer.member.worker_id}

    def killed(**_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trust, "retract_worker", killed)
        with pytest.raises(KeyboardInterrupt):
            until_stopped(spammer)
    spammer.member.refresh_from_db()
    assert spammer.member.standing != Standing.STOPPED
    assert review_standing(**who, at=NOON) == Standing.STOPPED
    assert not Judgment.objects.filter(of_gold=False, retracted_at=None).exists()
    assert check_campaign(project) == []


def test_a_spammer_who_never_finishes_a_hit_is_found_out_when_the_lease_ends() -> None:
    project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
    spammer = Person.of(project, says=lambda item: Says.YES)
    while spammer.member.standing != Standing.STOPPED:
        for item in items(spammer.open())[:-1]:
            spammer.answer(item)
        spammer.clock.now += timedelta(hours=1)
        sweep(at=spammer.clock())
        spammer.member.refresh_from_db()
    assert not Judgment.objects.filter(of_gold=False, retracted_at=None).exists()
    assert check_campaign(project) == []


def test_whether_a_stopped_workers_answers_count_is_the_projects_choice() -> None:
    project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
    TrustPolicy.objects.update(retract_stopped=False)
    spammer = Person.of(project, says=lambda item: Says.YES)
    while spammer.member.standing != Standing.STOPPED:
        spammer.work()
        spammer.member.refresh_from_db()
    assert Judgment.objects.filter(of_gold=False, retracted_at=None).exists()


def test_good_workers_stay_and_doubtful_ones_are_watched() -> None:
    project = opened(project_with_clusters([0.9] * 40, gold=60, hit_size=20, gold_share=0.5))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    for person, right in ((ada, 10), (ben, 6)):
        gold = [item for item in items(person.open()) if item.question.gold_id]
        for place, item in enumerate(gold[:10]):
            says = person.says(item)
            person.answer(item, says if place < right else {"yes": Says.NO, "no": Says.YES}[says])
    for person, expected in ((ada, Standing.ACTIVE), (ben, Standing.PROBATION)):
        worker = person.member.worker_id
        assert review_standing(project_id=project.pk, worker_id=worker, at=NOON) == expected
        assert review_standing(project_id=project.pk, worker_id=worker, at=NOON) == expected
    assert StandingChange.objects.count() == 1


def test_an_admin_stops_and_reinstates_and_every_change_is_noted() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    ada = Person.of(project)
    ada.open()
    stop_worker(membership=ada.member, reason="asked to", at=NOON)
    stop_worker(membership=ada.member, reason="asked to", at=NOON)
    assert not Assignment.objects.live().exists()
    reinstate(membership=ada.member, reason="came back", at=NOON)
    assert ada.open()
    changes = StandingChange.objects.order_by("pk").values_list("before", "after", "reason")
    assert list(changes) == [("active", "stopped", "asked to"), ("stopped", "active", "came back")]
