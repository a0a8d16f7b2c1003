"""Whoever leaves pages of work untouched holds no question twice, and waits after some; nobody else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone, translation

from annotation_site.pages.way import Terms
from annotation_site.people.models import Membership
from annotation_site.people.policies import set_policy
from annotation_site.people.qualification import consent
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NothingToAsk
from annotation_site.verification.leases import sweep
from annotation_site.verification.leaving import LATEST, MustWait
from annotation_site.verification.models import Assignment, Question
from annotation_site.verification.releasing import release_live
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    counted_queries,
    items,
    masks_only,
    opened,
    project_with_clusters,
    project_with_tree,
)

pytestmark = pytest.mark.django_db

HALF_AN_HOUR = timedelta(minutes=30)


def leave(person: Person, *, answering: int = 0) -> Assignment:
    """Open a page, answer some of it, and let its lease end; a sweep comes by."""
    page = person.open()
    for item in items(page)[:answering]:
        person.answer(item)
    person.clock.now += HALF_AN_HOUR
    sweep(at=person.clock())
    return page


def questions(page: Assignment) -> set[int]:
    return {item.question_id for item in masks_only(page)}


def large_project(**parameters: object):
    return opened(project_with_clusters([0.9] * 40, **{"gold": 30, "hit_size": 20, **parameters}))


def test_questions_of_a_page_that_was_left_go_to_others_first() -> None:
    project = large_project()
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    left = leave(ada)
    assert not questions(ada.open()) & questions(left)
    assert questions(ben.open()) == questions(left)
    assert check_campaign(project) == []


def test_they_hold_no_question_twice_whichever_page_they_left_it_on() -> None:
    project = large_project()
    ada = Person.of(project)
    pages = [questions(leave(ada)) for _ in range(3)]
    ada.clock.now += timedelta(hours=1)
    pages.append(questions(ada.open()))
    assert len(set.union(*pages)) == sum(map(len, pages))


def test_where_nothing_else_is_left_they_come_back_after_others_had_the_chance() -> None:
    project = opened(project_with_tree([True] * 32, hit_size=50, gold_share=0))
    ada = Person.of(project)
    left = leave(ada)
    Question.objects.filter(wanted__gt=0).exclude(pk__in=questions(left)).update(wanted=0)
    with pytest.raises(NothingToAsk) as nothing:
        ada.open()
    assert nothing.value.later
    ada.clock.now += timedelta(minutes=11)
    assert questions(ada.open()) == questions(left)


def test_after_three_pages_in_a_row_they_wait_twice_as_long_each_time() -> None:
    ada = Person.of(large_project())
    for _ in range(3):
        leave(ada)
    for left, minutes in ((3, 30), (4, 60), (5, 120)):
        with pytest.raises(MustWait) as must:
            ada.open()
        assert (must.value.left, must.value.minutes) == (left, minutes)
        ada.clock.now += timedelta(minutes=minutes)
        leave(ada)


def test_the_wait_is_a_day_at_most_and_pages_of_last_week_are_forgotten() -> None:
    project = large_project()
    set_policy(project=project, most_left=1, left_wait_minutes=900)
    ada = Person.of(project)
    leave(ada)
    ada.clock.now += timedelta(minutes=900)
    leave(ada)
    with pytest.raises(MustWait) as must:
        ada.open()
    assert (must.value.hours, must.value.left) == (24, 2)
    ada.clock.now += timedelta(days=8)
    leave(ada)
    with pytest.raises(MustWait) as must:
        ada.open()
    assert must.value.left == 1


def test_the_wait_counts_from_the_end_of_the_lease_not_from_when_somebody_swept_it() -> None:
    ada = Person.of(large_project())
    leave(ada)
    leave(ada)
    ada.open()
    ada.clock.now += timedelta(hours=3)
    assert ada.open().is_live


@pytest.mark.parametrize("answering", [2, 20])
def test_whoever_answers_some_of_a_page_begins_anew(answering: int) -> None:
    ada = Person.of(large_project())
    leave(ada)
    leave(ada)
    leave(ada, answering=answering)
    leave(ada)
    leave(ada)
    assert ada.open().is_live


def test_one_answer_of_twenty_is_not_enough() -> None:
    ada = Person.of(large_project())
    for _ in range(3):
        leave(ada, answering=1)
    with pytest.raises(MustWait, match="The last 3 pages"):
        ada.open()


def test_an_answer_that_comes_after_the_lease_is_one() -> None:
    ada = Person.of(large_project())
    pages = [leave(ada) for _ in range(3)]
    for item in items(pages[-1])[:2]:
        ada.answer(item)
    assert ada.open().is_live


def test_answers_that_were_taken_back_are_none() -> None:
    ada = Person.of(large_project())
    for _ in range(3):
        page = ada.open()
        for item in items(page)[:3]:
            ada.answer(item)
            undo_answer(item_key=item.key, assignment_id=page.pk, at=ada.clock())
        ada.clock.now += HALF_AN_HOUR
        sweep(at=ada.clock())
    with pytest.raises(MustWait):
        ada.open()


def test_a_page_that_was_given_back_or_taken_away_is_not_left() -> None:
    project = large_project()
    ada = Person.of(project)
    for _ in range(4):
        ada.open()
        release_live(project_id=project.pk, worker_id=ada.member.worker_id, at=ada.clock())
    assert ada.open().is_live


def test_pages_on_another_project_are_not_looked_at() -> None:
    first, second = large_project(), large_project()
    ada = Person.of(first)
    for _ in range(3):
        leave(ada)
    ben = Person(Membership.objects.create(project=second, worker=ada.member.worker), clock=ada.clock)
    assert ben.open().is_live


def test_a_project_may_do_without() -> None:
    project = large_project()
    set_policy(project=project, most_left=0)
    ada = Person.of(project)
    first = leave(ada)
    for _ in range(4):
        assert questions(leave(ada)) == questions(first)


def test_who_left_nothing_costs_a_claim_one_statement_by_index() -> None:
    project = large_project(judgments_per_question=3)
    ada = Person.of(project)
    for _ in range(2):
        ada.work()
    with counted_queries() as statements:
        ada.open()
    about = [each for each in statements if "verification_assignment" in each and "latest" in each]
    assert len(about) == 1
    assert not any("people_trustpolicy" in each for each in statements)
    Assignment.objects.bulk_create(
        Assignment(project=project, worker=other.worker, opened_at=NOON, expires_at=NOON, released_at=NOON)
        for other in [Person.of(project, name=f"other {n}").member for n in range(20)]
        for _ in range(100)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE verification_assignment")
        cursor.execute(f"EXPLAIN {LATEST}", {"worker": ada.member.worker_id, "project": project.pk})
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "latest_pages_of_worker" in plan


@pytest.mark.parametrize(
    ("language", "told", "until"),
    [
        ("en", "The last 3 pages you opened were left without answers", "in 30 minutes"),
        ("de", "Die letzten 3 Seiten, die Sie geöffnet haben, blieben ohne Antworten", "in 30 Minuten"),
    ],
)
def test_their_page_says_why_and_until_when(client, language: str, told: str, until: str) -> None:
    project = large_project()
    ada = Person.of(project)
    ada.clock.now = timezone.now() - 3 * HALF_AN_HOUR - timedelta(seconds=20)
    with translation.override(language):
        terms = Terms.of(project)
        consent.agree(
            membership=ada.member, version=terms.version, text=terms.text, language=language, at=ada.clock()
        )
    for _ in range(3):
        leave(ada)
    start = reverse("pages:start", args=[ada.member.secret])
    answer = client.post(start, headers={"accept-language": language})
    page = answer.content.decode()
    assert answer.headers["X-Notice"] == "wait"
    assert told in page
    assert until in page
