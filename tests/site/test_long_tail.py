"""Categories with too few masks for clusters are shown as such, and can be asked about mask by mask."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation_site.catalog.models import Category, Project
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, mark_done
from annotation_site.dashboards import selectors
from annotation_site.results.course import course_of
from annotation_site.results.reporting import report
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.models import Cluster, Question
from annotation_site.verification.opening import NotOpen, open_long_tail
from annotation_site.verification.status import status
from annotation_site.verification.yields import masks_of
from tests.factories import NOON, CategoryFactory, ProjectFactory
from tests.site.campaigns import Person, add_tree, masks_only, opened, project_with_tree

pytestmark = pytest.mark.django_db(transaction=True)

TAIL = [True, True, False, True, False, True]
SCORES = np.array([0.9, 0.5, 0.2, 0.8, 0.3, 0.7])


def project_with_tail(**parameters: object) -> Project:
    """One category of 32 right masks, and one of six."""
    project = project_with_tree([True] * 32, **parameters)
    rare = CategoryFactory(project=project, name="rare")
    add_tree(current_round(project), TAIL, scores=SCORES, category=rare)
    return project


def work(project: Project) -> list[float]:
    """Answer everything; the scores of the rare masks, HIT by HIT, highest first within each."""
    person: Person = Person.of(project)
    seen: list[float] = []
    while True:
        try:
            hit = person.open()
        except NoHit:
            return seen
        asked = masks_only(hit)
        rare = [item.question.mask.score for item in asked if item.question.category.name == "rare"]
        seen += sorted(rare, reverse=True)
        for item in asked:
            person.answer(item)


def test_by_itself_the_long_tail_is_shown_and_not_asked_about() -> None:
    project = opened(project_with_tail())
    assert work(project) == []
    tail = status(project)["long_tail"]
    assert tail == {"categories": 1, "masks": 6, "asked": False}
    rows = {row["name"]: row["is_tail"] for row in selectors.categories(project, course_of(project))}
    assert rows == {"rare": True, Category.objects.exclude(name="rare").get().name: False}
    assert {c.name: c.is_tail for c in report(project).categories} == rows


def test_the_reports_page_marks_it(admin_client: Client) -> None:
    project = opened(project_with_tail())
    page = admin_client.get(reverse("dashboards:report", args=[project.slug])).content.decode()
    assert page.count("long tail") == 1
    assert 'rare <span class="faint">long tail</span>' in page


@pytest.mark.parametrize("rule", ["paper", "curtailed", "sequential"])
def test_mask_by_mask_the_most_likely_right_come_first(rule: str) -> None:
    project = opened(project_with_tail(rule=rule, long_tail=True, hit_size=2, gold_share=0.0))
    rare = Question.objects.filter(category__name="rare").order_by("-priority")
    assert [q.mask.score for q in rare.select_related("mask")] == sorted(SCORES.tolist(), reverse=True)
    assert sorted(work(project)) == sorted(SCORES.tolist())
    assert masks_of(project).accepted == 32 + sum(TAIL)
    assert masks_of(project).rejected == len(TAIL) - sum(TAIL)
    assert check_campaign(project) == []


def test_clusters_come_before_single_masks() -> None:
    project = opened(project_with_tail(long_tail=True, hit_size=5, gold_share=0.0))
    first = Person.of(project).open()
    assert {item.question.category.name for item in masks_only(first)} != {"rare"}
    clusters = Cluster.objects.exclude(tree__category__name="rare")
    least = min(clusters.values_list("priority", flat=True))
    assert all(c.priority < least for c in Cluster.objects.filter(tree__category__name="rare"))


def test_an_open_round_may_be_asked_about_its_tail_later(capsys) -> None:
    project = opened(project_with_tail(gold_share=0.0))
    mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
    work(project)
    call_command("open", project.slug, long_tail=True)
    assert "6 masks of the long tail" in capsys.readouterr().out
    assert Question.objects.filter(category__name="rare", wanted__gt=0).count() == 6
    call_command("open", project.slug, long_tail=True)
    assert Question.objects.filter(category__name="rare").count() == 6
    assert len(work(project)) == 6
    assert status(project)["long_tail"]["asked"]
    assert check_campaign(project) == []


def test_what_was_never_opened_has_no_tail_to_ask_about() -> None:
    project = project_with_tail()
    assert status(project)["long_tail"]["categories"] == 0
    with pytest.raises(NotOpen):
        open_long_tail(project=project, at=NOON)
    mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
    with pytest.raises(CommandError, match="never opened"):
        call_command("open", project.slug, long_tail=True)
    assert status(ProjectFactory())["long_tail"]["masks"] == 0
