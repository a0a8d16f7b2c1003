"""Signing in by an OpenID Connect provider that runs beside the site: discovery, code, token, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oidc_provider_mock import User as Person
from oidc_provider_mock import run_server_in_thread

from annotation_site.access.granting import access_to, invite
from annotation_site.access.models import Access
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db

CALLBACK = "http://testserver/account/oidc/login/callback/"
ADA = Person(sub="ada-7", claims={"email": "ada@example.org", "preferred_username": "ada", "name": "Ada"})


@dataclass
class Provider:
    url: str
    client_id: str
    secret: str

    def let_in(self, location: str, sub: str = "ada-7", **form: str) -> str:
        """Where the provider sends a browser that came by `location`, once its person has signed in there."""
        answer = httpx.post(location, data={"sub": sub, **form})
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with run_server_in_thread(require_client_registration=True, user_claims=[ADA]) as server:
        url = f"http://localhost:{server.server_port}"
        asked = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post"}
        told = httpx.post(f"{url}/oauth2/clients", json=asked).json()
        yield Provider(url, told["client_id"], told["client_secret"])


@pytest.fixture
def provider(running: Provider, settings) -> Provider:
    def use(secret: str) -> None:
        app = {
            "provider_id": "oidc", "name": "Example ID", "client_id": running.client_id, "secret": secret,
            "settings": {"server_url": running.url},
        }  # fmt: skip
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}

    use(running.secret)
    running.use = use
    return running


@pytest.fixture
def invited(client: Client) -> str:
    """The link of an invitation that this browser came by."""
    sent = invite(project=ProjectFactory(), email="ada@example.org", access=Access.ADMIN, at=timezone.now())
    link = reverse("dashboards:invitation", args=[sent.secret])
    client.get(link)
    return link


def begin(client: Client, going: str = "/") -> str:
    """Press the button; where the browser is sent."""
    page = client.get("/login/", {"next": going}).content.decode()
    assert "Example ID" in page
    answer = client.post("/account/oidc/login/", {"process": "login", "next": going})
    assert answer.status_code == 302
    return answer.headers["Location"]


def come_back(client: Client, location: str):
    parts = urlsplit(location)
    assert location.startswith(CALLBACK)
    return client.get(f"{parts.path}?{parts.query}")


def test_who_was_invited_makes_an_account_and_comes_in_again_by_it(client, provider, invited):
    answer = come_back(client, provider.let_in(begin(client, invited)))
    assert answer.headers["Location"] == invited
    client.post(invited)
    ada = User.objects.get()
    assert (ada.username, ada.email, ada.has_usable_password()) == ("ada", "ada@example.org", False)
    assert access_to(ProjectFactory._meta.model.objects.get(), ada) == Access.ADMIN
    client.post("/logout/")
    assert client.get("/").headers["Location"].startswith("/login/")
    assert come_back(client, provider.let_in(begin(client))).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert User.objects.count() == 1


def test_what_is_asked_for_is_bound_to_this_browser(client, provider, invited):
    location = begin(client, invited)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert asked["redirect_uri"] == CALLBACK
    assert asked["response_type"] == "code"
    assert "openid" in asked["scope"].split()
    assert asked["code_challenge_method"] == "S256"
    back = provider.let_in(location)
    other = Client()
    come_back(other, back)
    assert not User.objects.exists()
    changed = re.sub(r"state=\w+", "state=forged", back)
    assert come_back(client, changed).status_code in (401, 403)
    assert not User.objects.exists()


def test_who_was_not_invited_stays_outside(client, provider):
    page = come_back(client, provider.let_in(begin(client)))
    assert page.status_code in (200, 302)
    assert not User.objects.exists()
    assert client.get("/").status_code == 302


def test_an_address_that_somebody_has_here_is_not_taken_over(client, provider, invited):
    User.objects.create_user("ada-of-here", "ada@example.org", "orchard-lantern-42", is_superuser=True)
    come_back(client, provider.let_in(begin(client, invited)))
    assert not SocialAccount.objects.exists()
    assert client.get("/").status_code == 302


def test_who_changes_their_mind_there_is_told(client, provider, invited):
    answer = come_back(client, provider.let_in(begin(client), action="deny"))
    assert answer.status_code in (302, 401)
    assert not User.objects.exists()


def test_with_a_wrong_secret_nobody_comes_in(client, provider, invited):
    provider.use("wrong")
    assert come_back(client, provider.let_in(begin(client))).status_code == 401
    assert not User.objects.exists()


def test_a_code_is_good_once(client, provider, invited):
    back = provider.let_in(begin(client))
    come_back(client, back)
    assert User.objects.count() == 1
    again = Client()
    come_back(again, back)
    assert again.get("/").status_code == 302


@pytest.mark.parametrize(
    "forged",
    [{"aud": "another-site"}, {"iss": "https://evil.example"}, {"exp": 1}],
    ids=["aud", "iss", "exp"],
)
def test_an_id_token_for_others_or_of_others_is_refused(client, provider, invited, forged, monkeypatch):
    """The provider's token, with one claim changed on its way."""
    from allauth.socialaccount.internal import jwtkit

    real, key = jwtkit.verify_and_decode, "x" * 32

    def on_its_way(*, credential: str, **options: object) -> dict:
        claims = jwt.decode(credential, options={"verify_signature": False})
        return real(credential=jwt.encode({**claims, **forged}, key, "HS256"), **options)

    monkeypatch.setattr(jwtkit, "verify_and_decode", on_its_way)
    assert come_back(client, provider.let_in(begin(client))).status_code == 401
    assert not User.objects.exists()


def test_the_id_token_is_signed_by_a_key_that_the_provider_publishes(provider):
    """What stands in for the provider is one: its token verifies by its own discovery and keys."""
    about = httpx.get(f"{provider.url}/.well-known/openid-configuration").json()
    asked = {
        "client_id": provider.client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
    }  # fmt: skip
    back = provider.let_in(str(httpx.URL(about["authorization_endpoint"], params=asked)))
    code = parse_qs(urlsplit(back).query)["code"][0]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
        "client_id": provider.client_id, "client_secret": provider.secret,
    }  # fmt: skip
    token = httpx.post(about["token_endpoint"], data=form).json()["id_token"]
    key = jwt.PyJWKClient(about["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=provider.client_id, issuer=about["issuer"])
    assert claims["sub"] == "ada-7"
    assert timezone.now().timestamp() < claims["exp"] <= (timezone.now() + timedelta(hours=2)).timestamp()


def test_no_token_of_the_provider_is_kept(client, provider, invited):
    come_back(client, provider.let_in(begin(client)))
    assert SocialAccount.objects.count() == 1
    assert not SocialToken.objects.exists()
