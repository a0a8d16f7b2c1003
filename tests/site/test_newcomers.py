"""What newcomers get by HTTP: consent, instructions, the test, and nothing before its time."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from annotation_site.catalog.instructing import LONGEST, TextTooLong, set_guide, set_instructions
from annotation_site.pages.templatetags.prose import markdown
from annotation_site.people.models import Membership
from annotation_site.people.qualification import consent, policy
from annotation_site.people.qualification.models import Attempt, AttemptItem, Consent, Lesson
from annotation_site.verification.models import Assignment
from tests import factories
from tests.factories import NOON
from tests.scene_campaigns import Campaign, learning_campaign, scene_campaign
from tests.site.lessons import asked, take, truth

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return learning_campaign(tmp_path)


def get(client: Client, name: str, member: Membership):
    return client.get(reverse(f"pages:{name}", args=[member.secret]))


def post(client: Client, name: str, member: Membership, **data: str):
    return client.post(reverse(f"pages:{name}", args=[member.secret]), data)


def agree(client: Client, member: Membership):
    landing = get(client, "landing", member).content.decode()
    version = re.search(r'name="version" value="(\w+)"', landing)[1]
    return post(client, "agree", member, agree="on", version=version)


def give(client: Client, member: Membership, item: AttemptItem, verb: str = "answer", **body: object):
    url = reverse(f"pages:test-{verb}", args=[member.secret, item.key])
    return client.post(url, json.dumps(body), "application/json")


class TestConsent:
    def test_nothing_opens_before_it(self, client, campaign):
        assert get(client, "landing", campaign.member).headers["X-Step"] == "agree"
        for name in ("start", "test-begin"):
            answer = post(client, name, campaign.member)
            assert answer.url == reverse("pages:landing", args=[campaign.member.secret])
        assert not Assignment.objects.exists()
        assert not Attempt.objects.exists()

    def test_it_needs_the_tick_and_the_text_in_force(self, client, campaign):
        version = consent.version_of("an older text")
        for data in ({}, {"agree": "on"}, {"agree": "on", "version": version}):
            answer = post(client, "agree", campaign.member, **data)
            assert answer.status_code == 400
            assert "Tick the box" in answer.content.decode()
        assert not Consent.objects.filter(membership=campaign.member).exists()

    def test_it_is_asked_again_when_the_text_changes(self, client, campaign):
        agree(client, campaign.member)
        assert get(client, "landing", campaign.member).headers["X-Step"] == "test"
        consent.set_consent_text(project=campaign.project, text="*We* film you.", at=NOON)
        landing = get(client, "landing", campaign.member)
        assert landing.headers["X-Step"] == "agree"
        assert "<em>We</em> film you." in landing.content.decode()
        agree(client, campaign.member)
        assert get(client, "landing", campaign.member).headers["X-Step"] == "test"

    def test_what_was_agreed_to_in_another_language_holds(self, campaign):
        german = Client(headers={"Accept-Language": "de"})
        agree(german, campaign.member)
        noted = Consent.objects.get(membership=campaign.member)
        assert (noted.language, noted.text[:9]) == ("de", "Sie sehen")
        assert get(Client(), "landing", campaign.member).headers["X-Step"] == "test"


class TestInstructions:
    def test_they_show_real_masks_with_their_reasons(self, client, campaign):
        told = get(client, "instructions", campaign.member).content.decode()
        assert "A part of the" in told
        assert "is missing" in told
        for key in re.findall(r"/crops/example/([\w-]+)\.jpg", told):
            assert Lesson.objects.get(key=key).is_example
            assert client.get(f"/crops/example/{key}.jpg").status_code == 200

    def test_the_photo_of_a_question_is_not_found_as_an_example(self, client, campaign):
        question = Lesson.objects.of_test().first()
        assert client.get(f"/crops/example/{question.key}.jpg").status_code == 404

    def test_the_teams_words_stand_there_by_category_and_in_the_help(self, client, tmp_path):
        campaign = scene_campaign(tmp_path)
        set_instructions(project=campaign.project, text="# All\n\nLook **twice**.")
        for category in campaign.project.categories.all():
            set_guide(category=category, text=f"With the stem, {category.name}.")
        told = get(client, "instructions", campaign.member).content.decode()
        assert "<h3>All</h3>" in told
        assert "<strong>twice</strong>" in told
        assert "With the stem, leaf." in told
        post(client, "start", campaign.member)
        assert "With the stem" in get(client, "verify", campaign.member).content.decode()

    def test_a_text_that_nobody_would_read_is_refused(self, campaign):
        with pytest.raises(TextTooLong):
            set_instructions(project=campaign.project, text="a" * (LONGEST + 1))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](https://elsewhere.example/pixel.png)",
        '<a href="#" onclick="alert(1)">x</a>',
        "<style>body { display: none }</style>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_markdown_can_do_nothing_but_be_read(text):
    html = markdown(text)
    assert not re.search(r"<(script|img|style|iframe)|<[^>]*\son\w+=|href=\"(javascript|data):", html)


def test_markdown_keeps_what_is_meant_to_be_read():
    html = markdown(
        "## Stems\n\n- **in**\n- out\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n[rules](https://x.example)"
    )
    for part in (
        "<h4>Stems</h4>",
        "<li>",
        "<table>",
        'rel="noopener noreferrer nofollow"',
        'target="_blank"',
    ):
        assert part in html


class TestTheTest:
    @pytest.fixture
    def member(self, client, campaign) -> Membership:
        agree(client, campaign.member)
        return campaign.member

    def test_who_has_not_passed_is_led_to_it_and_gets_no_question(self, client, member):
        answer = post(client, "start", member)
        assert answer.url == reverse("pages:instructions", args=[member.secret])
        assert not Assignment.objects.exists()

    def test_its_page_tells_no_answer(self, client, member):
        post(client, "test-begin", member)
        page = get(client, "test", member).content.decode()
        hit = json.loads(re.search(r'<script id="hit" type="application/json">(.*?)</script>', page)[1])
        own = {"key", "category", "crop", "whole", "box", "size", "image", "outline", "answer"}
        assert {name for item in hit["items"] for name in item} == own
        lessons = Lesson.objects.filter(items__attempt__membership=member)
        assert not any(str(lesson.key) in page for lesson in lessons)
        assert not re.search("is_correct|shifted|merged|annotation", page)

    def test_it_is_passed_by_the_same_requests_as_the_page_sends(self, client, member):
        post(client, "test-begin", member)
        items = asked(Attempt.objects.get())
        assert client.get(reverse("pages:test-crop", args=[items[0].key])).status_code == 200
        assert client.get(reverse("pages:test-whole", args=[items[0].key])).status_code == 200
        for left, item in zip(range(9, -1, -1), items, strict=True):
            reply = give(client, member, item, says=truth(item), elapsed_ms=900).json()
            assert reply == {"says": truth(item), "remaining": left, "late": False}
        result = get(client, "test-result", member)
        assert "10 of 10 right" in result.content.decode()
        assert post(client, "start", member).url == reverse("pages:verify", args=[member.secret])

    def test_an_answer_can_be_taken_back_until_the_end(self, client, member):
        post(client, "test-begin", member)
        items = asked(Attempt.objects.get())
        give(client, member, items[0], says="yes", elapsed_ms=1)
        assert give(client, member, items[0], "undo").json()["remaining"] == 10
        for item in items:
            give(client, member, item, says=truth(item), elapsed_ms=1)
        assert give(client, member, items[0], "undo").status_code == 409

    @pytest.mark.parametrize(
        "body", [{}, {"says": "maybe", "elapsed_ms": 1}, {"says": "yes", "elapsed_ms": -1}, {"says": "yes"}]
    )
    def test_an_answer_that_is_none_is_refused(self, client, member, body):
        post(client, "test-begin", member)
        assert give(client, member, asked(Attempt.objects.get())[0], **body).status_code == 400

    def test_who_is_quicker_than_anybody_waits_a_minute(self, client, member, settings):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, "test": 3}
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "test"}
        }
        other = factories.MembershipFactory(project=member.project)
        assert post(client, "test-begin", member).status_code == 302
        item = asked(Attempt.objects.get())[0]
        assert give(client, member, item, says="yes", elapsed_ms=900).status_code == 200
        assert give(client, member, item, "undo").status_code == 200
        late = post(client, "test-begin", member)
        assert (late.status_code, late.headers["Retry-After"]) == (429, "60")
        for verb in ("answer", "undo"):
            assert give(client, member, item, verb, says="yes", elapsed_ms=900).status_code == 429
        assert post(client, "test-begin", other).status_code == 302

    def test_the_test_of_another_is_not_found(self, client, campaign, member):
        post(client, "test-begin", member)
        item = asked(Attempt.objects.get())[0]
        other = factories.MembershipFactory(project=campaign.project)
        assert give(client, other, item, says="yes", elapsed_ms=1).status_code == 404
        assert client.get(f"/crops/test/{uuid4()}.jpg").status_code == 404

    def test_a_photo_that_cannot_be_read_is_not_held_against_anyone(self, client, member):
        post(client, "test-begin", member)
        item = asked(Attempt.objects.get())[0]
        item.lesson.image.path = "/nowhere.jpg"
        item.lesson.image.save()
        assert client.get(reverse("pages:test-crop", args=[item.key])).status_code == 404
        item.refresh_from_db()
        assert item.unseen_at is not None

    def test_after_the_last_attempt_there_is_a_kind_word_and_no_way_in(self, client, campaign, member):
        for _ in range(3):
            take(member, wrong=10)
        for answer in (get(client, "landing", member), post(client, "start", member)):
            assert (answer.status_code, answer.headers["X-Notice"]) == (403, "not-passed")
        assert "Not passed" in get(client, "test-result", member).content.decode()

    def test_without_a_test_the_instructions_lead_to_the_work(self, client, campaign, member):
        policy.set_policy(project=campaign.project, questions=0, pass_mark=0.8, attempts=3)
        assert get(client, "instructions", member).headers["X-Step"] == "work"
        assert post(client, "start", member).url == reverse("pages:verify", args=[member.secret])
