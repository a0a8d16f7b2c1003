"""Tokens: whose they are, what they are good for, when they end. And who may do what with them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import ApiToken, Scope
from annotation_site.audit.models import Entry
from tests.factories import ProjectFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ProjectFactory(name="Facades", slug="facades")


@pytest.fixture
def owner(project):
    user = User.objects.create_user("owner", "owner@example.org")
    grant(project=project, user=user, access=Access.OWNER)
    return user


def at(project, path=""):
    return f"{V1}/projects/{project.slug}{path}"


def patch(client, url, body=None, **headers):
    return client.patch(url, body or {"k_a": 0.9}, "application/json", headers=headers)


def test_a_token_stands_for_its_person(owner):
    told = client_of(owner, Scope.READ).get(f"{V1}/me").json()
    assert told["username"] == "owner"
    assert told["token"] == {
        "id": ApiToken.objects.get().pk, "name": "a test", "scope": "read", "is_restricted": False,
        "expires_at": None,
    }  # fmt: skip


def test_of_a_token_only_a_hash_and_its_beginning_are_kept(owner):
    token, secret = tokens.issue(user=owner, name="nightly", scope=Scope.READ, at=timezone.now())
    kept = ApiToken.objects.filter(pk=token.pk).values().get()
    assert secret not in str(kept.values())
    assert secret.startswith(token.hint)
    assert len(token.hint) <= 8


def test_use_is_noted(owner):
    client = client_of(owner)
    assert ApiToken.objects.get().last_used_at is None
    client.get(f"{V1}/me")
    noted = ApiToken.objects.get().last_used_at
    assert noted is not None
    client.get(f"{V1}/me")
    assert ApiToken.objects.get().last_used_at == noted


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer mg_x", "Token mg_x", "Worker x", "Bearer é"]
)
def test_without_a_token_nothing_is_told(project, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/me", "/projects", f"/projects/{project.slug}", "/nowhere"):
        refused = Client().get(f"{V1}{path}", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_token_opens_nothing(owner):
    client = client_of(owner)
    tokens.revoke(token=ApiToken.objects.get(), at=timezone.now())
    assert client.get(f"{V1}/me").status_code == 401


def test_a_token_ends_when_it_was_said_to(owner):
    now = timezone.now()
    token, secret = tokens.issue(
        user=owner, name="short", scope=Scope.READ, at=now, expires_at=now + timedelta(days=1)
    )
    assert tokens.find(secret, at=now) == token
    with pytest.raises(tokens.TokenInvalid, match="expired"):
        tokens.find(secret, at=now + timedelta(days=1))


def test_the_token_of_a_person_who_left_opens_nothing(owner):
    client = client_of(owner)
    User.objects.update(is_active=False)
    assert client.get(f"{V1}/me").status_code == 401


@pytest.mark.parametrize(
    ("scope", "read", "write", "give"),
    [("read", 200, 403, 403), ("write", 200, 200, 403), ("admin", 200, 200, 200)],
)
def test_a_token_does_what_its_scope_says(owner, project, scope, read, write, give):
    client = client_of(owner, Scope(scope))
    assert client.get(at(project)).status_code == read
    changed = patch(client, at(project))
    assert changed.status_code == write
    assert client.get(at(project, "/invitations")).status_code == give
    if write == 403:
        assert changed.json()["type"] == "scope-insufficient"


@pytest.mark.parametrize(
    ("access", "write", "give"), [("viewer", 403, 403), ("admin", 200, 403), ("owner", 200, 200)]
)
def test_a_token_never_does_more_than_its_person_may(project, access, write, give):
    user = User.objects.create_user("somebody")
    grant(project=project, user=user, access=Access(access))
    client = client_of(user)
    assert client.get(at(project)).status_code == 200
    changed = patch(client, at(project))
    assert changed.status_code == write
    assert client.get(at(project, "/invitations")).status_code == give
    assert client.head(at(project, "/invitations")).status_code == give
    if write == 403:
        assert changed.json()["type"] == "access-insufficient"


def test_projects_of_others_do_not_exist(project):
    client = client_of(User.objects.create_user("stranger"))
    assert client.get(at(project)).status_code == client.get(f"{V1}/projects/none").status_code == 404
    assert patch(client, at(project)).status_code == 404
    assert client.get(f"{V1}/projects").json()["results"] == []


def test_a_token_for_some_projects_knows_no_others(owner, project):
    other = ProjectFactory()
    grant(project=other, user=owner, access=Access.OWNER)
    client = client_of(owner, projects=[project])
    assert [one["slug"] for one in client.get(f"{V1}/projects").json()["results"]] == ["facades"]
    assert client.get(at(other)).status_code == 404
    made = client.post(f"{V1}/projects", {"name": "New", "categories": [{"name": "a"}]}, "application/json")
    assert made.status_code == 403
    project.delete()
    assert client.get(f"{V1}/projects").json()["results"] == []


def test_a_token_for_some_projects_names_ones_own(owner, project):
    for chosen in ([], [ProjectFactory()]):
        with pytest.raises(tokens.TokenRefused):
            tokens.issue(user=owner, name="x", scope=Scope.READ, at=timezone.now(), projects=chosen)


def test_a_session_will_do_but_not_for_forged_requests(owner, project):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.get(at(project)).status_code == 200
    assert patch(browser, at(project)).status_code == 403


def test_requests_are_counted_by_token(owner, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "api": 2}
    client, other = client_of(owner), client_of(owner)
    codes = [client.get(f"{V1}/me").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = client.get(f"{V1}/me")
    assert refused.headers["Retry-After"] == "60"
    assert refused.json()["type"] == "throttled"
    assert other.get(f"{V1}/me").status_code == 200


def test_writes_are_counted_once_more(owner, project, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "api-write": 1}
    client = client_of(owner)
    assert [patch(client, at(project)).status_code for _ in range(2)] == [200, 429]
    assert client.get(at(project)).status_code == 200


def test_the_log_tells_who_made_and_revoked_a_token_and_not_its_hash(owner):
    token, _ = tokens.issue(user=owner, name="nightly", scope=Scope.READ, at=timezone.now())
    tokens.revoke(token=token, at=timezone.now())
    made, revoked = Entry.objects.filter(what="api.ApiToken", row=str(token.pk)).order_by("pk")
    assert (made.change, made.name, revoked.change) == ("insert", "nightly", "update")
    assert ApiToken.objects.get().digest not in str((made.after, revoked.before, revoked.after))


# The page


@pytest.fixture
def browser(owner):
    client = Client()
    client.force_login(owner)
    return client


def test_the_page_shows_a_new_token_once(browser, owner, project):
    page = browser.post("/account/tokens/", {"name": "nightly", "scope": "write", "days": "90"})
    secret = page.context["secret"]
    assert secret in page.content.decode()
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get(at(project)).status_code == 200
    again = browser.get("/account/tokens/")
    assert secret not in again.content.decode()
    assert "nightly" in again.content.decode()
    token = ApiToken.objects.get()
    assert (token.scope, token.is_restricted) == ("write", False)
    assert token.expires_at - token.created_at == timedelta(days=90)
    assert "no-store" in page.headers["Cache-Control"]


def test_the_page_makes_tokens_for_some_projects(browser, project):
    browser.post("/account/tokens/", {"name": "x", "scope": "read", "projects": [project.pk]})
    token = ApiToken.objects.get()
    assert token.is_restricted
    assert list(token.projects.all()) == [project]
    assert token.expires_at is None


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scope": "all"}, {"projects": [999]}, {"days": "1"}])
def test_the_page_says_what_cannot_be(browser, wrong):
    page = browser.post("/account/tokens/", {"name": "x", "scope": "read", **wrong})
    assert page.context["form"].errors
    assert not ApiToken.objects.exists()


def test_only_ones_own_tokens_are_seen_and_revoked(browser, owner):
    stranger = User.objects.create_user("stranger")
    theirs, _ = tokens.issue(user=stranger, name="theirs", scope=Scope.READ, at=timezone.now())
    mine, _ = tokens.issue(user=owner, name="mine", scope=Scope.READ, at=timezone.now())
    assert "theirs" not in browser.get("/account/tokens/").content.decode()
    assert browser.post(f"/account/tokens/{theirs.pk}/revoke/").status_code == 404
    assert browser.post(f"/account/tokens/{mine.pk}/revoke/").status_code == 302
    assert list(ApiToken.objects.filter(revoked_at=None)) == [theirs]
