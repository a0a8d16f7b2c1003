"""Writers who read the same: by If-Match one of them changes it, and the others hear that it has changed."""

from __future__ import annotations

import json
from functools import partial

import pytest
from django.test import Client

from annotation_site.catalog.models import Project
from tests.site.api_ground import ApiGround
from tests.site.campaigns import together

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 6
CHANGES = {
    "projects/{slug}": lambda n: {"k_a": 0.6 + n / 100},
    "projects/{slug}/budget": lambda n: {"questions": 1000 + n},
    "projects/{slug}/categories/{category}": lambda n: {"guide": f"With {n} panes."},
    "projects/{slug}/instructions": lambda n: {"instructions": f"Look {n} times.", "consent": f"I look {n}."},
    "projects/{slug}/people/{person}": lambda n: {"access": ("admin", "viewer")[n // WRITERS % 2]},
    "projects/{slug}/test": lambda n: {"questions": 20 + n},
    "projects/{slug}/trust": lambda n: {"least_gold": 20 + n},
    "projects/{slug}/examples/{example}": lambda n: {"left_out": n // WRITERS % 2 == 0},
    "projects/{slug}/webhooks/{webhook}": lambda n: {"description": f"The {n}th."},
}
"""What can be changed -> what the n-th writer wants of it: never what is there when they read it."""


@pytest.fixture
def ground() -> ApiGround:
    return ApiGround.laid()


def write(client: Client, url: str, etag: str, body: dict[str, object]) -> int:
    sent = client.patch(url, json.dumps(body), "application/json", headers={"If-Match": etag})
    return int(sent.status_code)


@pytest.mark.parametrize("path", CHANGES)
def test_of_writers_who_read_the_same_one_wins(ground: ApiGround, path: str) -> None:
    url, client = ground.url(path), ground.client()
    for attempt in range(3):
        etag = client.get(url)["ETag"]
        wanted = [CHANGES[path](attempt * WRITERS + n) for n in range(WRITERS)]
        codes = together([partial(write, ground.client(), url, etag, body) for body in wanted])
        assert sorted(map(str, codes)) == ["200", *["412"] * (WRITERS - 1)]


def test_options_that_are_set_at_once_are_all_kept(ground: ApiGround) -> None:
    options = {"iterations": 300, "batch_size": 3, "short_side": 320, "max_masks": 30}
    url = ground.url("projects/{slug}")
    jobs = [
        partial(
            ground.client().patch, url, json.dumps({"detector_options": {name: value}}), "application/json"
        )
        for name, value in options.items()
    ]
    assert [answer.status_code for answer in together(jobs)] == [200] * len(options)
    assert Project.objects.get().detector_options == options
