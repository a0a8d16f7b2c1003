"""Records that several count at once, on real threads and real Postgres: the latest count stays."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Event

import numpy as np
import pytest
from django.contrib.auth.models import User

from annotation_site.catalog.models import Project
from annotation_site.people.models import GoldItem, WorkRecord
from annotation_site.people.policies import set_policy
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import keeping
from annotation_site.verification.answering import UndoTooLate, undo_answer
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.gold_review import retire_gold, take_back_gold
from annotation_site.verification.keeping import keep_those_at_work
from annotation_site.verification.leases import sweep
from annotation_site.verification.overruling import CannotOverrule, reopen
from annotation_site.verification.records import records_of
from annotation_site.verification.trust import reinstate_worker, stop_worker
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    items,
    opened,
    project_with_clusters,
    record_of,
    together,
    until_waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)

TOMORROW = NOON + timedelta(days=1)


def kept(person: Person) -> WorkRecord:
    return WorkRecord.objects.get(membership=person.member)


@pytest.mark.parametrize("end", ["answers the last one", "is stopped"])
def test_a_count_that_takes_long_is_not_kept_over_a_later_one(monkeypatch, end: str) -> None:
    ada = Person.of(opened(project_with_clusters([1.0] * 4, gold=8, hit_size=8, gold_share=0.25)))
    *first, last = items(ada.open())
    for item in first:
        ada.answer(item)
    counted = Event()

    def slowly(members: list[int]) -> object:
        found = records_of(members)
        if not counted.is_set():
            counted.set()
            until_waiting(1)
        return found

    def meanwhile() -> None:
        counted.wait()
        if end == "is stopped":
            stop_worker(membership=ada.member, reason="a script", at=ada.clock(), by="eve")
        else:
            ada.answer(last)

    monkeypatch.setattr(keeping, "records_of", slowly)
    assert together([keep_those_at_work, meanwhile]) == [None, None]
    assert kept(ada).answers == (7 if end == "is stopped" else 8)
    assert kept(ada).gold_answered == record_of(ada.member).gold.answered


def campaign() -> Project:
    quality = [0.98, 0.02, 0.9, 0.5, 1.0, 0.3, 0.97, 0.0]
    project = opened(project_with_clusters(quality, gold=20, hit_size=12, gold_share=0.3))
    set_policy(project=project, least_gold=1000, least_shared=1000, least_timed=1000)
    return project


def restless(person: Person) -> None:
    """Answer and undo until nothing is left, also after being stopped and reinstated."""
    rng, refusals = np.random.default_rng(person.member.pk), 0
    while refusals < 20:
        try:
            for item in items(person.open()):
                person.answer(item)
                if rng.random() < 0.2:
                    with suppress(UndoTooLate):
                        undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=person.clock())
                        person.answer(item)
        except WorkerStopped:
            refusals += 1
        except NoHit:
            return


def turns(person: Person) -> None:
    for _ in range(4):
        stop_worker(membership=person.member, reason="a script", at=person.clock())
        reinstate_worker(membership=person.member, reason="a talk", at=person.clock(), by="eve", restore=True)


def doubts(project: Project, first: int) -> None:
    for item in project.gold.order_by("pk")[first : first + 4]:
        retire_gold(item=item, because="blurred", at=NOON)
        take_back_gold(item=GoldItem.objects.get(pk=item.pk), by="eve")


def counts(times: int) -> None:
    for _ in range(times):
        keep_those_at_work()


def reopenings(project: Project, by: object) -> None:
    tree = project.rounds.get().trees.get()
    for _ in range(4):
        for node in tree.clusters.order_by("pk").values_list("node", flat=True):
            with suppress(CannotOverrule):
                reopen(tree=tree, node=node, reason="look again", by=by, at=NOON)


def test_whatever_happens_at_once_the_records_are_right_in_the_end() -> None:
    project, user = campaign(), User.objects.create_user("eve")
    people = [Person.of(project, f"worker {number}") for number in range(4)]
    jobs = [partial(restless, person) for person in people]
    jobs += [partial(turns, people[0]), partial(turns, people[1]), partial(counts, 10), partial(counts, 10)]
    jobs += [partial(doubts, project, 0), partial(doubts, project, 2), partial(reopenings, project, user)]
    assert [outcome for outcome in together(jobs) if outcome is not None] == []
    sweep(at=TOMORROW)
    for person in people:
        record, row = record_of(person.member), kept(person)
        assert (row.answers, row.last_at) == (record.answers, record.last_at)
        assert (row.gold_right, row.gold_wrong) == (record.gold.right, record.gold.wrong)
        assert row.clock_ms == record.pace.clock_ms
    assert any(kept(person).answers for person in people)


def test_two_who_look_first_at_a_record_count_it_without_a_fault() -> None:
    ada = Person.of(campaign())
    look = partial(keeping.kept_record, ada.member)
    assert {record.answers for record in together([look] * 8)} == {0}
