"""The contact sheet over the API: predictions on held-out images, a page by key, as the page shows them."""

from __future__ import annotations

import pytest
from django.test import Client

from annotation_site.dashboards.model.heldout import forget_rated, heldout_trees, sheet
from tests.factories import AnnotationFactory
from tests.site.api_ground import ApiGround, predicted

pytestmark = pytest.mark.django_db
IOUS = [0.9, 0.2, 0.7, 0.4, 0.4]


@pytest.fixture
def ground() -> ApiGround:
    forget_rated()
    return ApiGround.laid()


@pytest.fixture
def client(ground: ApiGround) -> Client:
    return ground.client()


@pytest.fixture
def tree(ground: ApiGround):
    return predicted(ground.project, IOUS)


def told(client: Client, url: str):
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return answer.json()


def where(ground: ApiGround, query: str = "") -> str:
    return ground.url("projects/{slug}/predictions/heldout") + query


def test_a_prediction_is_told_with_its_scores_and_its_real_iou(ground, client, tree):
    mask = tree.masks.get(position=1)
    truth = AnnotationFactory(image=mask.image, category=tree.category)
    first = told(client, where(ground, "?limit=1"))["results"][0]
    rle = {"size": [mask.image.height, mask.image.width], "counts": bytes(mask.counts).decode()}
    assert first == {
        "id": mask.pk, "tree": tree.pk, "position": 1, "category": tree.category.name,
        "image": mask.image_id, "bbox": [10.0, 8.0, 20.0, 16.0], "class_score": pytest.approx(0.9),
        "predicted_iou": pytest.approx(0.8), "score": pytest.approx(0.7), "true_iou": pytest.approx(0.2),
        "segmentation": rle, "truth": {"size": rle["size"], "counts": bytes(truth.counts).decode()},
    }  # fmt: skip


@pytest.mark.parametrize("order", ["overconfident", "underconfident", "best", "worst"])
@pytest.mark.parametrize("limit", [1, 2, 200])
def test_pages_by_key_tell_each_once_in_the_order_of_the_page(ground, client, tree, order, limit):
    predicted(ground.project, [0.5, 0.4])
    url, seen = where(ground, f"?order={order}&limit={limit}"), []
    while url:
        page = told(client, url)
        assert page["count"] == len(IOUS) + 2
        seen += [one["id"] for one in page["results"]]
        url = page["next"]
    shown = sheet(heldout_trees(tree.round), order=order).rows
    assert seen == [row.mask.pk for row in shown]


def test_those_of_a_category_or_a_round(ground, client, tree):
    other = predicted(ground.project, [0.5])
    of_it = told(client, where(ground, f"?category={other.category_id}"))
    assert (of_it["count"], [one["tree"] for one in of_it["results"]]) == (1, [other.pk])
    ground.project.rounds.create(number=2)
    assert told(client, where(ground)) == {"results": [], "next": None, "count": 0}
    assert told(client, where(ground, "?round=1"))["count"] == len(IOUS) + 1
    assert client.get(where(ground, "?round=9")).status_code == 404


def test_an_object_that_it_misses_is_not_told(ground, client, tree):
    assert {one["truth"] for one in told(client, where(ground))["results"]} == {None}


@pytest.mark.parametrize(
    "query", ["?order=leaves", "?cursor=1_2", "?cursor=nan_1_1", "?category=x", "?limit=0"]
)
def test_what_is_not_as_documented_is_refused(ground, client, query):
    assert client.get(where(ground, query)).status_code == 400


def test_its_photo_is_told_too(ground, client, tree, monkeypatch):
    monkeypatch.setattr(
        "annotation_site.dashboards.thumbnails.thumbnail", lambda mask: b"jpeg of %d" % mask.pk
    )
    mask = tree.masks.first()
    crop = client.get(ground.url("projects/{slug}/masks/{mask}/crop", mask=mask.pk))
    assert (crop.status_code, crop.content) == (200, b"jpeg of %d" % mask.pk)
    assert client.get(ground.url("projects/{slug}/masks/{mask}", mask=mask.pk)).status_code == 404
