"""Accepted masks and questions: one definition, the same in status, dashboards, report and export."""

from __future__ import annotations

import numpy as np
import pytest

from annotation_site.catalog.models import Project
from annotation_site.dashboards import selectors
from annotation_site.dashboards.overview import overview
from annotation_site.results.course import course_of
from annotation_site.results.outcomes import outcome_of, trees_of
from annotation_site.results.reporting import report
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.models import Item, Says
from annotation_site.verification.skills import learn_skills
from annotation_site.verification.status import status
from annotation_site.verification.withdrawing import retract_worker
from annotation_site.verification.yields import (
    Effort,
    Masks,
    effort_of,
    masks_by_project,
    masks_of,
    questions_by_category,
    questions_by_project,
)
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import Person, counted_queries, items, opened, project_with_clusters
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db


def one_in_five_refused(item: Item) -> Says:
    return Says.NO if (item.question.position or 0) % 5 == 4 else Says.YES


def answered_at_random(project: Project, *, people: int, seed: int, hits: int = 40) -> None:
    """Several people say yes, no and cannot tell as it comes, mostly yes; some take answers back."""
    rng = np.random.default_rng(seed)

    def says(_: Item) -> Says:
        return Says(rng.choice([Says.YES.value, Says.NO.value, Says.UNSURE.value], p=[0.86, 0.07, 0.07]))

    crowd = [Person.of(project, f"Person {number}", says=says) for number in range(people)]
    for turn in range(hits):
        try:
            crowd[turn % people].work()
        except NoHit:
            continue


def accepted_by_outcomes(project: Project) -> int:
    return sum(outcome_of(tree).accepted for tree in trees_of(project))


def test_masks_that_people_refused_inside_an_accepted_cluster_are_rejected() -> None:
    project = verified([True] * 64, says=one_in_five_refused, k_a=0.7)
    refused = report(project).categories[0].masks - accepted_by_outcomes(project)
    assert refused > 0
    assert masks_of(project) == Masks(accepted=64 - refused, rejected=refused)


@pytest.mark.parametrize(
    ("aggregation", "votes", "people", "seed"),
    [
        ("majority", 1, 1, 0),
        ("majority", 1, 2, 1),
        ("majority", 3, 4, 2),
        ("majority", 3, 6, 3),
        ("majority", 5, 8, 4),
        ("second_opinions", 1, 6, 5),
        ("accuracy_weighted", 1, 6, 6),
    ],
)
def test_the_database_counts_what_the_rule_of_aggregation_says(
    aggregation: str, votes: int, people: int, seed: int
) -> None:
    chosen = {"aggregation": aggregation, "judgments_per_question": votes, "worker_accuracy": 0.8}
    project = project_with_clusters([0.9] * 4, k_a=0.6, **chosen)
    answered_at_random(opened(project), people=people, seed=seed)
    learn_skills(project=project, at=NOON)
    assert check_campaign(project) == []
    assert masks_of(project).accepted == accepted_by_outcomes(project) > 0


def test_status_overview_curve_cards_and_report_say_the_same() -> None:
    project = verified([True] * 64, says=one_in_five_refused, k_a=0.7, gold=6)
    told, page, found = status(project)["campaign"], overview(project), report(project)
    (card,), _ = selectors.project_cards(Project.objects.all())
    points = course_of(project).curve
    accepted = {
        told["accepted_masks"], page["bought"].accepted, found.accepted, card["accepted"],
        points.accepted[-1], sum(row["accepted"] for row in page["categories"]),
        accepted_by_outcomes(project),
    }  # fmt: skip
    questions = {
        told["questions"], page["bought"].questions, found.questions, card["questions"], points.questions[-1]
    }  # fmt: skip
    assert len(accepted) == len(questions) == 1
    assert told["gold_questions"] == page["bought"].gold == found.gold_questions > 0
    assert told["questions_per_accepted_mask"] == pytest.approx(page["bought"].per_mask, abs=1e-4)
    assert page["bought"].per_mask == found.to_json()["questions_per_accepted_mask"]


def test_what_was_discarded_later_was_asked_all_the_same_and_what_was_undone_was_not() -> None:
    project = opened(project_with_clusters([1.0] * 3, gold=8, gold_share=0.25))
    ada = Person.of(project)
    held = items(ada.open())
    for item in held[:6]:
        ada.answer(item)
    undo_answer(item_key=held[5].key, assignment_id=held[5].assignment_id, at=ada.clock())
    before = effort_of(project)
    assert (before.questions, before.seconds) == (5, 7.0)
    retract_worker(membership=ada.member, reason="a test", at=ada.clock())
    assert effort_of(project) == before
    assert status(project)["campaign"]["questions"] == report(project).questions == 5
    assert sum(questions_by_category(project).values()) == before.questions - before.gold
    course = course_of(project)
    assert (course.effort, course.asked) == (before, questions_by_category(project))
    assert questions_by_project([project.pk]) == {project.pk: 5}


def test_projects_are_counted_apart_in_one_statement() -> None:
    some, more, none = verified([True] * 32), verified([True] * 64), ProjectFactory()
    with counted_queries() as statements:
        found = masks_by_project([some.pk, more.pk, none.pk])
    assert len(statements) == 1
    assert found == {some.pk: Masks(32, 0), more.pk: Masks(64, 0)}


def test_nothing_was_asked_of_an_empty_project() -> None:
    project = ProjectFactory()
    assert masks_of(project) == Masks(0, 0)
    assert effort_of(project) == Effort(0, 0, 0.0)
    assert effort_of(project).per_mask(0) is None
