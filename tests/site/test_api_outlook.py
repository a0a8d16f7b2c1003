"""What each K_pa would bring, over the API: what the model page draws beside the threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import Scope
from annotation_site.api.v1 import outlooks
from annotation_site.catalog.choosing import choose_k_pa
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.outlooks import look_on, told
from tests.site.api_ground import V1, client_of
from tests.site.painted_projects import painted_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, settings: Any, own_artifacts: None) -> None:
    cache.clear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    images = {Role.INITIAL: 3, Role.HELDOUT: 6, Role.POOL: 6}
    return painted_project(tmp_path, images=images, k_pa=None)


@pytest.fixture
def done(project: Project) -> Project:
    """Calibrated, by way of the fake detector."""
    carry_on(current_round(project), until=Stage.CALIBRATE)
    return project


@pytest.fixture
def client(project: Project) -> Client:
    """Of somebody who may look."""
    viewer = User.objects.create_user("viewer")
    grant(project=project, user=viewer, access=Access.VIEWER)
    return client_of(viewer, Scope.READ)


def where(project: Project, query: str = "") -> str:
    return f"{V1}/projects/{project.slug}/threshold/outlook{query}"


def test_it_tells_what_the_page_draws(done, client):
    look_on(current_round(done), seconds=0)
    found = client.get(where(done)).json()
    assert (found["done"], found["of"], found["round"], found["is_fixed"]) == (2, 2, 1, False)
    table = told(current_round(done), look_on(current_round(done), seconds=0).found)
    assert [row["accepted_masks"] for row in found["outlook"]] == table["accepted"]
    for name in ("k_pa", "questions", "precision", "clusters", "hours"):
        assert [row[name] for row in found["outlook"]] == table[name]
    assert [float(row["money"]) for row in found["outlook"]] == pytest.approx(table["money"], abs=0.005)


def test_it_tells_which_k_pa_counts_and_looking_changes_nothing(done, client):
    calibrated = current_round(done).k_pa
    found = client.get(where(done)).json()
    assert (found["k_pa"], found["calibrated"]) == (calibrated, calibrated)
    choose_k_pa(project=done, k_pa=0.31)
    chosen = client.get(where(done, "?round=1")).json()
    assert (chosen["k_pa"], chosen["calibrated"]) == (0.31, calibrated)
    assert client.get(where(done)).json()["outlook"] == chosen["outlook"]
    assert client.get(where(done, "?round=2")).status_code == 404
    assert client.put(where(done).removesuffix("/outlook"), {"k_pa": 0.5}).status_code == 403
    assert current_round(done).k_pa == 0.31


def test_programs_ask_again_until_all_trees_were_looked_at(done, client, monkeypatch):
    monkeypatch.setattr(outlooks, "SECONDS", 0)
    first, second = client.get(where(done)).json(), client.get(where(done)).json()
    assert (first["done"], first["outlook"]) == (1, None)
    assert (second["done"], len(second["outlook"])) == (2, 101)


def test_there_is_none_before_the_calibration(project, client):
    refused = client.get(where(project))
    assert (refused.status_code, refused.json()["type"]) == (409, "nothing-to-look-at")
    assert not project.rounds.exists()
    current_round(project)
    assert client.get(where(project)).json()["type"] == "nothing-to-look-at"
