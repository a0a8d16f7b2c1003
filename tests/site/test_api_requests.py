"""What holds for every request: pages by key, ETags, idempotency keys, problems, the types of JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from annotation_site.access.granting import grant
from annotation_site.access.models import Access, Invitation
from annotation_site.api.models import KeptReply
from annotation_site.api.v1 import idempotency, projects
from annotation_site.catalog.models import Category, Project
from tests.factories import CategoryFactory, ImageFactory, ProjectFactory
from tests.site.api_ground import V1, client_of
from tests.site.campaigns import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ProjectFactory(name="Facades", slug="facades")


@pytest.fixture
def owner(project):
    user = User.objects.create_user("owner", "owner@example.org")
    grant(project=project, user=user, access=Access.OWNER)
    return user


@pytest.fixture
def client(owner):
    return client_of(owner)


HERE = f"{V1}/projects/facades"
INVITED = {"email": "new@example.org", "access": "viewer"}


def send(client, method, url, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return getattr(client, method)(url, json.dumps(body), "application/json", headers=named)


# Pages by key


def test_a_list_is_read_page_by_page(client, project):
    images = [ImageFactory(project=project) for _ in range(5)]
    ImageFactory()
    url, seen, pages = f"{HERE}/images?limit=2", [], 0
    while url:
        page = client.get(url).json()
        assert len(page["results"]) <= 2
        seen += [one["id"] for one in page["results"]]
        url, pages = page["next"], pages + 1
    assert seen == [image.pk for image in images]
    assert pages == 3


def test_what_comes_meanwhile_moves_no_page(client, project, owner):
    others = [ProjectFactory() for _ in range(3)]
    for one in others:
        grant(project=one, user=owner, access=Access.VIEWER)
    first = client.get(f"{V1}/projects?limit=2").json()
    late = ProjectFactory()
    grant(project=late, user=owner, access=Access.VIEWER)
    rest = client.get(first["next"]).json()
    told = [one["slug"] for page in (first, rest) for one in page["results"]]
    assert told == [others[2].slug, others[1].slug, others[0].slug, "facades"]


@pytest.mark.parametrize(
    "asked", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=", "cursor=1;2", "role=all"]
)
def test_what_a_list_cannot_be_asked_is_told(client, asked):
    refused = client.get(f"{HERE}/images?{asked}")
    assert refused.status_code == 400
    assert refused.json()["type"] == "invalid"
    assert list(refused.json()["errors"]) == [asked.partition("=")[0]]


# ETags


def test_what_one_has_is_not_sent_again(client):
    first = client.get(HERE)
    again = client.get(HERE, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    send(client, "patch", HERE, {"k_a": 0.8})
    assert client.get(HERE, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_change_can_be_held_to_what_one_read(client):
    read = client.get(HERE)["ETag"]
    assert send(client, "patch", HERE, {"k_a": 0.8}, If_Match=read).status_code == 200
    refused = send(client, "patch", HERE, {"k_a": 0.7}, If_Match=read)
    assert refused.status_code == 412
    assert refused.json()["type"] == "changed-meanwhile"
    assert Project.objects.get(slug="facades").k_a == 0.8
    assert send(client, "patch", HERE, {"k_a": 0.7}, If_Match="*").status_code == 200


# Idempotency keys


def test_a_write_with_a_key_is_done_once(client):
    first = send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    again = send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again["Location"] == first["Location"]
    assert again["Idempotency-Replayed"] == "true"
    assert Invitation.objects.count() == 1
    assert send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="b").status_code == 201
    assert Invitation.objects.count() == 2


@pytest.mark.parametrize("key", ["a b", " a", "é", "x" * 101])
def test_a_key_is_as_the_document_says(client, key):
    refused = send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key=key)
    assert refused.status_code == 400
    assert "no space" in refused.json()["detail"]


def test_a_refusal_is_repeated_as_well(client):
    taken = {"name": "Facades", "categories": [{"name": "other"}]}
    first = send(client, "post", f"{V1}/projects", taken, Idempotency_Key="a")
    again = send(client, "post", f"{V1}/projects", taken, Idempotency_Key="a")
    assert first.status_code == again.status_code == 409
    assert again.json() == first.json()
    assert again["Content-Type"] == "application/problem+json"


def test_a_key_belongs_to_one_request(client):
    send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    for url, body in ((f"{HERE}/invitations", {**INVITED, "access": "owner"}), (f"{HERE}/workers", INVITED)):
        refused = send(client, "post", url, body, Idempotency_Key="a")
        assert refused.status_code == 422
        assert refused.json()["type"] == "idempotency-key-reused"
    assert Invitation.objects.count() == 1


def test_keys_of_different_people_are_different(client, project):
    send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    other = User.objects.create_user("other")
    grant(project=project, user=other, access=Access.OWNER)
    assert (
        send(client_of(other), "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a").status_code == 201
    )
    assert Invitation.objects.count() == 2


def test_a_key_is_kept_for_a_day(client):
    send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    KeptReply.objects.update(begun_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    assert Invitation.objects.count() == 2


def test_a_request_that_is_under_way_is_not_begun_again(client):
    send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    KeptReply.objects.update(status=None)
    refused = send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")
    assert refused.status_code == 409
    assert refused.json()["type"] == "still-under-way"
    KeptReply.objects.update(begun_at=timezone.now() - idempotency.ABANDONED - timedelta(seconds=1))
    assert send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a").status_code == 201


def test_what_broke_may_be_tried_again_with_its_key(client, monkeypatch):
    def broken(**_given):
        raise RuntimeError("on purpose")

    client.raise_request_exception = False
    monkeypatch.setattr(projects, "change_parameters", broken)
    assert send(client, "patch", HERE, {"k_a": 0.8}, Idempotency_Key="a").status_code == 500
    monkeypatch.undo()
    assert send(client, "patch", HERE, {"k_a": 0.8}, Idempotency_Key="a").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_once_with_one_key_one_is_done(client):
    def ask():
        return send(client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key="a")

    codes = sorted(answer.status_code for answer in together([ask] * 4))
    assert Invitation.objects.count() == 1
    assert set(codes) <= {201, 409}
    assert 201 in codes


@pytest.mark.parametrize("key", ["", "x" * 101, "né"])
def test_a_key_that_is_none_is_refused(client, key):
    refused = send(
        client, "post", f"{HERE}/invitations", INVITED, Idempotency_Key=key.encode().decode("latin-1")
    )
    assert refused.status_code == 400
    assert not Invitation.objects.exists()


# What is said wrongly


@pytest.mark.parametrize(
    "body",
    [
        {"k_a": "0.9"}, {"k_a": 2}, {"n_s": True}, {"n_s": 1.5}, {"use_score": "yes"}, {"rule": "dice"},
        {"description": 5}, {"description": "\0"}, {"nothing": 1}, {"slug": "other"},
        {"detector_options": {"speed": 1}}, {"detector_options": []}, ["k_a"], "k_a",
    ],
)  # fmt: skip
def test_a_body_is_what_the_document_says_or_refused(client, body):
    before = Project.objects.filter(slug="facades").values().get()
    refused = send(client, "patch", HERE, body)
    assert refused.status_code == 400
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "invalid"
    assert Project.objects.filter(slug="facades").values().get() == before


def test_the_strategy_of_simulations_is_refused_with_what_to_choose(client):
    refused = send(client, "patch", HERE, {"strategy": "oracle"})
    assert refused.status_code == 400
    assert "which only simulations know" in refused.content.decode()
    assert "choose 'expected_yield'" in refused.content.decode()


def test_other_things_than_json_are_refused_as_problems(client):
    refused = client.patch(HERE, "{", "application/json")
    assert (refused.status_code, refused.json()["type"]) == (400, "parse-error")
    refused = client.patch(HERE, "<a/>", "text/xml")
    assert (refused.status_code, refused.json()["type"]) == (415, "unsupported-media-type")
    refused = client.patch(HERE, json.dumps({"description": "x" * 1_000_001}), "application/json")
    assert (refused.status_code, refused.json()["type"]) == (413, "too-large")
    refused = client.put(HERE, "{}", "application/json")
    assert (refused.status_code, refused.json()["type"]) == (405, "method-not-allowed")
    assert "PATCH" in refused["Allow"]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/projects/facades/masks/-1", "/projects/facades/trees/x", "/", "/a%0Ab"]
)
def test_an_address_that_leads_nowhere_is_a_problem(client, path):
    refused = client.get(f"{V1}{path}")
    assert refused.status_code == 404
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_numbers_that_no_row_can_have_are_not_found(client):
    for path in ("images", "masks", "workers", "exports", "decisions", "verdicts", "categories"):
        assert client.get(f"{HERE}/{path}/{2**70}").status_code == 404


# Projects


def test_a_project_is_made_and_owned(client, owner):
    body = {"name": "Leaves", "categories": [{"name": "oak"}, {"name": "elm"}], "k_a": 0.9, "n_s": 20}
    made = send(client, "post", f"{V1}/projects", body)
    assert made.status_code == 201
    assert made["Location"].endswith("/api/v1/projects/leaves")
    told = client.get(made["Location"]).json()
    assert (told["k_a"], told["n_s"], told["k_iou"]) == (0.9, 20, 0.75)
    assert list(Category.objects.filter(project__slug="leaves").values_list("coco_id", "name")) == [
        (1, "oak"), (2, "elm"),
    ]  # fmt: skip
    assert owner.grants.get(project__slug="leaves").access == "owner"
    assert send(client, "post", f"{V1}/projects", body).status_code == 201


def test_nobody_gets_anothers_project_by_naming_it(client):
    theirs = ProjectFactory(name="Secret", slug="secret")
    CategoryFactory(project=theirs, coco_id=1, name="a")
    refused = send(client, "post", f"{V1}/projects", {"name": "Secret", "categories": [{"name": "a"}]})
    assert refused.status_code == 409
    assert client.get(f"{V1}/projects/secret").status_code == 404
