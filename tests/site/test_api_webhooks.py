"""Webhooks over the API: their secrets are told once, and what was sent is told as the page tells it."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import KeptReply
from annotation_site.webhooks.models import Delivery, Webhook
from tests.factories import NOON, ProjectFactory
from tests.site.api_ground import V1, client_of

pytestmark = pytest.mark.django_db
URL = "https://receiver.example/maskgrove"


@pytest.fixture
def client(django_user_model, sent) -> Client:
    owner = django_user_model.objects.create_user("owner")
    grant(project=ProjectFactory(slug="facades", name="Facades"), user=owner, access=Access.OWNER)
    return client_of(owner)


def ask(client: Client, method: str, path: str = "", body: object = None, **headers: str):
    url = path if path.startswith("http") else f"{V1}/projects/facades/{path}"
    return getattr(client, method)(url, json.dumps(body), "application/json", headers=headers)


def added(client: Client, **more: object) -> dict:
    made = ask(client, "post", "webhooks", {"url": URL, "kinds": ["stage.failed"], **more})
    assert made.status_code == 201, made.content
    return made.json()


def test_a_secret_is_told_with_the_webhook_and_never_again(client):
    made = added(client)
    assert made.pop("secret") == Webhook.objects.get().secret
    assert client.get(f"{V1}/projects/facades/webhooks/{made['id']}").json() == made
    assert client.get(f"{V1}/projects/facades/webhooks").json()["results"] == [made]
    assert (made["created_by"], made["is_enabled"], made["earlier_until"]) == ("owner", True, None)
    changed = ask(client, "patch", f"webhooks/{made['id']}", {"description": "ours"}).json()
    assert changed == {**made, "description": "ours"}


def test_a_new_secret_is_told_once_and_the_earlier_one_signs_for_a_day(client):
    made = added(client)
    rotated = ask(client, "post", f"webhooks/{made['id']}/secret").json()
    webhook = Webhook.objects.get()
    assert rotated["secret"] == webhook.secret != made["secret"] == webhook.earlier_secret
    assert rotated["earlier_until"] is not None


def test_a_reply_that_is_kept_for_its_key_is_encrypted(client):
    headers = {"Idempotency-Key": "a"}
    body = {"url": URL, "kinds": ["stage.failed"]}
    first, again = (ask(client, "post", "webhooks", body, **headers) for _ in range(2))
    assert first.json() == again.json()
    assert Webhook.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM api_keptreply")
        assert first.json()["secret"] not in cursor.fetchone()[0]
    assert json.loads(KeptReply.objects.get().content) == first.json()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"url": "http://receiver.example/"}, "https://"),
        ({"url": "https://10.0.0.1/"}, "private network"),
        ({"url": "https://user:word@receiver.example/"}, "passwords"),
    ],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused(client, said, told):
    refused = ask(client, "post", "webhooks", {"url": URL, "kinds": ["stage.failed"], **said})
    assert (refused.status_code, refused.json()["type"]) == (422, "address-refused")
    assert told in refused.json()["detail"]
    webhook = added(client)["id"]
    assert ask(client, "patch", f"webhooks/{webhook}", said).status_code == 422
    assert Webhook.objects.get().url == URL


def test_there_are_only_so_many_and_each_is_told_of_something(client):
    assert ask(client, "post", "webhooks", {"url": URL, "kinds": []}).status_code == 400
    assert ask(client, "post", "webhooks", {"url": URL, "kinds": ["rain"]}).status_code == 400
    for _ in range(20):
        added(client)
    refused = ask(client, "post", "webhooks", {"url": URL, "kinds": ["stage.failed"]})
    assert (refused.status_code, refused.json()["type"]) == (422, "webhook-refused")


def test_a_webhook_is_disabled_enabled_and_deleted(client):
    webhook = added(client)["id"]
    assert ask(client, "post", f"webhooks/{webhook}/disable").json()["is_enabled"] is False
    assert ask(client, "post", f"webhooks/{webhook}/enable").json()["is_enabled"] is True
    assert ask(client, "delete", f"webhooks/{webhook}").status_code == 204
    assert client.get(f"{V1}/projects/facades/webhooks/{webhook}").status_code == 404


def test_a_test_is_sent_looked_at_and_sent_again(client, sent):
    webhook = added(client)["id"]
    made = ask(client, "post", f"webhooks/{webhook}/test")
    assert (made.status_code, made.json()["kind"], made.json()["state"]) == (202, "test", "waiting")
    delivery = Delivery.objects.get()
    delivery.attempts.create(at=NOON, status=500, response="no", elapsed_ms=12, headers={"webhook-id": "msg"})
    Delivery.objects.update(state="failed", tries=1, ended_at=NOON)
    failed = client.get(f"{V1}/projects/facades/webhooks/{webhook}/deliveries?state=failed").json()["results"]
    assert [one["message"] for one in failed] == [delivery.message]
    facts = client.get(made["Location"]).json()
    assert facts["body"]["data"]["project"] == {"slug": "facades", "name": "Facades"}
    assert [(one["status"], one["response"]) for one in facts["attempts"]] == [(500, "no")]
    again = ask(client, "post", f"deliveries/{delivery.pk}/again")
    assert (again.status_code, again.json()["state"], again.json()["tries"]) == (202, "waiting", 0)
    assert again.json()["message"] == delivery.message
    assert sent == ["maskgrove.tell_webhooks"] * 2


def test_webhooks_of_other_projects_do_not_exist(client):
    theirs = Webhook.objects.create(project=ProjectFactory(), url=URL, kinds=["test"], created_at=NOON)
    message = theirs.deliveries.create(kind="test", body="{}", made_at=NOON, due_at=NOON)
    for method, path in [
        ("get", f"webhooks/{theirs.pk}"),
        ("patch", f"webhooks/{theirs.pk}"),
        ("delete", f"webhooks/{theirs.pk}"),
        ("post", f"webhooks/{theirs.pk}/secret"),
        ("post", f"webhooks/{theirs.pk}/test"),
        ("get", f"webhooks/{theirs.pk}/deliveries"),
        ("get", f"deliveries/{message.pk}"),
        ("post", f"deliveries/{message.pk}/again"),
    ]:
        assert getattr(client, method)(f"{V1}/projects/facades/{path}").status_code == 404, path
