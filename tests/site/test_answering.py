"""One answer: recorded once, counted, decided, and what follows opened, in one transaction."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.people.models import Standing
from annotation_site.people.policies import set_policy
from annotation_site.people.standing import WorkerStopped, change_standing
from annotation_site.verification import answering
from annotation_site.verification.answering import UndoTooLate, UnknownItem, record_answer, undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Cluster, Decision, Item, Judgment, Question, Says
from annotation_site.verification.trust import reinstate_worker, stop_worker
from pipeline.decisions import Verdict
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    counted_queries,
    items,
    masks_only,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
)

pytestmark = pytest.mark.django_db

ALL_RIGHT = [True] * 32
HALVES = [True] * 32 + [False] * 32


def until_decided(person: Person, says: Says | None = None) -> list[Verdict]:
    """Answer until something is decided; the verdicts."""
    while True:
        for item in items(person.open()):
            answer = person.answer(item, says)
            if answer.verdict not in (None, Verdict.ASK):
                return [answer.verdict]


def test_a_cluster_is_accepted_by_the_answer_that_settles_it() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    assert until_decided(ada) == [Verdict.ACCEPT]
    decision = Decision.objects.get()
    assert (decision.yes, decision.no, decision.sample, decision.rule) == (13, 0, 15, "curtailed")
    assert Judgment.objects.count() == 13
    assert not Cluster.objects.filter(is_open=True).exists()
    assert not Question.objects.filter(wanted__gt=0).exists()


def test_postgres_keeps_the_plans_of_what_every_answer_sends() -> None:
    ada = Person.of(opened(project_with_tree(ALL_RIGHT)))
    until_decided(ada)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        kept = " ".join(statement for (statement,) in cursor.fetchall())
    for told in ("verification_record_answer", "UPDATE verification_question"):
        assert told in kept


def test_answers_know_their_tree_whoever_writes_them() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    until_decided(Person.of(project))
    (tree,) = Judgment.objects.values_list("tree", flat=True).distinct()
    assert tree == Cluster.objects.earliest("pk").tree_id
    Judgment.objects.update(tree=None)
    import_module("annotation_site.verification.migrations.0012_answers_of_tree").tell_trees(apps, None)
    assert not Judgment.objects.exclude(tree=tree).exists()
    one = Judgment.objects.earliest("pk")
    Judgment.objects.filter(pk=one.pk).update(retracted_at=NOON)
    again = Judgment.objects.create(  # As the version before did.
        question=one.question, worker=one.worker, item=one.item, says="yes", elapsed_ms=1, at=NOON
    )
    again.refresh_from_db()
    assert again.tree_id == tree


def test_a_cluster_of_wrong_masks_is_rejected() -> None:
    project = opened(project_with_tree([False] * 32))
    assert until_decided(Person.of(project)) == [Verdict.REJECT]
    assert standing(project) == {(0, 32): "reject"}


def test_a_mixed_cluster_is_split_and_its_children_open_with_the_answers_they_have() -> None:
    project = opened(project_with_tree(HALVES))
    assert until_decided(Person.of(project)) == [Verdict.SPLIT]
    children = Cluster.objects.exclude(parent=None).order_by("lo")
    assert [(c.lo, c.hi, c.is_open, c.parent.lo) for c in children] == [(0, 32, True, 0), (32, 64, True, 0)]
    reused = Question.objects.filter(cluster__in=children, judgments__isnull=False)
    assert reused.count() == Judgment.objects.count()
    assert not Question.objects.filter(judgments__isnull=False, wanted__gt=0).exists()
    assert check_campaign(project) == []


def test_no_mask_is_asked_about_twice_down_the_tree() -> None:
    project = opened(project_with_tree(HALVES, n_s=8))
    ada = Person.of(project)
    until_decided(ada)
    while Cluster.objects.filter(is_open=True).exists():
        ada.work()
    asked = Judgment.objects.values_list("question", flat=True)
    assert len(asked) == len(set(asked))
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}


def test_the_same_answer_again_changes_nothing_and_is_told_the_same() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = items(ada.open())[0]
    first, second = ada.answer(item), ada.answer(item)
    assert (first.says, first.repeated) == ("yes", False)
    assert (second.says, second.repeated, second.remaining) == ("yes", True, first.remaining)
    assert Judgment.objects.count() == 1
    assert check_campaign(project) == []


def test_another_answer_without_an_undo_changes_nothing() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = items(ada.open())[0]
    ada.answer(item, Says.YES)
    assert ada.answer(item, Says.NO).says == "yes"
    assert Judgment.objects.get().says == "yes"


def test_the_last_answer_finishes_the_hit_and_settles_it() -> None:
    project = opened(project_with_tree(ALL_RIGHT, gold=4, hit_size=10))
    ada = Person.of(project)
    answers = ada.work()
    assert answers[-1].finished
    assert not any(answer.finished for answer in answers[:-1])
    assert Assignment.objects.get().finished_at is not None
    ledger = dict(LedgerEntry.objects.values_list("kind", "questions"))
    assert ledger == {"reserve": len(answers), "release": -len(answers), "settle": len(answers)}


def test_gold_among_the_answers_moves_no_cluster() -> None:
    project = opened(project_with_tree(ALL_RIGHT, gold=10, hit_size=10, gold_share=0.5))
    ada = Person.of(project)
    hit = ada.open()
    gold = [item for item in items(hit) if item.question.gold_id]
    assert gold
    for item in gold:
        answer = ada.answer(item)
        assert (answer.counts, answer.verdict) == (True, None)
    assert Judgment.objects.filter(of_gold=True).count() == len(gold)
    assert check_campaign(project) == []


def test_cannot_tell_is_no_evidence_and_someone_else_is_asked() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    item = masks_only(ada.open())[0]
    ada.answer(item, Says.UNSURE)
    question = Question.objects.get(pk=item.question_id)
    assert (question.wanted, question.taken) == (1, 0)
    assert item.question_id in {i.question_id for i in items(ben.open())}


def test_after_three_who_cannot_tell_a_mask_counts_as_wrong() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    key = None
    for name in ("Ada", "Ben", "Cy"):
        person = Person.of(project, name)
        item = next(i for i in items(person.open()) if key in (None, i.question_id))
        key = item.question_id
        person.answer(item, Says.UNSURE)
    question = Question.objects.get(pk=key)
    assert (question.wanted, question.taken) == (0, 0)
    assert check_campaign(project) == []


def test_with_three_judgments_the_majority_is_the_answer() -> None:
    project = opened(project_with_tree(ALL_RIGHT, judgments_per_question=3))
    people = [Person.of(project, name) for name in ("Ada", "Ben", "Cy")]
    item = items(people[0].open())[0]
    assert Question.objects.get(pk=item.question_id).wanted == 2
    for person, says, wanted in zip(people, (Says.YES, Says.NO, Says.YES), (1, 1, 0), strict=True):
        mine = next(i for i in items(person.open()) if i.question_id == item.question_id)
        person.answer(mine, says)
        assert Question.objects.get(pk=item.question_id).wanted == wanted


def test_an_answer_after_the_lease_is_kept_counts_and_is_paid() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    sweep(at=NOON + timedelta(hours=1))
    answer = ada.answer(item)
    assert (answer.late, answer.counts, answer.says) == (True, True, "yes")
    assert Question.objects.get(pk=item.question_id).wanted == 0
    assert LedgerEntry.objects.get(reference=item.reference).questions == 1
    assert check_campaign(project) == []


def test_an_item_is_paid_once_however_often_its_worker_is_retracted_and_reinstated() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    ada.answer(item)
    for _ in range(2):
        stop_worker(membership=ada.member, reason="a test", at=NOON, retract=True)
        reinstate_worker(membership=ada.member, reason="a test", at=NOON)
        assert not ada.answer(item).repeated
    assert Budget.objects.get(project=project).committed_questions == 1
    assert check_campaign(project) == []


def test_an_answer_that_was_undone_before_the_lease_ended_is_paid_when_it_comes_again() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    ada.answer(item, Says.NO)
    undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=ada.clock())
    sweep(at=NOON + timedelta(hours=1))
    assert ada.answer(item).late
    assert LedgerEntry.objects.get(reference=item.reference).questions == 1


def test_an_answer_for_a_cluster_that_is_decided_is_kept_and_does_not_count() -> None:
    project = opened(project_with_tree(ALL_RIGHT, hit_size=2))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    held = masks_only(ben.open())[0]
    while not standing(project):
        ada.work()
    answer = ben.answer(held)
    assert (answer.counts, answer.late, answer.repeated) == (False, False, False)
    assert Judgment.objects.filter(item=held).exists()
    assert check_campaign(project) == []


def test_a_late_answer_goes_to_the_item_that_the_worker_holds_now() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    set_policy(project=project, most_left=0)  # Else others would get the mask first.
    ada = Person.of(project)
    old = masks_only(ada.open())[0]
    sweep(at=NOON + timedelta(hours=1))
    again = next(i for i in items(ada.open()) if i.question_id == old.question_id)
    late = ada.answer(old)
    assert (late.late, late.remaining) == (True, old.assignment.items.count())
    assert Judgment.objects.get().item == again
    assert ada.answer(again).repeated
    assert check_campaign(project) == []


def test_an_item_of_another_hit_is_refused() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    hers, his = items(ada.open())[0], items(ben.open())[0]
    with pytest.raises(UnknownItem):
        record_answer(item_key=hers.key, assignment_id=his.assignment_id, says="yes", elapsed_ms=1, at=NOON)
    with pytest.raises(UnknownItem):
        undo_answer(item_key=uuid4(), assignment_id=his.assignment_id, at=NOON)


def test_a_stopped_worker_is_refused() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = items(ada.open())[0]
    change_standing(membership=ada.member, to=Standing.STOPPED, reason="a test", at=NOON)
    with pytest.raises(WorkerStopped):
        ada.answer(item)


@pytest.mark.parametrize("of_gold", [True, False], ids=["gold", "mask"])
def test_who_is_stopped_while_they_wait_is_refused_alike(of_gold: bool, monkeypatch) -> None:
    """Else what they are told in that moment would tell gold."""
    project = opened(project_with_clusters([0.9] * 6, gold=20, hit_size=20))
    ada = Person.of(project)
    held = items(ada.open())
    item = next(item for item in held if (item.question.gold_id is not None) == of_gold)
    sweep(at=NOON + timedelta(hours=1))
    record = answering.record

    def held_while_stopping(*args: object, **kwargs: object) -> object:
        found = record(*args, **kwargs)
        change_standing(membership=ada.member, to=Standing.STOPPED, reason="a test", at=NOON)
        return found

    monkeypatch.setattr(answering, "record", held_while_stopping)
    with pytest.raises(WorkerStopped):
        ada.answer(item)
    assert not Judgment.objects.exists()


def test_an_answer_that_is_no_answer_is_refused() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    item = items(Person.of(project).open())[0]
    with pytest.raises(ValueError, match="maybe"):
        record_answer(
            item_key=item.key, assignment_id=item.assignment_id, says="maybe", elapsed_ms=1, at=NOON
        )


def test_an_undone_answer_is_asked_again_of_the_same_worker() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    hit = ada.open()
    item = masks_only(hit)[0]
    before = ada.answer(item, Says.NO)
    undone = undo_answer(item_key=item.key, assignment_id=hit.pk, at=ada.clock())
    assert (undone.says, undone.remaining) == (None, before.remaining + 1)
    assert check_campaign(project) == []
    assert ada.answer(item, Says.YES).says == "yes"
    assert list(Judgment.objects.order_by("pk").values_list("says", "retracted_because")) == [
        ("no", "undone by the worker"),
        ("yes", ""),
    ]


def test_undoing_what_is_not_answered_changes_nothing() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    item = items(ada.open())[0]
    undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=NOON)
    assert check_campaign(project) == []


def test_an_undo_withdraws_the_decision_that_rested_on_the_answer() -> None:
    project = opened(project_with_tree(ALL_RIGHT, hit_size=20))
    ada = Person.of(project)
    assert len(ada.work() + ada.work()) == 10
    *_, last, _ = held = items(ada.open())
    verdicts = [ada.answer(item).verdict for item in held[:-1]]
    assert verdicts == [Verdict.ASK, Verdict.ASK, Verdict.ACCEPT]
    undo_answer(item_key=last.key, assignment_id=last.assignment_id, at=ada.clock())
    assert standing(project) == {}
    withdrawn = Decision.objects.get()
    assert (withdrawn.withdrawn_at, withdrawn.withdrawn_because) == (ada.clock.now, "an answer was undone")
    assert Cluster.objects.get().is_open
    assert check_campaign(project) == []


def test_an_undo_after_the_hit_is_refused() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    ada = Person.of(project)
    ada.work()
    item = Item.objects.first()
    with pytest.raises(UndoTooLate):
        undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=NOON)


def test_times_are_kept_within_an_hour() -> None:
    project = opened(project_with_tree(ALL_RIGHT))
    first, second = items(Person.of(project).open())[:2]
    for item, ms in ((first, -5), (second, 10**9)):
        record_answer(item_key=item.key, assignment_id=item.assignment_id, says="yes", elapsed_ms=ms, at=NOON)
    assert sorted(Judgment.objects.values_list("elapsed_ms", flat=True)) == [0, 3_600_000]


def test_an_answer_that_decides_nothing_takes_few_statements() -> None:
    project = opened(project_with_tree(ALL_RIGHT, gold=4))
    ada = Person.of(project)
    held = masks_only(ada.open())
    ada.answer(held[0])
    with counted_queries() as statements:
        ada.answer(held[1])
    assert len([s for s in statements if "SAVEPOINT" not in s]) <= 8, statements


def test_a_lease_goes_on_while_answers_come() -> None:
    project = opened(project_with_tree(ALL_RIGHT, lease_minutes=30))
    ada = Person.of(project)
    hit = ada.open()
    held = items(hit)
    ada.clock.now += timedelta(minutes=20)
    ada.answer(held[0])
    ada.clock.now += timedelta(minutes=20)
    assert sweep(at=ada.clock()) == 0
    assert not ada.answer(held[1]).late
