"""The report's page measures once, and anew as soon as a fact that it rests on changes."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation_site.catalog.models import Annotation, Category, Project, StageRun, Tree
from annotation_site.results import measured as module
from annotation_site.results.measured import measured
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.models import Cluster, Judgment, SearchRules, Skill
from tests.factories import AnnotationFactory, ImageFactory, RoundFactory, TreeFactory
from tests.site.campaigns import Person, masks_only, opened, project_with_tree
from tests.site.verified_projects import own_images, verified

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def reports(monkeypatch) -> list[int]:
    """The projects that were measured."""
    cache.clear()
    projects: list[int] = []
    report = module.report
    monkeypatch.setattr(module, "report", lambda project: projects.append(project.pk) or report(project))
    return projects


def again(project: Project) -> dict:
    return dict(measured(project, at=timezone.now()).figures)


def test_a_report_on_the_same_facts_is_measured_once(admin_client: Client, reports: list[int]) -> None:
    project = verified([True] * 32)
    url = reverse("dashboards:report", args=[project.slug])
    first, second = (admin_client.get(url, {"format": "json"}).json() for _ in range(2))
    assert first == second == again(project)
    assert reports == [project.pk]
    assert admin_client.get(url).status_code == 200


def test_it_says_when_it_was_measured() -> None:
    project = verified([True] * 32)
    at = timezone.now()
    assert measured(project, at=at).at == at
    assert measured(project, at=timezone.now()).at == at


def new_object(project: Project) -> None:
    category = project.categories.get()
    AnnotationFactory(image=ImageFactory(project=project, coco_id=77), category=category)


def new_skill(project: Project) -> Skill:
    worker = Judgment.objects.filter(question__project=project).first().worker
    tree = Tree.objects.get(round__project=project)
    return Skill.objects.create(tree=tree, worker=worker, sensitivity=0.9, specificity=0.8)


def new_cluster(project: Project) -> None:
    of = Cluster.objects.filter(tree__round__project=project).values().first()
    Cluster.objects.create(**{**of, "id": None, "node": of["node"] + 1})


def validated(project: Project) -> None:
    detail = {"validation": {"ap50": 0.5}}
    StageRun.objects.create(round=project.rounds.get(), stage=StageRun.Stage.TRAIN, detail=detail)


CHANGES = {
    "a setting": lambda project: Project.objects.filter(pk=project.pk).update(k_iou=0.95),
    "a new object": new_object,
    "an object that is gone": lambda project: Annotation.objects.first().delete(),
    "a category's name": lambda project: Category.objects.filter(project=project).update(name="other"),
    "a tree": lambda project: TreeFactory(round=project.rounds.get(), n=5),
    "a round": lambda project: RoundFactory(project=project, number=2),
    "what a model is worth": validated,
    "the search of the long tail": lambda project: SearchRules.objects.update(long_tail=True),
    "a cluster": new_cluster,
    "a skill": new_skill,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_it_rests_on_changes_it(reports: list[int], change) -> None:
    project = verified([True] * 32)
    again(project)
    change(project)
    again(Project.objects.get(pk=project.pk))
    assert len(reports) == 2


def test_skills_estimated_anew_change_it(reports: list[int]) -> None:
    project = verified([True] * 32)
    skill = new_skill(project)
    again(project)
    again(project)
    Skill.objects.filter(pk=skill.pk).update(sensitivity=skill.specificity, specificity=skill.sensitivity)
    again(project)
    assert len(reports) == 2


def test_an_answer_and_its_undo_change_it(reports: list[int]) -> None:
    project = project_with_tree([True] * 32)
    own_images(project)
    person = Person.of(opened(project))
    again(project)
    person.answer(masks_only(person.open())[0])
    assert again(project)["questions"] == 1
    judgment = Judgment.objects.get()
    undo_answer(item_key=judgment.item.key, assignment_id=judgment.item.assignment_id, at=timezone.now())
    assert again(project)["questions"] == 0
    assert len(reports) == 3
