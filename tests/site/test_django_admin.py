"""Django's own admin is for superusers, who sign in to it as everywhere."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

pytestmark = pytest.mark.django_db

PASSWORD = "orchard-lantern-42"


def pages() -> list[str]:
    """Every page of the admin that needs no row."""
    patterns, *_ = admin.site.urls
    found = ["admin:index", "admin:password_change"]
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += [
                f"admin:{one.name}"
                for one in pattern.url_patterns
                if isinstance(one, URLPattern) and one.name and one.name.endswith(("_changelist", "_add"))
            ]
    return [reverse(name) for name in found]


def test_superusers_see_it(client: Client):
    client.force_login(User.objects.create_superuser("root"))
    assert {page: client.get(page).status_code for page in pages()} == dict.fromkeys(pages(), 200)


def test_staff_with_every_permission_do_not(client: Client):
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client.force_login(staff)
    for page in pages():
        assert client.get(page, follow=True).status_code == 403, page


def test_a_superuser_who_left_does_not(client: Client):
    root = User.objects.create_superuser("root")
    client.force_login(root)
    User.objects.update(is_active=False)
    answer = client.get("/django-admin/", follow=True)
    assert answer.request["PATH_INFO"] == "/login/"


def test_one_signs_in_by_the_sites_own_login(client: Client):
    User.objects.create_superuser("root", password=PASSWORD)
    answer = client.get("/django-admin/auth/user/", follow=True)
    assert answer.request["PATH_INFO"] == "/login/"
    answer = client.post(
        "/login/", {"login": "root", "password": PASSWORD, "next": "/django-admin/auth/user/"}, follow=True
    )
    assert answer.request["PATH_INFO"] == "/django-admin/auth/user/"
    assert client.post("/django-admin/login/", {"username": "root", "password": PASSWORD}).status_code == 302


def test_no_page_takes_a_secret_that_would_be_kept_in_plain_text():
    named = {model._meta.label for model in admin.site._registry}
    assert not named & {"socialaccount.SocialApp", "socialaccount.SocialToken"}
