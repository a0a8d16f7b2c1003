"""Coming back without the personal link: by mail, which tells nobody who is known, or by a code."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from annotation_site.catalog.models import Project
from annotation_site.marketplaces import entering, team
from annotation_site.marketplaces.models import Contact, LinkRequest
from annotation_site.people.models import Membership
from tests import factories
from tests.site.campaigns import opened, project_with_tree, together

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return opened(project_with_tree([True] * 64, hit_size=5))


class TestMail:
    @pytest.fixture
    def contact(self, project) -> Contact:
        return team.invite(project=project, name="Ada", email="ada@example.org").worker.contact

    def ask(self, client: Client, email: str = "ada@example.org"):
        told = client.post("/enter/", {"email": email})
        entering.mail_due()
        return told

    @pytest.fixture
    def patient(self, monkeypatch) -> None:
        """An address gets as many mails as it is asked for."""
        monkeypatch.setattr(entering, "AGAIN_AFTER", timedelta(0))

    @pytest.fixture
    def mail_is_down(self, settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    def link(self) -> str:
        return re.search(r"http://testserver(/enter/\S+)", mail.outbox[-1].body)[1]

    def test_a_mail_leads_back_to_the_work_once(self, client, contact):
        self.ask(client)
        link = self.link()
        assert "Welcome back" in client.get(link).content.decode()
        assert client.post(link).url == f"/w/{Membership.objects.get().secret}/"
        assert client.post(link).status_code == 410
        assert client.get(link).status_code == 410

    def test_looking_at_a_link_does_not_use_it(self, client, contact):
        self.ask(client)
        for _ in range(3):
            client.get(self.link())
        assert client.post(self.link()).status_code == 302

    def test_using_one_ends_those_that_were_sent_before(self, client, contact, patient):
        self.ask(client)
        earlier = self.link()
        self.ask(client)
        client.post(self.link())
        assert client.post(earlier).status_code == 410

    def test_nothing_tells_whether_an_address_is_known(self, client, contact):
        known, unknown = self.ask(client), self.ask(client, "eve@example.org")
        assert len(mail.outbox) == 1
        strip = re.compile(r"ada@example\.org|eve@example\.org|csrfmiddlewaretoken[^>]*")
        assert strip.sub("", known.content.decode()) == strip.sub("", unknown.content.decode())

    def test_asking_does_for_a_known_address_what_it_does_for_any(self, client, contact, sent):
        """Nothing is looked up and nothing is mailed while somebody waits, whose clock would tell."""

        def statements(email: str) -> list[str]:
            with CaptureQueriesContext(connection) as queries:
                assert client.post("/enter/", {"email": email}).status_code == 200
            return [re.sub(r"'[^']*'", "?", query["sql"]) for query in queries]

        assert statements("ada@example.org") == statements("eve@example.org")
        assert mail.outbox == []
        assert sent == ["maskgrove.mail_links"] * 2

    def test_mail_that_is_down_tells_nothing_and_can_be_asked_for_again(
        self, client, contact, mail_is_down, settings, caplog
    ):
        assert [self.ask(client, email).status_code for email in (contact.email, "eve@example.org")] == [
            200
        ] * 2
        assert "could not be mailed" in caplog.text
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        self.ask(client)
        assert len(mail.outbox) == 1

    def test_an_address_gets_one_mail_in_five_minutes_whoever_asks(self, client, contact):
        for _ in range(3):
            self.ask(client, "Ada@example.org")
            self.ask(client)
        assert len(mail.outbox) == 1
        LinkRequest.objects.update(asked_at=timezone.now() - entering.AGAIN_AFTER)
        self.ask(client)
        assert len(mail.outbox) == 2

    def test_an_address_that_was_asked_for_is_forgotten_with_the_next(self, client, patient):
        self.ask(client, "eve@example.org")
        self.ask(client, "bob@example.org")
        assert LinkRequest.objects.get().email == "bob@example.org"

    def test_what_waits_for_a_worker_is_mailed_whoever_asks_meanwhile(self, client, contact, patient):
        client.post("/enter/", {"email": contact.email})
        self.ask(client, "eve@example.org")
        assert len(mail.outbox) == 1

    def test_the_mail_speaks_the_language_of_who_asked(self, client, contact):
        with translation.override("en"):  # A request leaves its language behind.
            client.post("/enter/", {"email": contact.email}, headers={"Accept-Language": "de"})
        entering.mail_due()
        assert mail.outbox[0].subject == "Dein Weg zu Maskgrove"

    @pytest.mark.parametrize("email", ["", "nowhere", "a\0b", "x" * 500])
    def test_what_is_no_address_gets_no_mail(self, client, contact, email):
        assert self.ask(client, email).status_code == 200
        assert mail.outbox == []

    def test_a_link_ends_after_a_quarter_of_an_hour(self, client, contact, monkeypatch):
        self.ask(client)
        monkeypatch.setattr(entering, "LIFETIME", timedelta(seconds=-1))
        assert client.post(self.link()).status_code == 410

    def test_who_is_on_several_projects_chooses(self, client, contact):
        for _ in range(2):
            team.invite(project=factories.ProjectFactory(), name="Ada", email="ada@example.org")
        self.ask(client)
        told = client.post(self.link()).content.decode()
        assert told.count("/w/") == 3

    def test_forms_are_this_sites_own(self, contact):
        client = Client(enforce_csrf_checks=True)
        assert self.ask(client).status_code == 403
        assert client.post(f"/enter/{entering.issue(contact)}/").status_code == 403


class TestCodes:
    def test_a_code_leads_to_its_invitation(self, client, project):
        link = team.new_code(project)
        assert client.post("/enter/", {"code": f" {link.code.lower()} "}).url == f"/join/{link.code}/"

    @pytest.mark.parametrize(
        "typed",
        [
            "https://label.example.org/join/K7QF-2M9P-XW3D/",
            "label.example.org/join/K7QF-2M9P-XW3D?from=mail#top",
            "/join/k7qf-2m9p-xw3d",
            "K7QF2M9PXW3D",
            "k7qf 2m9p xw3d",
            "K7QF\N{EN DASH}2M9P\N{EN DASH}XW3D.",
        ],
    )
    def test_a_code_is_found_however_it_is_written(self, client, typed):
        assert client.post("/enter/", {"code": typed}).url == "/join/K7QF-2M9P-XW3D/"

    @pytest.mark.parametrize("typed", ["/", "https://label.example.org/", "\0", "\N{EN DASH}"])
    def test_what_holds_no_code_is_an_invitation_that_nobody_knows(self, client, typed):
        answer = client.post("/enter/", {"code": typed}, follow=True)
        assert (answer.status_code, answer.headers["X-Notice"]) == (404, "unknown-join-link")


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_who_mail_at_once_one_does(mailoutbox):
    team.invite(project=factories.ProjectFactory(), name="Ada", email="ada@example.org")
    entering.ask(email="ada@example.org", door="http://testserver/enter/", language="en", at=timezone.now())
    together([entering.mail_due] * 4)
    assert len(mailoutbox) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_a_link_at_once_one_gets_in():
    contact = team.invite(
        project=factories.ProjectFactory(), name="Ada", email="ada@example.org"
    ).worker.contact
    token = entering.issue(contact)
    got = together([lambda: entering.use(token)] * 4)
    assert sum(not isinstance(one, entering.LinkOver) for one in got) == 1
