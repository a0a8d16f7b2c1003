"""Every list of the API: a page of many rows asks the database no more often than a page of one."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from annotation_site.access.granting import grant, invite
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import Scope
from annotation_site.catalog.models import Role, StageRun
from annotation_site.catalog.roles import RoleShares
from annotation_site.closing.models import Deletion
from annotation_site.marketplaces import team
from annotation_site.marketplaces.models import Message, Payment
from annotation_site.preparing.imports import Wish, begin_upload
from annotation_site.preparing.uploads import Announced
from annotation_site.results.export_files import ask_for_export
from annotation_site.results.formats.choice import Choice
from annotation_site.verification.overruling import overrule
from annotation_site.webhooks.delivering import send_test
from annotation_site.webhooks.webhooks import add_webhook
from tests.factories import NOON, CategoryFactory, ImageFactory, LessonFactory, ProjectFactory
from tests.site.api_ground import V1, ApiGround, client_of, gone, last_leaf, predicted
from tests.site.campaigns import Person, counted_queries

pytestmark = pytest.mark.django_db

FEW, MANY = 1, 200
LISTS = [
    path.removeprefix(f"{V1}/")
    for path, methods in SchemaGenerator().get_schema(public=True)["paths"].items()
    if path.startswith(V1)
    and any(one.get("name") == "cursor" for one in methods.get("get", {}).get("parameters", []))
]


@pytest.fixture
def ground() -> ApiGround:
    """Three of everything at least."""
    ground = ApiGround.laid()
    for n in range(3):
        add_to_the_project(ground, n)
        add_to_the_crowd(ground, n)
        add_what_others_are_told(ground, n)
        add_to_what_stays(ground, n)
    predicted(ground.project, [0.2, 0.4, 0.9])
    return ground


def add_to_the_project(ground: ApiGround, n: int) -> None:
    project, owner = ground.project, ground.owner
    tree = project.rounds.first().trees.get(role=Role.POOL)
    grant(project=ProjectFactory(), user=owner, access=Access.VIEWER)
    CategoryFactory(project=project)
    ImageFactory(project=project)
    LessonFactory(image=ImageFactory(project=project), is_example=True)
    round_ = project.rounds.create(number=2 + n)
    StageRun.objects.create(round=round_, stage="train", state="running")
    project.comparisons.create(round=round_, asked_at=NOON, asked_by=owner)
    node = last_leaf(tree) - 1 - n
    overrule(tree=tree, node=node, verdict="reject", reason="None.", by=owner, at=NOON)
    ask_for_export(project=project, format_name="coco", choice=Choice(), by=owner, at=NOON)
    wish, files = Wish(RoleShares.all(Role.POOL)), [Announced(f"{n}.png", 10)]
    begin_upload(project=project, files=files, wish=wish, by=owner, at=timezone.now())


def add_to_the_crowd(ground: ApiGround, n: int) -> None:
    project, worker = ground.project, ground.places["worker"]
    about = {"membership_id": worker, "by": "owner", "at": NOON}
    person = Person.of(project, f"Worker {n}")
    team.new_code(project)
    Payment.objects.create(money=1, once=uuid.uuid4(), **about)
    Message.objects.create(text="Hello", once=uuid.uuid4(), **about)
    provider, environment = [("mturk", "production"), ("prolific", "sandbox"), ("prolific", "production")][n]
    posting = project.listings.get(pk=ground.places["listing"]).postings.get()
    posting.submissions.create(
        listing=posting.listing, worker=person.member.worker, external_id=f"T{n}", arrived_at=NOON
    )
    action = {"kind": "post", "reference": f"again:{n}", "posting": posting}
    posting.listing.actions.create(asked_at=NOON, due_at=NOON, **action)
    project.listings.create(
        provider=provider, environment=environment, title="Doors", description="Right?", reward="0.10",
        places=5, created_at=NOON,
    )  # fmt: skip


def add_what_others_are_told(ground: ApiGround, n: int) -> None:
    project = ground.project
    user = User.objects.create_user(f"person-{n}", f"{n}@example.org")
    grant(project=project, user=user, access=Access.VIEWER)
    invite(project=project, email=f"new-{n}@example.org", access=Access.VIEWER, at=timezone.now())
    webhook = project.webhooks.first()
    url = f"https://receiver.example/{n}"
    add_webhook(project=project, url=url, kinds=webhook.kinds, description="", by=ground.owner, at=NOON)
    send_test(webhook, at=NOON + timedelta(seconds=n))


def add_to_what_stays(ground: ApiGround, n: int) -> None:
    tokens.issue(user=ground.owner, name=f"job {n}", scope=Scope.READ, at=NOON, projects=[ground.project])
    gone(ground.owner, 1 + n)
    for deletion in Deletion.objects.all():
        deletion.lines.create(worker=2 + n, questions=1, earned=1, fees=0, paid=0, declined=0)


def queries(client: Client, url: str, limit: int) -> tuple[int, int]:
    """How many rows a page had, and how many statements it took."""
    client.get(url)  # What a process keeps in memory is there from now on.
    with counted_queries() as statements:
        answer = client.get(f"{url}?limit={limit}")
    assert answer.status_code == 200, answer.content
    return len(answer.json()["results"]), len(statements)


def test_a_page_of_many_rows_takes_no_more_queries_than_one_of_one(ground: ApiGround) -> None:
    grown = {}
    for path in LISTS:
        client, url = client_of(ground.asking(path)), ground.url(path)
        (one, once), (rows, often) = (queries(client, url, limit) for limit in (FEW, MANY))
        assert one == 1
        assert rows >= 3, path
        if often != once:
            grown[path] = (once, often)
    assert grown == {}
