"""The page on rounds: what there were, beginning the next one, and asking about the long tail."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, mark_done
from annotation_site.verification.models import Cluster, SearchRules
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import opened
from tests.site.test_long_tail import project_with_tail
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db(transaction=True)
AS_IT_IS = {"until": "open", "least_gain": "", "same_iou": "", "better_by": ""}


@pytest.fixture(autouse=True)
def sent(monkeypatch) -> list[str]:
    """What was left to workers."""
    found: list[str] = []
    monkeypatch.setattr(enqueue, "_send", lambda task, *_, **__: found.append(task))
    return found


def signed_in(project: Project, access: Access = Access.ADMIN) -> Client:
    user = User.objects.create_user(f"somebody {User.objects.count()}")
    grant(project=project, user=user, access=access)
    client = Client()
    client.force_login(user)
    return client


def where(project: Project, route: str = "rounds") -> str:
    return reverse(f"dashboards:{route}", args=[project.slug])


def finished() -> Project:
    """A project whose first round is opened and has nothing left to ask."""
    project = verified([True] * 64, annotated=False)
    mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
    return project


def test_a_project_without_a_round_says_where_the_first_begins() -> None:
    project = ProjectFactory()
    page = signed_in(project).get(where(project)).content.decode()
    assert "No round yet" in page
    assert "Begin round" not in page


def test_the_next_round_begins_as_it_was_chosen_and_workers_carry_it_on(sent) -> None:
    project = finished()
    client = signed_in(project)
    assert "Begin round 2" in client.get(where(project)).content.decode()
    chosen = {**AS_IT_IS, "until": "calibrate", "same_iou": "0.6", "better_by": "1"}
    answer = client.post(where(project, "begin-round"), chosen)
    assert answer.status_code == 302
    made = project.rounds.get(number=2)
    assert (made.same_iou, made.better_by, made.carry_on_to) == (0.6, 1.0, "calibrate")
    assert made.known.count() == 64
    assert sent == ["maskgrove.run_pipeline"]
    page = client.get(where(project)).content.decode()
    assert "Round 2 is not open to workers yet" in page
    assert ">64<" in page
    assert "Begin round" not in page


def test_what_is_left_empty_is_the_default() -> None:
    project = finished()
    signed_in(project).post(where(project, "begin-round"), AS_IT_IS)
    made = project.rounds.get(number=2)
    assert (made.same_iou, made.better_by, made.carry_on_to) == (0.5, 0.1, "open")


def test_a_refusal_says_why_and_keeps_what_was_filled_in() -> None:
    project = opened(project_with_tail())
    mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
    client = signed_in(project)
    assert "leave what the current round has open" in client.get(where(project)).content.decode()
    answer = client.post(where(project, "begin-round"), {**AS_IT_IS, "same_iou": "0.6"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "open clusters to ask about" in page
    assert 'value="0.6"' in page
    assert project.rounds.count() == 1
    answer = client.post(where(project, "begin-round"), {**AS_IT_IS, "better_by": "7"})
    assert "less than or equal to 1" in answer.content.decode()


def test_the_long_tail_is_opened_in_a_round_that_is_open_already() -> None:
    project = opened(project_with_tail())
    mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
    client = signed_in(project)
    assert "One category has masks (6)" in client.get(where(project)).content.decode()
    page = client.post(where(project, "ask-long-tail"), follow=True).content.decode()
    assert "6 masks of the long tail are asked about one by one" in page
    assert "Ask mask by mask" not in page
    assert SearchRules.objects.get().long_tail
    assert Cluster.objects.filter(tree__category__name="rare", is_open=True).count() == 6


def test_before_the_first_opening_there_is_no_long_tail_to_ask_about() -> None:
    project = project_with_tail()
    page = signed_in(project).post(where(project, "ask-long-tail"), follow=True).content.decode()
    assert "was never opened" in page


def test_viewers_look_and_begin_nothing() -> None:
    project = finished()
    page = signed_in(project, Access.VIEWER).get(where(project)).content.decode()
    assert "Table of rounds" in page
    assert "Begin round" not in page


def test_rounds_are_shown_a_page_at_a_time_with_the_stage_they_are_at() -> None:
    project = ProjectFactory()
    for number in range(1, 23):
        project.rounds.create(number=number)
    latest = current_round(project)
    StageRun.objects.create(round=latest, stage="train", state="done")
    StageRun.objects.create(round=latest, stage="detect", state="failed")
    client = signed_in(project)
    page = client.get(where(project)).content.decode()
    assert "Detect: Failed" in page
    assert page.count("<tr>") == 21
    older = client.get(f"{where(project)}?before={project.rounds.get(number=3).pk}").content.decode()
    assert older.count("<tr>") == 3
