"""A simulated crowd works through the same pages and API as people, whatever happens to the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation_site.budget.ledger import set_caps
from annotation_site.catalog.models import Image, Project
from annotation_site.pages.crowd.crowd import recruit, run_crowd
from annotation_site.pages.crowd.population import Behaviour
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.models import Judgment
from tests.factories import AnnotationFactory, paint
from tests.site.campaigns import opened, project_with_tree, standing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Thirty-two right and as many wrong masks of a painted photo whose only object is annotated."""
    project = project_with_tree([True] * 32 + [False] * 32, gold=10, hit_size=20, n_s=10)
    for image in Image.objects.filter(project=project):
        image.folder = tmp_path
        Image.objects.filter(pk=image.pk).update(path=str(paint(image)))
    set_caps(project=project, questions=200, money=None)
    pool = Image.objects.get(masks__tree__round__project=project, masks__position=0)
    AnnotationFactory(image=pool, category=project.categories.get())
    return opened(project)


def test_a_crowd_answers_until_nothing_is_open(project: Project, live_server: object) -> None:
    people = recruit(project, [Behaviour(count=3, accuracy=1.0)])
    tallies = run_crowd(people, live_server.url, seed=1)
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}
    assert check_campaign(project) == []
    assert tallies["honest"].answers == Judgment.objects.count()
    assert tallies["honest"].right == tallies["honest"].answers
