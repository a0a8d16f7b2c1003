"""A project with something of everything that the API tells of, and who may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotation_site.access.granting import grant, invite
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import Scope
from annotation_site.catalog.models import Mask, Project, Role, StageRun, Tree
from annotation_site.catalog.roles import RoleShares
from annotation_site.closing.models import Deletion
from annotation_site.marketplaces import team
from annotation_site.marketplaces.models import Listing
from annotation_site.people.models import GoldItem, Worker
from annotation_site.preparing.imports import Wish, begin_upload
from annotation_site.preparing.uploads import Announced
from annotation_site.results.export_files import ask_for_export
from annotation_site.results.formats.choice import Choice
from annotation_site.verification.models import Decision
from annotation_site.verification.overruling import overrule
from annotation_site.webhooks.delivering import send_test
from annotation_site.webhooks.models import Kind
from annotation_site.webhooks.webhooks import add_webhook
from tests.factories import NOON, ImageFactory, LessonFactory, MaskFactory, TreeFactory
from tests.site.campaigns import Person, opened, project_with_clusters

V1 = "/api/v1"


def bearer(user: User, scope: Scope = Scope.ADMIN, **given: Any) -> str:
    """The Authorization header of a new token."""
    return f"Bearer {tokens.issue(user=user, name='a test', scope=scope, at=NOON, **given)[1]}"


def client_of(user: User, scope: Scope = Scope.ADMIN, **given: Any) -> Client:
    """A program that acts for somebody."""
    return Client(headers={"Authorization": bearer(user, scope, **given)})


def last_leaf(tree: Tree) -> int:
    """The node of the last mask: nodes are numbered in preorder."""
    return 2 * tree.n - 2


def offered(project: Project, worker: Worker) -> dict[str, int]:
    """A listing where somebody handed in, and something that the marketplace refused."""
    listing = Listing.objects.create(
        project=project, provider="mturk", title="Windows", description="Right?", reward="0.10", places=5,
        created_at=NOON,
    )  # fmt: skip
    posting = listing.postings.create(number=1, places=5)
    came = posting.submissions.create(
        listing=listing, worker=worker, external_id="S1", state="handed_in", arrived_at=NOON
    )
    refused = listing.actions.create(
        kind="post", reference="post:1", posting=posting, asked_at=NOON, due_at=NOON, failed_at=NOON
    )
    return {"listing": listing.pk, "submission": came.pk, "action": refused.pk}


def told(project: Project, owner: User) -> dict[str, int]:
    """A webhook, and a message to it that was answered."""
    webhook = add_webhook(
        project=project, url="https://receiver.example/", kinds=Kind.values, description="", by=owner, at=NOON
    )
    delivery = send_test(webhook, at=NOON)
    delivery.attempts.create(at=NOON, status=500, response="no", elapsed_ms=12, headers={"webhook-id": "msg"})
    return {"webhook": webhook.pk, "delivery": delivery.pk}


def predicted(project: Project, ious: Sequence[float], *, score: float = 0.7) -> Tree:
    """The tree of held-out predictions of a category, which are of these IoUs and of one score."""
    round_ = project.rounds.latest("number")
    tree = TreeFactory(round=round_, role=Role.HELDOUT, n=len(ious))
    image = ImageFactory(project=project, role=Role.HELDOUT)
    for position, iou in enumerate(ious):
        MaskFactory(tree=tree, position=position, image=image, score=score, iou=iou)
    return tree


def gone(owner: User, n: int = 0) -> Deletion:
    """The n-th of other projects of theirs, which were deleted."""
    deletion = Deletion.objects.create(
        project=2**40 + n, slug="doors", name="Doors", currency="USD", asked_by=owner.username, asked_at=NOON,
        keeps_answers=False, state="done", finished_at=NOON,
    )  # fmt: skip
    deletion.owners.add(owner)
    money = {"earned": "1.20", "fees": "0.24", "paid": "1.20", "declined": 0}
    deletion.lines.create(worker=1, name="Ada", provider="link", questions=12, **money)
    return deletion


@dataclass
class ApiGround:
    """A campaign that is half done, with its owner, and a superuser."""

    project: Project
    owner: User
    root: User
    places: dict[str, int | str]

    @classmethod
    def laid(cls) -> ApiGround:
        project = opened(project_with_clusters([1.0, 1.0, 0.0, 0.5], gold=4, hit_size=10))
        owner = User.objects.create_user("owner", "owner@example.org")
        grant(project=project, user=owner, access=Access.OWNER)
        other = User.objects.create_user("other", "other@example.org")
        grant(project=project, user=other, access=Access.VIEWER)
        ada = Person.of(project)
        for _ in range(6):
            ada.work()
        tree = project.rounds.get().trees.get()
        stage = StageRun.objects.create(round=tree.round, stage="open", state="done", detail={"gold": 4})
        verdict = overrule(
            tree=tree, node=last_leaf(tree), verdict="reject", reason="It is no window.", by=owner, at=NOON
        )
        export = ask_for_export(project=project, format_name="coco", choice=Choice(), by=owner, at=NOON)
        waiting = invite(project=project, email="new@example.org", access=Access.VIEWER, at=timezone.now())
        mask = Mask.objects.filter(tree=tree).earliest("position")
        files = [Announced("a.png", 10)]
        wish = Wish(RoleShares.all(Role.POOL))
        upload = begin_upload(project=project, files=files, wish=wish, by=owner, at=timezone.now())
        places = {
            "slug": project.slug,
            "tree": tree.pk,
            "node": 0,
            "mask": mask.pk,
            "image": mask.image_id,
            "category": tree.category_id,
            "decision": Decision.objects.filter(tree=tree).earliest("pk").pk,
            "verdict": verdict.pk,
            "worker": ada.member.pk,
            "export": export.pk,
            "kind": "export",
            "job": export.pk,
            "comparison": project.comparisons.create(round=tree.round, asked_at=NOON, asked_by=owner).pk,
            "person": other.pk,
            "invitation": waiting.pk,
            "number": 1,
            "run": upload.pk,
            "gold": GoldItem.objects.filter(project=project).earliest("pk").pk,
            "code": team.new_code(project).pk,
            "example": LessonFactory(image=mask.image, category=tree.category, is_example=True).pk,
            **offered(project, ada.member.worker),
            **told(project, owner),
            "deletion": gone(owner).pk,
            "stage": stage.pk,
            "token_id": tokens.issue(user=owner, name="nightly", scope=Scope.READ, at=NOON)[0].pk,
        }
        return cls(project, owner, User.objects.create_superuser("operator"), places)

    def asking(self, path: str) -> User:
        """Who may ask at an address: what is about the site itself is for superusers."""
        return self.root if path.removeprefix(f"{V1}/").startswith("system") else self.owner

    def url(self, path: str, **other: object) -> str:
        """`projects/{slug}/masks/{mask}` with the places of the ground."""
        return f"{V1}/{path.format(**{**self.places, **other})}"

    def client(self, scope: Scope = Scope.ADMIN) -> Client:
        """The owner's program."""
        return client_of(self.owner, scope)
