"""Which decisions and judgments still mean something: said once, on their querysets."""

from __future__ import annotations

import pytest

from annotation_site.verification.answering import undo_answer
from annotation_site.verification.models import Cluster, Decision, Judgment, Says
from annotation_site.verification.withdrawing import retract_worker
from tests.factories import NOON
from tests.site.campaigns import Person, items, opened, project_with_tree

pytestmark = pytest.mark.django_db


def test_a_withdrawn_decision_is_kept_but_not_in_force() -> None:
    project = opened(project_with_tree([True] * 32 + [False] * 32))
    spammer = Person.of(project, says=lambda item: Says.YES)
    while Cluster.objects.filter(is_open=True).exists():
        spammer.work()
    assert list(Decision.objects.in_force()) == list(Decision.objects.all())
    retract_worker(membership=spammer.member, reason="always yes", at=NOON)
    assert (Decision.objects.in_force().count(), Decision.objects.count()) == (0, 1)


def test_what_was_undone_was_not_given_and_what_was_discarded_was_but_does_not_count() -> None:
    project = opened(project_with_tree([True] * 64))
    ada = Person.of(project)
    first, second, third = items(ada.open())[:3]
    for item in (first, second, third):
        ada.answer(item)
    undo_answer(item_key=third.key, assignment_id=third.assignment_id, at=ada.clock())
    given = Judgment.objects.given()
    assert set(given.values_list("item", flat=True)) == {first.pk, second.pk}
    assert set(Judgment.objects.counting()) == set(given)
    retract_worker(membership=ada.member, reason="always yes", at=ada.clock())
    assert not Judgment.objects.counting().exists()
    assert Judgment.objects.given().count() == 2
    assert Judgment.objects.count() == 3


def test_relations_know_them_too() -> None:
    project = opened(project_with_tree([True] * 32))
    ada = Person.of(project)
    judgment = ada.answer(items(ada.open())[0])
    assert judgment is not None
    question = Judgment.objects.get().question
    assert question.judgments.counting().count() == question.judgments.given().count() == 1
