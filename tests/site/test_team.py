"""People of one's own: invited, given new links, and kept out."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import team
from annotation_site.people.members import join_by_code, member_of
from annotation_site.people.models import JoinLink, Membership, Standing
from annotation_site.people.qualification.policy import is_qualified
from annotation_site.verification.models import Assignment, Judgment
from tests import factories
from tests.site.campaigns import Person, items, opened, project_with_tree
from tests.site.lessons import add_lessons

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return opened(project_with_tree([True] * 64, hit_size=5))


def signed_in(client: Client, project: Project, access: Access = Access.ADMIN) -> Client:
    user = User.objects.create_user(f"somebody-{access}")
    grant(project=project, user=user, access=access)
    client.force_login(user)
    return client


def page(project: Project, rest: str = "") -> str:
    return f"/projects/{project.slug}/team/{rest}"


class TestInviting:
    def test_a_name_is_enough_and_makes_a_link(self, client, project):
        told = signed_in(client, project).post(page(project, "invite/"), {"name": " Ada "}, follow=True)
        member = project.members.get(worker__name="Ada")
        assert f"/w/{member.secret}/" in told.content.decode()
        assert mail.outbox == []

    def test_an_address_gets_the_link_by_mail(self, client, project):
        signed_in(client, project).post(page(project, "invite/"), {"name": "Ada", "email": "ada@example.org"})
        (sent,) = mail.outbox
        member = project.members.get(worker__name="Ada")
        assert sent.to == ["ada@example.org"]
        assert f"/w/{member.secret}/" in sent.body

    def test_a_known_address_is_the_same_worker_on_another_project(self, project):
        first = team.invite(project=project, name="Ada", email="ada@example.org")
        other = team.invite(project=factories.ProjectFactory(), name="A.", email="Ada@Example.org")
        assert other.worker == first.worker
        assert other.secret != first.secret
        assert team.invite(project=project, name="Ada", email="ada@example.org") == first

    @pytest.mark.parametrize("told", [{"name": " "}, {"name": "A\0"}, {"name": "Ada", "email": "nowhere"}])
    def test_what_makes_no_sense_makes_nobody(self, client, project, told):
        answer = signed_in(client, project).post(page(project, "invite/"), told, follow=True)
        assert "callout is-reject" in answer.content.decode()
        assert not project.members.exists()

    def test_a_projects_name_cannot_add_headers_to_the_mail(self, client, project):
        Project.objects.filter(pk=project.pk).update(name="A\nBcc: all@example.org")
        signed_in(client, project).post(page(project, "invite/"), {"name": "Ada", "email": "ada@example.org"})
        assert mail.outbox[0].bcc == []
        assert mail.outbox[0].subject == "You are invited to A Bcc: all@example.org"


class TestCodes:
    def test_a_code_can_be_read_aloud_and_lets_anyone_join_until_it_is_revoked(self, client, project):
        admin = signed_in(client, project)
        admin.post(page(project, "codes/"))
        link = project.join_links.get()
        assert re.fullmatch(r"[A-HJ-NP-TV-Z2-9]{4}(-[A-HJ-NP-TV-Z2-9]{4}){2}", link.code)
        join_by_code(code=link.code, name="Ada")
        admin.post(page(project, f"codes/{link.pk}/revoke/"))
        assert Client().get(f"/join/{link.code}/").status_code == 404
        assert project.members.count() == 1

    def test_a_code_of_another_project_is_not_there(self, client, project):
        other = factories.JoinLinkFactory()
        assert signed_in(client, project).post(page(project, f"codes/{other.pk}/revoke/")).status_code == 404
        assert JoinLink.objects.get(pk=other.pk).revoked_at is None


class TestSparingTheTest:
    """Whoever an admin knows need not take the test."""

    @pytest.fixture
    def project(self, project) -> Project:
        add_lessons(project)
        return project

    def test_the_invited_are_tested_unless_the_admin_knows_them(self, client, project):
        admin = signed_in(client, project)
        admin.post(page(project, "invite/"), {"name": "Ada"})
        admin.post(page(project, "invite/"), {"name": "Bo", "vouch": "on"})
        ada, bo = (project.members.get(worker__name=name) for name in ("Ada", "Bo"))
        assert (is_qualified(ada), is_qualified(bo)) == (False, True)
        assert bo.vouching.reason == "somebody-admin vouches for them"

    def test_it_can_be_done_later_too(self, client, project):
        member = team.invite(project=project, name="Ada")
        signed_in(client, project).post(page(project, f"{member.pk}/"), {"do": "vouch"})
        assert is_qualified(member)


class TestMembers:
    def test_a_new_link_ends_the_old_one(self, client, project):
        member = team.invite(project=project, name="Ada")
        signed_in(client, project).post(page(project, f"{member.pk}/"), {"do": "rotate"})
        assert Client().get(f"/w/{member.secret}/").status_code == 404
        assert Client().get(f"/w/{Membership.objects.get().secret}/").status_code == 200

    def test_revoking_ends_the_work_at_hand_and_keeps_the_answers(self, client, project):
        ada = Person.of(project)
        ada.answer(items(ada.open())[0])
        admin = signed_in(client, project)
        admin.post(page(project, f"{ada.member.pk}/"), {"do": "revoke"})
        change = ada.member.changes.get()
        assert (change.after, change.by) == (Standing.STOPPED, "somebody-admin")
        assert Assignment.objects.get().released_at is not None
        assert Judgment.objects.get().retracted_at is None
        admin.post(page(project, f"{ada.member.pk}/"), {"do": "reinstate"})
        assert Person(member_of(ada.member.secret)).open().items.exists()

    def test_a_member_of_another_project_is_not_there(self, client, project):
        other = factories.MembershipFactory()
        answer = signed_in(client, project).post(page(project, f"{other.pk}/"), {"do": "rotate"})
        assert answer.status_code == 404
        assert Membership.objects.get(pk=other.pk).secret == other.secret

    def test_viewers_see_who_answers_and_no_secret(self, client, project):
        member = team.invite(project=project, name="Ada <b>", email="ada@example.org")
        code = team.new_code(project)
        told = signed_in(client, project, Access.VIEWER).get(page(project)).content.decode()
        assert "Ada &lt;b&gt;" in told
        for secret in (member.secret, code.code, "ada@example.org"):
            assert secret not in told

    def test_members_are_paged_by_key_without_a_gap(self, project):
        made = [team.invite(project=project, name=f"W{n}").pk for n in range(7)]
        seen, before = [], None
        while True:
            found = team.members_of(project, before=before, size=3)
            seen += [member.pk for member in found.rows]
            if found.older is None:
                break
            before = found.older
        assert seen == made[::-1]

    def test_answers_of_other_projects_are_not_counted(self, project):
        ada = Person.of(project)
        ada.work()
        other = opened(project_with_tree([True] * 64, hit_size=5))
        member = team.members_of(other).rows
        assert member == []
        assert [m.answers for m in team.members_of(project).rows] == [5]


class TestLimits:
    @pytest.fixture(autouse=True)
    def limits(self, settings):
        settings.RATE_LIMITS = dict.fromkeys(("enter", "join", "arrive", "test"), 3)
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "own"}
        }

    @pytest.mark.parametrize(
        ("method", "url"),
        [
            ("post", "/enter/"),
            ("post", "/enter/guess/"),
            ("post", "/join/guess/"),
            ("get", "/arrive/mturk/6a0b6f4e-2f3b-4c0e-9d3c-1f5b1f0e9a11/"),
        ],
    )
    def test_who_tries_too_often_waits_a_minute(self, client, method, url):
        send = getattr(client, method)
        address = {"REMOTE_ADDR": f"203.0.113.{len(url)}"}
        assert 429 not in [send(url, **address).status_code for _ in range(3)]
        late = send(url, **address)
        assert (late.status_code, late.headers["Retry-After"]) == (429, "60")
        assert "One moment" in late.content.decode()
        assert send(url, REMOTE_ADDR="203.0.113.200").status_code != 429

    def test_behind_a_proxy_the_visitor_is_counted_and_not_what_they_claim(self, client, settings):
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        for claimed in range(4):
            told = client.post("/enter/", headers={"X-Forwarded-For": f"10.0.0.{claimed}, 203.0.113.9"})
        assert told.status_code == 429

    def test_looking_is_not_limited(self, client):
        assert {client.get("/enter/", REMOTE_ADDR="203.0.113.99").status_code for _ in range(9)} == {200}


def test_the_time_of_a_revocation_is_kept():
    link = factories.JoinLinkFactory()
    at = timezone.now()
    team.revoke_code(link=link, at=at)
    team.revoke_code(link=link, at=at + timedelta(days=1))
    assert JoinLink.objects.get().revoked_at == at
