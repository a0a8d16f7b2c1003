"""What can be chosen of a detector over the API: all that commands and pages know, behind the same fences."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import load_command_class
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.detector_options import detector_options
from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import PARAMETERS
from annotation_site.dashboards.model.forms import BATCH, DetectorForm
from pipeline.detection import FitOptions, Hardware, PredictOptions
from tests.factories import ProjectFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
SCHEMAS: dict[str, Any] = SchemaGenerator().get_schema(public=True)["components"]["schemas"]
OF_A_COMMAND = {"join", "force", "shard_images", "project"}
"""What commands take that says how they are run, and nothing of the detector."""


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def project(owner: User) -> Project:
    made: Project = ProjectFactory(slug="facades")
    grant(project=made, user=owner, access=Access.OWNER)
    return made


@pytest.fixture
def client(owner: User) -> Client:
    return client_of(owner)


def change(client: Client, project: Project, options: Any, *, status: int = 200) -> Any:
    """The project's options after a change; the problem where it is refused."""
    sent = {"detector_options": options}
    answer = client.patch(f"{V1}/projects/{project.slug}", json.dumps(sent), "application/json")
    assert answer.status_code == status, answer.content
    told = answer.json()
    return told["detector_options"] if status == 200 else told


def names(*kinds: type) -> set[str]:
    return {one.name for kind in (*kinds, Hardware) for one in fields(kind)} - {"hardware"}


def test_every_option_of_the_detector_is_one_of_the_api():
    options, train, detect = (
        set(SCHEMAS[name]["properties"])
        for name in ("DetectorOptionsBody", "TrainOptionsBody", "DetectOptionsBody")
    )
    assert options == names(FitOptions, PredictOptions) | {"train", "detect"}
    assert train == names(FitOptions)
    assert detect == names(PredictOptions)
    for name in ("DetectorOptionsBody", "TrainOptionsBody", "DetectOptionsBody"):
        assert all(one.get("description") for one in SCHEMAS[name]["properties"].values())


@pytest.mark.parametrize("command", ["train", "detect"])
def test_what_a_command_takes_the_api_takes(command):
    parser = argparse.ArgumentParser()
    load_command_class("annotation_site.catalog", command).add_arguments(parser)
    taken = {action.dest for action in parser._actions} - OF_A_COMMAND - {"help"}
    assert taken <= set(SCHEMAS["DetectorOptionsBody"]["properties"]) | set(PARAMETERS)


def test_what_the_model_page_takes_the_api_takes():
    taken = set(DetectorForm.base_fields) - set(BATCH) - {"detector"}
    assert taken <= set(SCHEMAS["DetectorOptionsBody"]["properties"])


def test_training_and_detection_have_options_of_their_own(client, project):
    given = {
        "weights": "coco", "device": "cuda:1", "threads": 2, "loaders": 3, "mixed_precision": False,
        "train": {"batch_size": 4}, "detect": {"batch_size": 16, "device": "cpu", "features": ["attention"]},
    }  # fmt: skip
    assert change(client, project, given) == given
    fit, predict = (
        detector_options(kind, Project.objects.get().detector_options)
        for kind in (FitOptions, PredictOptions)
    )
    assert (fit.weights, fit.batch_size, fit.hardware) == ("coco", 4, Hardware("cuda:1", False, 2, 3))
    assert (predict.batch_size, predict.hardware) == (16, Hardware("cpu", False, 2, 3))
    assert predict.features == ("attention",)


def test_an_option_is_set_among_those_of_its_stage_and_null_forgets_it(client, project):
    change(client, project, {"train": {"batch_size": 4, "loaders": 2}, "detect": {"batch_size": 8}})
    kept = change(client, project, {"train": {"batch_size": 6}})
    assert kept == {"train": {"batch_size": 6, "loaders": 2}, "detect": {"batch_size": 8}}
    kept = change(client, project, {"train": {"loaders": None}, "detect": None})
    assert kept == {"train": {"batch_size": 6}}
    assert change(client, project, {"train": {"batch_size": None}}) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "/etc/passwd"}, {"start_from": "projects/3/model.pt"},
        {"train": {"weights": "/x.pth"}}, {"train": {"start_from": "/x.pt"}},
    ],
)  # fmt: skip
def test_files_of_the_server_are_named_on_its_command_line_alone(client, project, options):
    refused = change(client, project, options, status=422)
    assert (refused["type"], "command line" in refused["detail"]) == ("project-refused", True)
    body = {"name": "Doors", "categories": [{"name": "door"}], "detector_options": options}
    refused = client.post(f"{V1}/projects", json.dumps(body), "application/json")
    assert (refused.status_code, refused.json()["type"]) == (422, "project-refused")
    assert Project.objects.get().detector_options == {}


def test_a_file_that_the_command_line_named_is_kept_or_forgotten(client, project):
    Project.objects.update(detector_options={"weights": "/models/a.pth"})
    read = client.get(f"{V1}/projects/facades").json()["detector_options"]
    kept = {"weights": "/models/a.pth", "iterations": 9}
    assert change(client, project, {**read, "iterations": 9}) == kept
    change(client, project, {"weights": "/models/b.pth"}, status=422)
    assert change(client, project, {"weights": None}) == {"iterations": 9}
    change(client, project, {"weights": "/models/a.pth"}, status=422)


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"}, {"device": "cuda:x"}, {"threads": 0}, {"loaders": "2"},
        {"mixed_precision": "yes"}, {"features": []}, {"features": ["colour"]}, {"train": {"max_masks": 5}},
        {"detect": {"iterations": 5}}, {"train": []}, {"train": {"batch_size": 0}}, {"speed": 1},
        {"weights": ""}, {"min_confidence": 2},
    ],
)  # fmt: skip
def test_what_is_no_option_is_refused(client, project, options):
    assert change(client, project, options, status=400)["type"] == "invalid"
    assert Project.objects.get().detector_options == {}


def test_features_without_those_of_the_trees_are_refused(client, project):
    refused = change(client, project, {"features": ["mask"]}, status=422)
    assert "made of attention features" in refused["detail"]


def test_a_new_project_begins_with_options_that_its_stages_can_be_carried_out_by(client):
    body = {"name": "Doors", "categories": [{"name": "door"}], "k_a": 0.9}
    options = {"train": {"batch_size": 4, "loaders": None}, "device": None, "iterations": 30}
    url = f"{V1}/projects"
    for wrong in ({"detector_options": {"features": ["mask"]}}, {"judgments_per_question": 2}):
        refused = client.post(url, json.dumps({**body, **wrong}), "application/json")
        assert refused.status_code == 422, refused.content
    assert not Project.objects.exists()
    made = client.post(url, json.dumps({**body, "detector_options": options}), "application/json")
    assert made.json()["detector_options"] == {"train": {"batch_size": 4}, "iterations": 30}
