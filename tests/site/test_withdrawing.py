"""Judgments that stop counting take the decisions with them that rested on them, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from annotation_site.people.members import join
from annotation_site.people.models import Membership, Standing, StandingChange, TrustPolicy, Worker
from annotation_site.verification import trust
from annotation_site.verification.answering import record_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Cluster, Decision, Judgment, Question, Says
from annotation_site.verification.releasing import release_live
from annotation_site.verification.trust import (
    note_worker,
    reinstate_worker,
    review_standing,
    stop_worker,
)
from annotation_site.verification.withdrawing import retract_worker
from tests.factories import NOON, RoundFactory
from tests.site.campaigns import (
    Clock,
    Person,
    add_tree,
    items,
    opened,
    project_with_clusters,
    project_with_tree,
    record_of,
    standing,
    truth,
)

pytestmark = pytest.mark.django_db

HALVES = [True] * 32 + [False] * 32


def until_nothing_is_open(*people: Person) -> None:
    while Cluster.objects.filter(is_open=True).exists():
        for person in people:
            if Cluster.objects.filter(is_open=True).exists():
                person.work()


def test_the_sites_clock_judges_people_and_no_simulated_workers_beside_them() -> None:
    project = opened(project_with_clusters([1.0] * 20, hit_size=45, gold_share=0.0))
    program = join(project=project, provider=Worker.SIMULATED, external_id="1")
    for member in (program, Person.of(project).member):
        hasty = Person(member, clock=Clock(step=timedelta(milliseconds=1)))
        hasty.work()
    assert Membership.objects.get(pk=program.pk).standing == Standing.QUALIFIED
    assert Membership.objects.get(pk=member.pk).standing == Standing.STOPPED
    assert "by the site's clock" in StandingChange.objects.get().reason


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
    assert record_of(ada.member).gold.answered == 2


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
    for person, expected in ((ada, Standing.QUALIFIED), (ben, Standing.PROBATION)):
        worker = person.member.worker_id
        assert review_standing(project_id=project.pk, worker_id=worker, at=NOON) == expected
        assert review_standing(project_id=project.pk, worker_id=worker, at=NOON) == expected
    assert StandingChange.objects.get().after == Standing.PROBATION


def test_an_admin_stops_and_reinstates_and_every_change_is_noted() -> None:
    project = opened(project_with_clusters([0.9] * 6))
    ada = Person.of(project)
    ada.open()
    for _ in range(2):
        stop_worker(membership=ada.member, reason="asked to", by="eve", at=NOON)
    assert not Assignment.objects.live().exists()
    note_worker(membership=ada.member, text="wrote us", by="eve", at=NOON)
    for _ in range(2):
        reinstate_worker(membership=ada.member, reason="came back", by="eve", at=NOON)
    assert ada.open()
    changes = StandingChange.objects.order_by("pk")
    assert list(changes.values_list("before", "after", "reason", "by")) == [
        ("qualified", "stopped", "asked to", "eve"),
        ("stopped", "stopped", "wrote us", "eve"),
        ("stopped", "qualified", "came back", "eve"),
    ]
    assert [change.is_note for change in changes] == [False, True, False]


def test_an_admin_chooses_from_when_on_a_stopped_workers_answers_do_not_count() -> None:
    project = opened(project_with_clusters([0.9] * 6, gold_share=0))
    ada = Person.of(project)
    before = len(ada.work())
    ada.clock.now += timedelta(hours=1)
    since = ada.clock.now
    ada.work()
    stop_worker(membership=ada.member, reason="a test", at=NOON, since=since)
    assert Judgment.objects.counting().count() == before
    stop_worker(membership=ada.member, reason="all of it", at=NOON)
    assert not Judgment.objects.counting().exists()
    assert check_campaign(project) == []


def test_a_stop_that_was_a_mistake_can_be_taken_back_with_all_its_answers() -> None:
    project = opened(project_with_tree(HALVES))
    ada = Person.of(project)
    until_nothing_is_open(ada)
    before = standing(project)
    counted = set(Judgment.objects.counting().values_list("pk", flat=True))
    stop_worker(membership=ada.member, reason="a mistake", at=NOON)
    assert standing(project) == {}
    for _ in range(2):
        reinstate_worker(membership=ada.member, reason="sorry", at=NOON, restore=True)
        assert standing(project) == before
        assert set(Judgment.objects.counting().values_list("pk", flat=True)) == counted
    assert check_campaign(project) == []


def test_what_others_decided_meanwhile_stands_when_answers_come_back() -> None:
    project = opened(project_with_tree(HALVES))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    until_nothing_is_open(ada)
    stop_worker(membership=ada.member, reason="a mistake", at=NOON)
    until_nothing_is_open(ben)
    before = standing(project)
    reinstate_worker(membership=ada.member, reason="sorry", at=NOON, restore=True)
    assert standing(project) == before
    assert check_campaign(project) == []


def test_who_is_reinstated_is_judged_by_what_they_do_from_then_on() -> None:
    project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
    person = Person.of(project, says=lambda item: Says.YES)
    until_stopped(person)
    reinstate_worker(membership=person.member, reason="was tired", at=person.clock())
    person.says = truth
    person.work()
    person.member.refresh_from_db()
    assert person.member.standing in (Standing.QUALIFIED, Standing.ACTIVE)


def test_reinstating_who_is_not_stopped_changes_nothing() -> None:
    ada = Person.of(opened(project_with_clusters([0.9] * 6)))
    Membership.objects.update(standing=Standing.ACTIVE)
    reinstate_worker(membership=ada.member, reason="by mistake", at=NOON)
    assert Membership.objects.get().standing == Standing.ACTIVE
    assert not StandingChange.objects.exists()


def test_a_worker_who_answers_faster_than_anyone_looks_is_stopped() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold=40, hit_size=50))
    bot = Person.of(project)
    for item in items(bot.open()):
        record_answer(
            item_key=item.key,
            assignment_id=item.assignment_id,
            says=truth(item),
            elapsed_ms=90,
            at=bot.clock(),
        )
    bot.member.refresh_from_db()
    assert bot.member.standing == Standing.STOPPED
    assert "answers in 90 ms" in StandingChange.objects.get().reason


def test_a_page_that_lies_about_the_time_does_not_fool_the_sites_clock() -> None:
    project = opened(project_with_clusters([0.9] * 20, gold=40, hit_size=50))
    bot = Person.of(project, clock=Clock(step=timedelta(milliseconds=100)))
    bot.work()
    bot.member.refresh_from_db()
    assert bot.member.standing == Standing.STOPPED
    assert "by the site's clock" in StandingChange.objects.get().reason


def test_who_contradicts_proven_workers_on_clear_clusters_is_stopped() -> None:
    project = opened(project_with_clusters([1.0] * 40, gold=0, hit_size=20, gold_share=0))
    proven = [Person.of(project, name) for name in ("Ada", "Ben", "Cy")]
    Membership.objects.update(standing=Standing.ACTIVE)
    clicker = Person.of(project, "Dee", says=lambda item: Says.YES if item.pk % 3 == 0 else Says.NO)
    TrustPolicy.objects.update(least_shared=20)
    for _ in range(6):
        for person in (*proven, clicker):
            if person.member.standing != Standing.STOPPED:
                person.work()
                person.member.refresh_from_db()
    assert [person.member.standing for person in proven] == [Standing.ACTIVE] * 3
    assert clicker.member.standing == Standing.STOPPED
    assert "agrees with proven workers" in StandingChange.objects.get().reason
    assert not Judgment.objects.counting().filter(worker=clicker.member.worker).exists()
    assert check_campaign(project) == []


def test_those_who_are_not_proven_cannot_outvote_an_honest_worker() -> None:
    project = opened(project_with_clusters([1.0] * 30, gold=0, hit_size=20, gold_share=0))
    spammers = [Person.of(project, name, says=lambda item: Says.NO) for name in ("Ada", "Ben", "Cy")]
    honest = Person.of(project, "Dee")
    TrustPolicy.objects.update(least_shared=20)
    for _ in range(5):
        for person in (*spammers, honest):
            person.work()
    honest.member.refresh_from_db()
    assert honest.member.standing == Standing.QUALIFIED
