"""People who run projects sign in; accounts are made by invitation only."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation_site.access.granting import access_to, grant, invite
from annotation_site.access.models import Access, Invitation
from annotation_site.catalog.models import Project
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db

PASSWORD = "orchard-lantern-42"
NEW = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD}


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


@pytest.fixture
def link(project: Project) -> str:
    sent = invite(project=project, email="ada@example.org", access=Access.ADMIN, at=timezone.now())
    return reverse("dashboards:invitation", args=[sent.secret])


@pytest.mark.parametrize("login", ["ada", "ada@example.org"])
def test_name_or_email_signs_in_and_leads_where_one_was_going(client: Client, project: Project, login: str):
    ada = User.objects.create_user("ada", "ada@example.org", PASSWORD)
    grant(project=project, user=ada, access=Access.VIEWER)
    url = reverse("dashboards:project", args=[project.slug])
    page = client.get(url, follow=True)
    assert 'name="login"' in page.content.decode()
    answer = client.post(page.request["PATH_INFO"], {"login": login, "password": PASSWORD, "next": url})
    assert answer.headers["Location"] == url
    assert client.get(url).status_code == 200


def test_a_wrong_password_is_told_and_leads_nowhere_else(client: Client):
    User.objects.create_user("ada", password=PASSWORD)
    answer = client.post("/login/", {"login": "ada", "password": "no", "next": "https://evil.example/"})
    assert 'role="alert"' in answer.content.decode()
    answer = client.post("/login/", {"login": "ada", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_signing_out_wants_a_post(client: Client):
    client.force_login(User.objects.create_user("ada"))
    client.get("/logout/")
    assert client.get("/").status_code == 200
    client.post("/logout/")
    assert client.get("/").headers["Location"].startswith("/login/")


def test_nobody_makes_an_account_without_an_invitation(client: Client):
    assert "username" not in client.get("/account/new/").content.decode()
    client.post("/account/new/", NEW)
    assert not User.objects.exists()


def test_an_invitation_leads_to_an_account_and_into_the_project(client: Client, project: Project, link: str):
    assert project.name in client.get(link).content.decode()
    made = client.post("/account/new/", {**NEW, "next": link})
    assert made.headers["Location"] == link
    accepted = client.post(link)
    assert accepted.headers["Location"] == reverse("dashboards:project", args=[project.slug])
    assert access_to(project, User.objects.get()) == Access.ADMIN


def test_looking_at_an_invitation_accepts_nothing(client: Client, project: Project, link: str):
    client.force_login(User.objects.create_user("ada"))
    client.get(link)
    assert access_to(project, User.objects.get()) is None
    Client().post(link)
    assert Invitation.objects.get().accepted_at is None


def test_an_invitation_that_is_used_opens_no_further_account(client: Client, link: str):
    client.get(link)
    Invitation.objects.update(revoked_at=timezone.now())
    client.post("/account/new/", NEW)
    assert not User.objects.exists()
    assert client.get(link).status_code == 404


def test_a_forgotten_password_is_set_anew_by_mail(client: Client):
    User.objects.create_user("ada", "ada@example.org", "forgotten")
    client.post("/account/reset/", {"email": "ada@example.org"})
    (path,) = re.findall(r"/account/reset/\S+-\S+/", mail.outbox[0].body)
    form = client.get(path, follow=True).request["PATH_INFO"]
    client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    assert client.login(username="ada", password=PASSWORD)


class TestThePeoplePage:
    @pytest.fixture
    def owner(self, client: Client, project: Project) -> Client:
        user = User.objects.create_user("olga", "olga@example.org")
        grant(project=project, user=user, access=Access.OWNER)
        client.force_login(user)
        return client

    def url(self, name: str, project: Project, *args: object) -> str:
        return reverse(f"dashboards:{name}", args=[project.slug, *args])

    def test_owners_invite_and_take_back(self, owner: Client, project: Project):
        owner.post(self.url("invite", project), {"email": "bo@example.org", "access": "viewer"})
        sent = Invitation.objects.get()
        assert sent.secret in owner.get(self.url("people", project)).content.decode()
        owner.post(self.url("uninvite", project, sent.pk))
        assert sent.secret not in owner.get(self.url("people", project)).content.decode()

    def test_links_of_invitations_are_shown_to_owners_alone(
        self, client: Client, project: Project, link: str
    ):
        user = User.objects.create_user("al")
        grant(project=project, user=user, access=Access.ADMIN)
        client.force_login(user)
        assert link not in client.get(self.url("people", project)).content.decode()

    def test_owners_change_what_others_may(self, owner: Client, project: Project):
        bo = User.objects.create_user("bo")
        grant(project=project, user=bo, access=Access.VIEWER)
        owner.post(self.url("change_access", project, bo.pk), {"access": "admin"})
        assert access_to(project, bo) == Access.ADMIN
        owner.post(self.url("change_access", project, bo.pk), {"access": "king"})
        assert access_to(project, bo) == Access.ADMIN
        owner.post(self.url("change_access", project, bo.pk), {"access": ""})
        assert access_to(project, bo) is None

    def test_the_last_owner_is_told_that_they_stay(self, owner: Client, project: Project):
        olga = User.objects.get()
        page = owner.post(self.url("change_access", project, olga.pk), {"access": ""}, follow=True)
        assert "only owner" in page.content.decode()
        assert access_to(project, olga) == Access.OWNER
