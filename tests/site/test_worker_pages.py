"""What workers see by their link, in every state of the project and of their own."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Project
from annotation_site.pages.briefing import Briefing
from annotation_site.pages.work import Card
from annotation_site.people.members import join
from annotation_site.people.models import JoinLink, Membership, Standing, Worker
from annotation_site.verification.answering import record_answer
from annotation_site.verification.models import Assignment, Judgment, Question
from annotation_site.verification.paces import ENOUGH, seconds_a_mask
from annotation_site.verification.withdrawing import retract_worker
from pipeline import masks
from pipeline.metrics import SECONDS_PER_ANSWER
from tests import factories
from tests.factories import NOON
from tests.scene_campaigns import Campaign, scene_campaign
from tests.site.campaigns import Person, opened, project_with_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path)


def page(client: Client, name: str, member: Membership):
    return client.get(reverse(f"pages:{name}", args=[member.secret]))


def start(client: Client, member: Membership):
    return client.post(reverse("pages:start", args=[member.secret]))


def shown_hit(response) -> dict:
    found = re.search(r'<script id="hit" type="application/json">(.*?)</script>', response.content.decode())
    assert found is not None
    return json.loads(found[1])


def set_state(campaign: Campaign, state: str) -> None:
    Project.objects.filter(pk=campaign.project.pk).update(state=state)


def test_the_landing_page_tells_the_task_and_opens_nothing(client, campaign):
    told = page(client, "landing", campaign.member).content.decode()
    assert campaign.project.name in told
    assert "mushroom" in told
    assert "generated scenes" in told
    assert not Assignment.objects.exists()


def test_how_long_a_page_takes_is_measured_once_enough_is_known():
    project = opened(project_with_clusters([0.9] * 20, hit_size=100, gold_share=0.0))
    assert Briefing.of(Person.of(project).member).minutes == 3
    program = join(project=project, provider=Worker.SIMULATED, external_id="1")
    Person(program).work()
    assert seconds_a_mask(project) == SECONDS_PER_ANSWER
    ada = Person.of(project)
    while Judgment.objects.filter(worker=ada.member.worker).count() < ENOUGH:
        ada.work()
    assert seconds_a_mask(project) == 1.4
    Judgment.objects.filter(worker=ada.member.worker).update(elapsed_ms=6000)
    assert Briefing.of(ada.member).minutes == 10


def test_what_stopped_counting_is_still_judged_by_you_else_the_rest_would_number_the_gold():
    project = opened(project_with_clusters([0.9] * 20, gold=20, hit_size=20))
    ada = Person.of(project)
    given = ada.work()
    retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert Judgment.objects.counting().count() == 2
    assert Briefing.of(ada.member).answered == len(given) == 20


def test_a_pace_is_a_mean_of_times_that_were_taken_and_not_spoilt_by_a_long_one():
    project = opened(project_with_clusters([0.9] * 20, hit_size=150, gold_share=0.0))
    ada = Person.of(project)
    given = ada.work()
    answers = Judgment.objects.order_by("pk")
    half = answers[len(given) // 2].pk
    answers.filter(pk__lt=half).update(elapsed_ms=1000)
    answers.filter(pk__gte=half).update(elapsed_ms=3000)
    assert seconds_a_mask(project) == pytest.approx(2)
    answers.filter(pk=half).update(elapsed_ms=3_600_000)
    assert seconds_a_mask(project) < 2.5
    answers.update(elapsed_ms=0)
    assert seconds_a_mask(project) == SECONDS_PER_ANSWER


def test_the_landing_page_tells_what_a_page_pays(client, campaign):
    set_caps(project=campaign.project, questions=None, money=None, pay_per_question="0.012")
    assert "0.12 <small>USD" in page(client, "landing", campaign.member).content.decode()


def test_starting_opens_a_page_of_work_once(client, campaign):
    assert start(client, campaign.member).url == reverse("pages:verify", args=[campaign.member.secret])
    start(client, campaign.member)
    assert Assignment.objects.count() == 1
    told = page(client, "landing", campaign.member).content.decode()
    assert "Go on" in told


def test_starting_needs_a_post(client, campaign):
    assert page(client, "start", campaign.member).status_code == 405
    assert not Assignment.objects.exists()


def test_a_start_without_csrf_token_is_taken_since_the_secret_is_one(campaign):
    assert start(Client(enforce_csrf_checks=True), campaign.member).status_code == 302


def test_the_page_of_work_shows_its_items_and_what_was_answered(client, campaign):
    start(client, campaign.member)
    assignment = Assignment.objects.get()
    first = assignment.items.get(index=0)
    record_answer(
        item_key=first.key, assignment_id=assignment.pk, says="no", elapsed_ms=900, at=timezone.now()
    )
    hit = shown_hit(page(client, "verify", campaign.member))
    assert [item["answer"] for item in hit["items"]] == ["no"] + [None] * (len(hit["items"]) - 1)
    assert [item["key"] for item in hit["items"]] == [
        str(key) for key in assignment.items.order_by("index").values_list("key", flat=True)
    ]


def test_an_outline_lies_in_the_frame_of_its_crop(client, campaign):
    start(client, campaign.member)
    hit = shown_hit(page(client, "verify", campaign.member))
    items = {str(item.key): item.question for item in Assignment.objects.get().items.all()}
    for item in hit["items"]:
        subject = items[item["key"]].mask or items[item["key"]].gold
        x, y, width, height = item["box"]
        assert x <= subject.x
        assert y <= subject.y
        assert subject.x + subject.width <= x + width
        assert subject.y + subject.height <= y + height
        assert item["outline"] == masks.outline(subject.rle)
        assert item["image"] == [subject.image.width, subject.image.height]


def test_nothing_in_the_page_tells_gold_from_real(client, campaign):
    start(client, campaign.member)
    response = page(client, "verify", campaign.member)
    kinds = {
        str(item.key): item.question.gold_id is not None
        for item in Assignment.objects.get().items.select_related("question")
    }
    fields = {gold: set() for gold in (True, False)}
    for item in shown_hit(response)["items"]:
        own = dict.fromkeys(("key", "category", "outline", "size", "image", "box"), "")
        urls = {name: item[name].replace(item["key"], "") for name in ("crop", "whole")}
        fields[kinds[item["key"]]].add(json.dumps({**item, **own, **urls}))
    assert set(kinds.values()) == {True, False}
    assert fields[True] == fields[False]
    content = response.content.decode().lower()
    assert "gold" not in content
    assert {name for item in shown_hit(response)["items"] for name in item} == set(Card.__annotations__)


def test_the_page_of_work_needs_one_that_is_open(client, campaign):
    assert page(client, "verify", campaign.member).url == reverse(
        "pages:landing", args=[campaign.member.secret]
    )


def test_an_expired_page_of_work_leads_back_to_the_start(client, campaign):
    start(client, campaign.member)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert page(client, "verify", campaign.member).status_code == 302


def test_an_unknown_link_is_told_kindly(client, campaign):
    for name, secret in (("landing", "no-such-secret"), ("verify", "no-such-secret"), ("landing", "a\0b")):
        response = client.get(reverse(f"pages:{name}", args=[secret]))
        assert response.status_code == 404
        assert response.headers["X-Notice"] == "unknown-link"
    assert client.post("/w/no-such-secret/start/").status_code == 404


def test_a_stopped_worker_is_told_so_everywhere(client, campaign):
    Membership.objects.update(standing=Standing.STOPPED)
    answers = [page(client, "landing", campaign.member), page(client, "verify", campaign.member),
               start(client, campaign.member)]  # fmt: skip
    assert [(answer.status_code, answer.headers["X-Notice"]) for answer in answers] == [(403, "stopped")] * 3


def test_a_paused_project_lets_nobody_in_but_those_at_work(client, campaign):
    set_state(campaign, Project.State.PAUSED)
    assert page(client, "landing", campaign.member).headers["X-Notice"] == "paused"
    assert start(client, campaign.member).headers["X-Notice"] == "paused"
    set_state(campaign, Project.State.OPEN)
    start(client, campaign.member)
    set_state(campaign, Project.State.PAUSED)
    assert "X-Notice" not in page(client, "landing", campaign.member).headers
    assert page(client, "verify", campaign.member).status_code == 200


def test_a_spent_budget_is_told(client, campaign):
    set_caps(project=campaign.project, questions=0, money=None)
    assert start(client, campaign.member).headers["X-Notice"] == "budget-spent"


def test_nothing_to_ask_now_is_told_apart_from_nothing_left(client, campaign):
    Question.objects.update(wanted=0)
    assert start(client, campaign.member).headers["X-Notice"] == "nothing-yet"
    for tree in campaign.project.rounds.get().trees.all():
        tree.clusters.update(is_open=False)
    assert start(client, campaign.member).headers["X-Notice"] == "nothing-left"


def test_category_names_cannot_break_out_of_the_page(client, campaign):
    for category in campaign.project.categories.all():
        category.name = f"</script><script>alert({category.pk})</script>"
        category.save()
    start(client, campaign.member)
    for name in ("landing", "verify"):
        assert "<script>alert" not in page(client, name, campaign.member).content.decode()


class TestJoining:
    @pytest.fixture
    def link(self, campaign) -> JoinLink:
        return factories.JoinLinkFactory(project=campaign.project)

    def test_looking_at_the_link_makes_nobody_a_worker(self, client, link):
        before = Membership.objects.count()
        assert link.project.name in client.get(f"/join/{link.code}/").content.decode()
        assert Membership.objects.count() == before

    def test_joining_leads_to_a_link_of_ones_own(self, client, link):
        response = client.post(f"/join/{link.code}/", {"name": " Ada "})
        member = Membership.objects.latest("pk")
        assert response.url == reverse("pages:landing", args=[member.secret])
        assert (member.project, member.worker.name) == (link.project, "Ada")

    def test_joining_again_in_the_same_browser_finds_the_same_worker(self, client, link):
        first = client.post(f"/join/{link.code}/").url
        assert client.get(f"/join/{link.code}/").url == first
        assert client.post(f"/join/{link.code}/").url == first

    def test_another_project_is_joined_anew(self, client, link):
        client.post(f"/join/{link.code}/")
        other = factories.JoinLinkFactory()
        assert client.get(f"/join/{other.code}/").status_code == 200

    def test_a_join_needs_the_form_of_this_site(self, link):
        assert Client(enforce_csrf_checks=True).post(f"/join/{link.code}/").status_code == 403

    def test_a_name_of_any_length_is_taken(self, client, link):
        client.post(f"/join/{link.code}/", {"name": "A" * 500})
        assert Membership.objects.latest("pk").worker.name == "A" * 120

    def test_control_characters_in_a_name_are_left_out(self, client, link):
        client.post(f"/join/{link.code}/", {"name": "A\0d\na "})
        assert Membership.objects.latest("pk").worker.name == "Ada"

    @pytest.mark.parametrize("secure", [True, False])
    def test_who_joined_over_tls_is_recognised_over_tls_only(self, client, link, secure):
        cookie = client.post(f"/join/{link.code}/", secure=secure).cookies["member"]
        assert bool(cookie["secure"]) is secure
        assert cookie["httponly"]

    def test_a_revoked_or_unknown_link_is_told_kindly(self, client, link):
        JoinLink.objects.update(revoked_at=timezone.now())
        for code in (link.code, "never-was", "%00"):
            response = client.get(f"/join/{code}/")
            assert (response.status_code, response.headers["X-Notice"]) == (404, "unknown-join-link")
