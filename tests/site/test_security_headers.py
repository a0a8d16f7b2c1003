"""What every response tells the browser not to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from annotation_site.security import ContentSecurityPolicyMiddleware

INLINE = re.compile(r"""<style|\sstyle=["']|\son[a-z]+=["']|javascript:""")
SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)")
TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/w/none/", "/join/none/", "/login/", "/api/schema/", "/nowhere/"])
def test_no_page_may_be_framed_or_run_foreign_code(client, url):
    headers = client.get(url).headers
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_view_may_have_a_policy_of_its_own():
    answer = HttpResponse(headers={"Content-Security-Policy": "frame-ancestors https://market.example"})
    served = ContentSecurityPolicyMiddleware(lambda request: answer)(RequestFactory().get("/"))
    assert served.headers["Content-Security-Policy"] == "frame-ancestors https://market.example"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(template):
    text = template.read_text()
    assert not INLINE.search(text)
    assert not SCRIPT.search(text)


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_is_told_on_a_page_of_ours(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.django_db
def test_a_fault_is_told_on_a_page_of_ours(client, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("meant")

    monkeypatch.setattr("annotation_site.people.members.member_of", broken)
    client.raise_request_exception = False
    answer = client.get("/w/anyone/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
    assert "meant" not in answer.content.decode()
