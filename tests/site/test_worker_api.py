"""Answers over HTTP: who may give them, what is told back, and what repeating them changes."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import signing
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from annotation_site.api import pacing
from annotation_site.api.items import AnswerThrottle, is_simulated
from annotation_site.people.models import Standing, Worker
from annotation_site.verification import tokens
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Judgment
from annotation_site.verification.releasing import release_live
from tests.scene_campaigns import Campaign, scene_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path)


@pytest.fixture
def hit(campaign) -> Assignment:
    return claim_hit(membership=campaign.member, at=timezone.now())


def keys(hit: Assignment) -> list:
    return list(hit.items.order_by("index").values_list("key", flat=True))


def post(client: Client, hit: Assignment | None, key, verb: str, body: object = None, **headers: str):
    if hit is not None:
        headers.setdefault("Authorization", f"Worker {tokens.issue(hit)}")
    return client.post(
        f"/api/items/{key}/{verb}", body or {}, content_type="application/json", headers=headers
    )


def yes(elapsed_ms: int = 1200) -> dict[str, object]:
    return {"says": "yes", "elapsed_ms": elapsed_ms}


def test_an_answer_is_recorded_with_its_time(client, hit):
    first = keys(hit)[0]
    answer = post(client, hit, first, "answer", yes())
    assert answer.status_code == 200
    assert answer.json() == {"says": "yes", "remaining": hit.items.count() - 1, "late": False}
    judgment = Judgment.objects.get()
    assert (judgment.item.key, judgment.says, judgment.elapsed_ms) == (first, "yes", 1200)


def test_what_is_told_back_is_the_same_for_gold_and_real(client, hit):
    told = {}
    for item in hit.items.order_by("index").select_related("question"):
        answer = post(client, hit, item.key, "answer", yes())
        told.setdefault(item.question.gold_id is not None, []).append(
            (answer.status_code, set(answer.json()), answer.json()["says"], sorted(answer.headers))
        )
    assert set(told) == {True, False}
    assert set(map(str, told[True])) == set(map(str, told[False]))


def test_repeating_an_answer_changes_nothing_nor_does_another_one(client, hit):
    """Of gold as of any other mask: else a second answer would tell them apart."""
    for key in keys(hit):
        once = post(client, hit, key, "answer", yes()).json()
        again = post(client, hit, key, "answer", {"says": "no", "elapsed_ms": 5}).json()
        assert {**again, "late": once["late"]} == once
    assert Judgment.objects.count() == hit.items.count()


def test_an_answer_can_be_undone_and_given_again(client, hit):
    first = keys(hit)[0]
    post(client, hit, first, "answer", yes())
    undone = post(client, hit, first, "undo")
    assert undone.json() == {"says": None, "remaining": hit.items.count(), "late": False}
    assert post(client, hit, first, "undo").status_code == 200
    post(client, hit, first, "answer", {"says": "no", "elapsed_ms": 900})
    assert Judgment.objects.get(retracted_at__isnull=True).says == "no"


def test_the_last_answer_ends_the_hit_for_good(client, hit):
    for key in keys(hit):
        last = post(client, hit, key, "answer", yes())
    assert last.json()["remaining"] == 0
    hit.refresh_from_db()
    assert hit.finished_at is not None
    refused = post(client, hit, keys(hit)[0], "undo")
    assert refused.status_code == 409
    assert refused.json()["type"] == "undo-too-late"


def test_an_answer_after_the_lease_is_kept_and_told_to_be_late(client, hit):
    assert sweep(at=timezone.now() + timedelta(days=1)) == 1
    answer = post(client, hit, keys(hit)[0], "answer", yes())
    assert answer.status_code == 200
    assert answer.json()["late"] is True
    assert Judgment.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"says": "maybe", "elapsed_ms": 1},
        {"says": "yes"},
        {"says": "yes", "elapsed_ms": -1},
        {"says": "yes", "elapsed_ms": "soon"},
        ["yes"],
    ],
)
def test_a_malformed_answer_is_refused_and_leaves_nothing(client, hit, body):
    refused = post(client, hit, keys(hit)[0], "answer", body)
    assert refused.status_code == 400
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "invalid"
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("elapsed_ms", [2 * 3_600_000, 25 * 3_600_000, 10**12])
def test_a_look_of_any_length_is_taken_and_noted_as_an_hour_at_most(client, hit, elapsed_ms):
    assert post(client, hit, keys(hit)[0], "answer", yes(elapsed_ms)).status_code == 200
    assert Judgment.objects.get().elapsed_ms == 3_600_000


@pytest.mark.parametrize("verb", ["answer", "undo"])
def test_a_body_that_is_far_too_long_is_refused_unread(client, hit, verb):
    refused = post(client, hit, keys(hit)[0], verb, {**yes(), "more": "x" * 10_000})
    assert refused.status_code == 413
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "too-large"
    assert not Judgment.objects.exists()


class Statements:
    """A clock that a statement moves on by half a millisecond, and waiting by as long as it takes."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert not connection.in_atomic_block
        self.now += round(seconds * 1e9)

    def run(self, execute, *statement):
        self.now += pacing.MS // 2
        return execute(*statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("slot", "alike"), [(25, True), (0, False)])
def test_gold_is_told_at_the_same_moment_as_real_masks(client, hit, monkeypatch, settings, slot, alike):
    settings.ANSWER_SLOT_MS = slot
    clock, took = Statements(), {True: set(), False: set()}
    monkeypatch.setattr(pacing, "monotonic_ns", clock)
    monkeypatch.setattr(pacing, "sleep", clock.sleep)
    for item in hit.items.order_by("index").select_related("question"):
        for verb in ("answer", "undo"):
            clock.now = 0
            with connection.execute_wrapper(clock.run):
                assert post(client, hit, item.key, verb, yes()).status_code == 200
            took[item.question.gold_id is not None].add((verb, clock.now / pacing.MS))
    assert (took[True] == took[False]) is alike
    if alike:
        assert took[True] == {("answer", slot), ("undo", slot)}


def test_what_is_no_json_is_refused(client, hit):
    refused = client.post(
        f"/api/items/{keys(hit)[0]}/answer", "{", content_type="application/json",
        headers={"Authorization": f"Worker {tokens.issue(hit)}"},
    )  # fmt: skip
    assert refused.status_code == 400
    assert refused.json()["type"] == "parse-error"


def test_nobody_answers_without_a_token(client, hit):
    refused = post(client, None, keys(hit)[0], "answer", yes())
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Worker"
    assert refused.json()["type"] == "not-authenticated"


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "é", signing.dumps([1, 2]), signing.dumps("x", salt=tokens.SALT)],
    ids=["empty", "nonsense", "accented", "of another kind", "of no hit"],
)
def test_a_token_that_is_none_is_refused(client, hit, token):
    refused = post(client, None, keys(hit)[0], "answer", yes(), Authorization=f"Worker {token}")
    assert refused.status_code == 401
    assert refused.json()["type"] == "token-invalid"
    assert not Judgment.objects.exists()


def test_a_token_ends(client, hit, monkeypatch):
    monkeypatch.setattr(tokens, "LIFETIME", timedelta(seconds=-1))
    refused = post(client, hit, keys(hit)[0], "answer", yes())
    assert refused.status_code == 401
    assert refused.json()["type"] == "token-expired"


def test_an_answer_that_a_browser_kept_for_weeks_is_taken(client, hit, monkeypatch):
    with monkeypatch.context() as weeks_ago:
        weeks_ago.setattr(signing.time, "time", lambda: timezone.now().timestamp() - 80 * 86_400)
        token = tokens.issue(hit)
    sweep(at=timezone.now() + timedelta(days=80))
    answer = post(client, None, keys(hit)[0], "answer", yes(), Authorization=f"Worker {token}")
    assert (answer.status_code, answer.json()["late"]) == (200, True)
    assert Judgment.objects.count() == 1


def test_a_token_opens_the_items_of_its_own_hit_only(client, tmp_path, hit):
    other = claim_hit(membership=scene_campaign(tmp_path, seed=1).member, at=timezone.now())
    for verb in ("answer", "undo"):
        refused = post(client, hit, keys(other)[0], verb, yes())
        assert refused.status_code == 404
        assert refused.json()["type"] == "unknown-item"
    assert post(client, hit, uuid4(), "answer", yes()).status_code == 404
    assert not Judgment.objects.exists()


def test_a_stopped_worker_answers_no_more(client, campaign, hit):
    campaign.member.standing = Standing.STOPPED
    campaign.member.save()
    for verb in ("answer", "undo"):
        refused = post(client, hit, keys(hit)[0], verb, yes())
        assert refused.status_code == 403
        assert refused.json()["type"] == "worker-stopped"


def test_a_session_counts_for_nothing(admin_client, hit):
    assert post(admin_client, None, keys(hit)[0], "answer", yes()).status_code == 401


def test_only_posts_are_taken(client, hit):
    refused = client.get(
        f"/api/items/{keys(hit)[0]}/answer", headers={"Authorization": f"Worker {tokens.issue(hit)}"}
    )
    assert refused.status_code == 405


def test_the_api_describes_itself(client):
    schema = client.get("/api/schema/?format=json")
    assert schema.status_code == 200
    told = json.loads(schema.content)
    assert {"/api/items/{key}/answer", "/api/items/{key}/undo"} <= set(told["paths"])
    assert told["components"]["securitySchemes"]["workerToken"]["name"] == "Authorization"


class TestARateLimit:
    @pytest.fixture(autouse=True)
    def limited(self, monkeypatch):
        monkeypatch.setattr(AnswerThrottle, "rate", "2/min", raising=False)
        is_simulated.cache_clear()
        cache.clear()

    def test_it_holds_for_each_worker_whatever_they_open(self, client, campaign, hit):
        first, second = (post(client, hit, key, "answer", yes()).status_code for key in keys(hit)[:2])
        release_live(project_id=campaign.project.pk, worker_id=hit.worker_id, at=timezone.now())
        another = claim_hit(membership=campaign.member, at=timezone.now())
        third = post(client, another, keys(another)[0], "answer", yes()).status_code
        assert [first, second, third] == [200, 200, 429]

    def test_programs_of_this_site_are_not_held_back(self, client, campaign, hit):
        Worker.objects.update(provider=Worker.SIMULATED)
        assert {post(client, hit, key, "answer", yes()).status_code for key in keys(hit)[:4]} == {200}
