"""Tokens over the API: what makes one is good for as much at least, and takes it along when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import ApiToken, Scope
from annotation_site.api.tokens import TokenRefused
from tests.factories import ProjectFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/tokens"


@pytest.fixture
def project():
    return ProjectFactory(name="Facades", slug="facades")


@pytest.fixture
def owner(project) -> User:
    user = User.objects.create_user("owner", "owner@example.org")
    grant(project=project, user=user, access=Access.OWNER)
    return user


@pytest.fixture
def browser(owner) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def make(client: Client, **wish: object):
    return client.post(URL, {"name": "nightly", "scope": "read", **wish}, "application/json")


def holder(made) -> Client:
    """The program that a new token was given to."""
    assert made.status_code == 201, made.content
    return Client(headers={"Authorization": f"Bearer {made.json()['secret']}"})


def maker(user: User, scope: Scope = Scope.ADMIN, **given: object) -> tuple[ApiToken, Client]:
    token, secret = tokens.issue(user=user, name="maker", scope=scope, at=timezone.now(), **given)
    return token, Client(headers={"Authorization": f"Bearer {secret}"})


def asks(client: Client) -> int:
    return client.get(f"{V1}/me").status_code


# What is told


def test_a_new_token_is_told_once(owner, browser, project):
    made = make(browser, scope="write", projects=["facades"])
    secret = made.json()["secret"]
    token = ApiToken.objects.get()
    told = {
        "id": token.pk, "name": "nightly", "scope": "write", "is_restricted": True, "projects": ["facades"],
        "hint": secret[:8], "expires_at": None, "last_used_at": None, "made_with": None,
    }  # fmt: skip
    assert {**told, "created_at": made.json()["created_at"], "secret": secret} == made.json()
    assert holder(made).get(f"{V1}/projects/facades").status_code == 200
    (listed,) = browser.get(URL).json()["results"]
    assert listed.keys() == made.json().keys() - {"secret"}
    assert secret not in browser.get(made["Location"]).content.decode()


def test_only_ones_own_are_told_and_revoked(owner, browser):
    theirs, client = maker(User.objects.create_user("stranger"))
    assert browser.get(URL).json()["results"] == []
    for method in (browser.get, browser.delete):
        assert method(f"{URL}/{theirs.pk}").status_code == 404
    assert asks(client) == 200


def test_a_revoked_one_opens_nothing_and_is_told_no_more(browser):
    made = make(browser)
    client, url = holder(made), made["Location"]
    assert [browser.delete(url).status_code for _ in range(2)] == [204, 204]
    assert asks(client) == 401
    assert browser.get(url).status_code == 404
    assert browser.get(URL).json()["results"] == []


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"scope": "all"}, 400),
        ({"name": " "}, 400),
        ({"projects": []}, 400),
        ({"user": 1}, 400),
        ({"projects": ["elsewhere"]}, 422),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422),
        ({"name": "a\u202eb"}, 422),
    ],
)
def test_what_cannot_be_is_refused(browser, wish, status):
    ProjectFactory(slug="elsewhere")
    assert make(browser, **wish).status_code == status
    assert not ApiToken.objects.exists()


def test_a_forged_request_makes_none(owner):
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(owner)
    assert make(forged).status_code == 403
    assert not ApiToken.objects.exists()


def test_a_request_that_is_repeated_makes_one(browser):
    answers = [
        browser.post(
            URL, {"name": "a", "scope": "read"}, "application/json", headers={"Idempotency-Key": "once"}
        )
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert ApiToken.objects.count() == 1


# What tokens may make


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
def test_a_token_that_gives_no_access_makes_none_and_sees_none(owner, scope):
    token, client = maker(owner, scope)
    other, _ = maker(owner)
    answers = [make(client, scope=scope), client.get(URL), client.get(f"{URL}/{token.pk}")]
    answers.append(client.delete(f"{URL}/{other.pk}"))
    assert {(one.status_code, one.json()["type"]) for one in answers} == {(403, "scope-insufficient")}
    assert ApiToken.objects.filter(revoked_at=None).count() == 2


def test_neither_does_one_for_some_projects(owner, project):
    _, client = maker(owner, projects=[project])
    answers = [make(client, projects=["facades"]), client.get(URL)]
    assert {(one.status_code, one.json()["type"]) for one in answers} == {(403, "token-restricted")}


@pytest.mark.parametrize("scope", Scope)
def test_any_token_may_revoke_itself(owner, project, scope):
    token, client = maker(owner, scope, projects=[project])
    assert client.get(f"{V1}/me").json()["token"]["id"] == token.pk
    assert client.delete(f"{URL}/{token.pk}").status_code == 204
    assert asks(client) == 401


@pytest.mark.parametrize(("scope", "status"), [(Scope.READ, 403), (Scope.ADMIN, 405)])
def test_the_list_of_tokens_is_revoked_by_none(owner, scope, status):
    _, client = maker(owner, scope)
    assert client.delete(URL).status_code == status
    assert asks(client) == 200


def test_what_a_token_makes_ends_with_it(owner):
    token, client = maker(owner)
    child = holder(make(client, scope="admin"))
    grandchild = holder(make(child))
    other = client_of(owner)
    assert asks(grandchild) == 200
    tokens.revoke(token=token, at=timezone.now())
    assert [asks(one) for one in (client, child, grandchild, other)] == [401, 401, 401, 200]


def test_what_a_token_makes_does_not_outlive_it(owner):
    end = timezone.now() + timedelta(days=1)
    token, client = maker(owner, expires_at=end)
    made = make(client).json()
    assert (datetime.fromisoformat(made["expires_at"]), made["made_with"]) == (end, token.pk)
    sooner = end - timedelta(hours=1)
    assert datetime.fromisoformat(make(client, expires_at=sooner.isoformat()).json()["expires_at"]) == sooner
    later = make(client, expires_at=(end + timedelta(seconds=1)).isoformat())
    assert (later.status_code, later.json()["type"]) == (422, "token-refused")


@pytest.mark.parametrize("held", Scope)
@pytest.mark.parametrize("wanted", Scope)
def test_no_token_is_made_with_one_of_a_lesser_scope(owner, held, wanted):
    token, _ = maker(owner, held)
    given = {"user": owner, "name": "x", "scope": wanted, "at": timezone.now(), "made_with": token}
    if held.access.includes(wanted.access):
        assert tokens.issue(**given)[0].made_with == token
    else:
        with pytest.raises(TokenRefused, match="may do more"):
            tokens.issue(**given)


def test_no_token_is_made_with_one_for_other_projects(owner, project):
    token, _ = maker(owner, projects=[project])
    other = ProjectFactory()
    grant(project=other, user=owner, access=Access.OWNER)
    given = {"user": owner, "name": "x", "scope": Scope.READ, "at": timezone.now(), "made_with": token}
    for projects in (None, [other], [project, other]):
        with pytest.raises(TokenRefused, match="other projects"):
            tokens.issue(**given, projects=projects)
    assert tokens.issue(**given, projects=[project])[0].is_restricted


def test_no_token_is_made_with_one_that_was_revoked_meanwhile(owner):
    token, _ = maker(owner)
    tokens.revoke(token=ApiToken.objects.get(), at=timezone.now())
    with pytest.raises(TokenRefused, match="any more"):
        tokens.issue(user=owner, name="x", scope=Scope.READ, at=timezone.now(), made_with=token)


def test_the_page_tells_what_a_token_was_made_with(owner, browser):
    _, client = maker(owner)
    make(client)
    assert "made with maker" in browser.get("/account/tokens/").content.decode()
