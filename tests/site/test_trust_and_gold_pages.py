"""The pages on by what workers are judged, and on the masks whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Mask, Project
from annotation_site.dashboards.workers.trust import GROUPS, TrustForm
from annotation_site.people.models import GoldItem, TrustPolicy
from annotation_site.people.policies import policy_fields, policy_of
from annotation_site.verification.gold_review import mark_gold, retire_gold
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import project_with_tree
from tests.site.verified_projects import own_images

pytestmark = pytest.mark.django_db


def signed_in(project: Project, access: Access = Access.ADMIN) -> Client:
    user = User.objects.create_user(f"somebody {User.objects.count()}")
    grant(project=project, user=user, access=access)
    client = Client()
    client.force_login(user)
    return client


def where(project: Project, route: str, *rest: object) -> str:
    return reverse(f"dashboards:{route}", args=[project.slug, *rest])


def text(answer: Any) -> str:
    return str(answer.content.decode())


class TestTrust:
    def values(self, project: Project, **changes: object) -> dict[str, object]:
        form = TrustForm(instance=policy_of(project.pk))
        values = {name: form[name].value() for name in form.fields} | changes
        return {name: value for name, value in values.items() if value is not False}

    def test_every_threshold_has_its_place_and_a_sentence(self):
        told = {name: words for *_, names in GROUPS for name, words in names.items()}
        assert set(told) == {field.name for field in policy_fields()}
        assert all(label and sentence for label, sentence in told.values())

    def test_admins_change_them(self):
        project = ProjectFactory()
        client = signed_in(project)
        assert 'value="0.85"' in text(client.get(where(project, "trust")))
        changed = self.values(project, least_gold=20, watch_below=0.9, check_clock=False)
        assert client.post(where(project, "change-trust"), changed).status_code == 302
        policy = TrustPolicy.objects.get(project=project)
        assert (policy.least_gold, policy.watch_below, policy.check_clock) == (20, 0.9, False)
        assert policy.retract_stopped

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"stop_below": 0.95}, "nobody would be watched before they are stopped"),
            ({"watch_below": 7}, "less than or equal to 1"),
        ],
    )
    def test_what_makes_no_sense_is_told_beside_what_was_filled_in(self, changes, told):
        project = ProjectFactory()
        answer = signed_in(project).post(where(project, "change-trust"), self.values(project, **changes))
        assert answer.status_code == 400
        assert told in text(answer)
        assert f'value="{next(iter(changes.values()))}"' in text(answer)
        assert policy_of(project.pk).stop_below == 0.75

    def test_viewers_read_them(self):
        project = ProjectFactory()
        page = text(signed_in(project, Access.VIEWER).get(where(project, "trust")))
        assert "disabled" in page
        assert "Save" not in page


class TestGold:
    @pytest.fixture
    def project(self) -> Project:
        project = project_with_tree([True] * 32, gold=4)
        own_images(project)
        return project

    @pytest.fixture
    def mask(self, project: Project) -> Mask:
        return Mask.objects.filter(tree__round__project=project).select_related("tree__round").first()

    def test_it_is_listed_by_state_and_origin(self, project, mask):
        client = signed_in(project)
        marked = mark_gold(mask=mask, is_correct=True, by="ada")
        item = GoldItem.objects.filter(origin=GoldItem.Origin.ANNOTATION).first()
        retire_gold(item=item, because="a car hides it", at=NOON)
        page = text(client.get(where(project, "gold-list")))
        assert page.count('<li class="answered') == 5
        assert f"/masks/{mask.pk}/" in page
        assert "a car hides it" in page
        retired = text(client.get(where(project, "gold-list"), {"state": "retired"}))
        assert f'id="gold-{item.pk}"' in retired
        assert retired.count('<li class="answered') == 1
        by_hand = text(client.get(where(project, "gold-list"), {"origin": "marked"}))
        assert f'id="gold-{marked.pk}"' in by_hand
        none = client.get(where(project, "gold-list"), {"origin": "agreed"})
        assert "No gold is like that" in text(none)

    def test_an_item_is_retired_for_a_reason_and_taken_back(self, project):
        client, item = signed_in(project), GoldItem.objects.first()
        page = client.post(
            where(project, "change-gold", item.pk), {"do": "retire", "reason": " "}, follow=True
        )
        assert "Say why" in text(page)
        client.post(where(project, "change-gold", item.pk), {"do": "retire", "reason": "blurred"})
        item.refresh_from_db()
        assert (item.retired_because, item.retired_at is not None) == ("blurred", True)
        assert "Take back" in text(client.get(where(project, "gold-list")))
        client.post(where(project, "change-gold", item.pk), {"do": "take-back"})
        item.refresh_from_db()
        assert item.retired_at is None

    def test_a_mask_is_marked_on_its_page(self, project, mask):
        client, page = signed_in(project), where(project, "mask", mask.pk)
        assert "Gold: wrong" in text(client.get(page))
        told = client.post(where(project, "mark-gold", mask.pk), {"answer": "wrong"}, follow=True)
        assert "the known answer is no" in text(told)
        assert "Gold: wrong" not in text(told)
        made = GoldItem.objects.get(origin=GoldItem.Origin.MARKED)
        assert (made.source_id, made.is_correct, made.added_by) == (mask.pk, False, "somebody 0")
        other_way = client.post(where(project, "mark-gold", mask.pk), {"answer": "right"}, follow=True)
        assert "was marked the other way" in text(other_way)
        retire_gold(item=made, because="blurred", at=NOON)
        assert "It was gold, and retired: blurred" in text(client.get(page))

    def test_viewers_are_not_told_what_is_gold(self, project, mask):
        mark_gold(mask=mask, is_correct=True, by="ada")
        viewer = signed_in(project, Access.VIEWER)
        assert "gold-title" not in text(viewer.get(where(project, "mask", mask.pk)))
        assert viewer.get(where(project, "gold-list")).status_code == 403
        assert where(project, "gold-list") not in text(viewer.get(where(project, "workers")))
